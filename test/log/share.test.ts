// The log's end of a remote log: what threads have before them is bounded, and one that does not work is noticed.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Position } from '../../src/event.ts'
import { MemoryLog } from '../../src/log/memory.ts'
import { RemoteLog } from '../../src/log/remote.ts'
import { LogShare } from '../../src/log/share.ts'
import { ROOMY } from '../support/roomy.ts'

const MAX_AHEAD_SIZE = 1_000_000
const EVENT_SIZE = 200_000
const EVENTS = 20

t.test('appends wait while one thread is behind, whosever they are, and go on in order', async t => {
  const { log, connect } = open(t)
  const reader = follow(connect().remote)
  const publisher = connect().remote
  const answers = publishAll(publisher)
  const most = Math.ceil(MAX_AHEAD_SIZE / EVENT_SIZE)
  while (reader.handedOver < most) await sleep(1)
  // However long nobody delivers.
  await sleep(50)
  t.equal(log.head(), most)
  while (log.head() < EVENTS) {
    reader.deliver(reader.handedOver)
    await sleep(1)
    t.ok(log.head() - reader.delivered <= 2 * most, 'what it has before it stays bounded')
  }
  t.same(
    await answers,
    Array.from({ length: EVENTS }, (_, at) => at + 1),
  )
})

t.test('a thread has no more before it than it asks for', async t => {
  const { log, connect } = open(t)
  const reader = follow(connect().remote)
  const publisher = connect().remote
  const few = 2
  await publisher.append([{ topic: 'a', data: 'x'.repeat(3 * EVENT_SIZE) }])
  // Enough for the log's thread to be told.
  reader.deliver(1, few * EVENT_SIZE)
  await sleep(10)
  const answers = publishAll(publisher)
  await sleep(50)
  t.equal(log.head(), 1 + few, 'appends wait')
  while (log.head() < 1 + EVENTS) {
    reader.deliver(reader.handedOver, few * EVENT_SIZE)
    await sleep(5)
    const underWay = log.head() - reader.delivered
    t.ok(underWay <= few + 1, `${underWay} are under way`)
  }
  t.equal((await answers).length, EVENTS)
})

t.test('a thread that delivers nothing for long is told of, and appends go on without it', async t => {
  const { log, connect } = open(t)
  const stalled = Promise.withResolvers<void>()
  const { remote, disconnect } = connect(() => stalled.resolve())
  follow(remote)
  const answers = publishAll(connect(() => t.fail('this one works')).remote)
  await stalled.promise
  t.ok(log.head() < EVENTS)
  disconnect()
  t.equal((await answers).length, EVENTS)
})

t.test('a thread that comes later has nothing of what was before, and all that is after', async t => {
  const { log, connect } = open(t)
  const publisher = connect().remote
  await publisher.append([{ topic: 'a', data: 'before' }])
  // Not yet handed over to anybody.
  void log.append([{ topic: 'a', data: 'now' }])
  const { remote } = connect()
  t.equal(remote.head(), 2)
  const came: string[] = []
  const { after } = remote.tail(events => came.push(...events.map(({ data }) => data)))
  t.equal(after, 1)
  await publisher.append([{ topic: 'a', data: 'after' }])
  await publisher.append([])
  t.same(came, ['now', 'after'])
})

interface Reader {
  readonly handedOver: Position
  readonly delivered: Position
  /** `ahead`: how much more may be on its way. */
  deliver(through: Position, ahead?: number): void
}

function follow(remote: RemoteLog): Reader {
  let handedOver = 0
  let delivered = 0
  const tail = remote.tail(events => void (handedOver = events.at(-1)!.position))
  return {
    get handedOver() {
      return handedOver
    },
    get delivered() {
      return delivered
    },
    deliver(through, ahead = MAX_AHEAD_SIZE) {
      delivered = through
      tail.delivered(through, ahead)
    },
  }
}

/** One in each message; resolves with their positions in the order in which they were sent. */
async function publishAll(remote: RemoteLog): Promise<Position[]> {
  const answers: Promise<Position>[] = []
  for (let at = 0; at < EVENTS; at++) {
    answers.push(remote.append([{ topic: 'a', data: 'x'.repeat(EVENT_SIZE) }]).then(({ last }) => last))
    await sleep(0)
  }
  return Promise.all(answers)
}

function open(t: Test): {
  log: MemoryLog
  connect: (onStall?: () => void) => { remote: RemoteLog; disconnect: () => void }
} {
  const log = new MemoryLog(ROOMY)
  const share = new LogShare(log, { maxAheadSize: MAX_AHEAD_SIZE, stallMs: 100 })
  t.teardown(async () => {
    share.close()
    await log.close()
  })
  return {
    log,
    connect: (onStall = () => {}) => {
      const { handle, disconnect } = share.connect(onStall)
      const remote = new RemoteLog(handle)
      t.teardown(() => remote.close())
      return { remote, disconnect }
    },
  }
}
