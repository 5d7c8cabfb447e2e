// Readers that catch up at the same time share what they read, whatever the log's speed, and each gets the order of the
// log from where it stood: each event once, or a gap.

import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { RESET, type NewEvent, type Position, type Topic } from '../../src/event.ts'
import { framesOf, type FrameEncoder, type Gap, type Sink } from '../../src/hub/frames.ts'
import { Hub } from '../../src/hub/hub.ts'
import { PAGE_LIMITS, READ_LANES } from '../../src/hub/page-cache.ts'
import type { Subscriber } from '../../src/hub/subscriber.ts'
import type { MemoryLogOptions } from '../../src/log/memory.ts'
import { selectorOf, type Selector } from '../../src/topic-pattern.ts'
import { HeldLog } from '../support/held-log.ts'
import { holds } from '../support/properties.ts'

type Frame = { readonly position: Position; readonly topic: Topic } | { readonly gap: Gap }

const frame = (content: Frame): string => `${JSON.stringify(content)}\n`
const encoder: FrameEncoder = {
  name: 'test',
  events: several => framesOf(several, ({ position, topic }) => frame({ position, topic })),
  states: several => (several.length === 0 ? framesOf(several, () => '') : assert.fail('no state was set')),
  gap: gap => Buffer.from(frame({ gap })),
  ready: () => Buffer.alloc(0),
}

// One for all, so that a flush takes a turn: the head moves as often as it can.
const connection = { turn: 0 }

/** Takes so many chunks, and is full then. */
class Reader implements Sink {
  readonly connection = connection
  readonly from: Position
  readonly wanted: Selector
  readonly frames: Frame[] = []
  readonly subscriber: Subscriber
  room: number
  endedBy: string | undefined
  #writesAllowed = 0

  constructor(hub: Hub, topics: readonly string[], from: Position, room = Infinity) {
    this.from = from
    this.room = room
    this.wanted = selectorOf(topics)
    const start = { kind: 'resume', position: from, hasStates: false } as const
    this.subscriber = hub.subscribe(this.wanted, encoder, this, start)
  }

  get isLive(): boolean {
    return this.subscriber.phase === 'live'
  }

  get positions(): Position[] {
    return this.frames.flatMap(each => ('position' in each ? each.position : []))
  }

  get hasRoom(): boolean {
    // Whoever catches up looks once before it writes: a gap, states, events.
    this.#writesAllowed = this.room > 0 ? 3 : 0
    return this.room > 0
  }

  write(chunk: Buffer): void {
    assert(this.#writesAllowed-- > 0 && this.endedBy === undefined)
    this.room--
    this.frames.push(
      ...chunk
        .toString()
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line) as Frame),
    )
  }

  end(reason: string): void {
    this.endedBy = reason
  }

  drain(room: number): void {
    const wasFull = this.room <= 0
    this.room = room
    if (wasFull && room > 0) this.subscriber.drained()
  }
}

function setUp(
  t: Test | undefined,
  limits: Partial<typeof PAGE_LIMITS> = {},
  options: Partial<MemoryLogOptions> = {},
): { log: HeldLog; hub: Hub; close: () => Promise<void> } {
  const log = new HeldLog(options)
  const hub = new Hub(log, undefined, { ...PAGE_LIMITS, ...limits })
  const close = async (): Promise<void> => {
    hub.close()
    await log.close()
  }
  t?.teardown(close)
  return { log, hub, close }
}

async function publish(hub: Hub, topic: Topic, count: number): Promise<void> {
  await hub.publish(Array.from({ length: count }, () => ({ topic, data: '' })))
  while (hub.position !== hub.log.head()) await turn()
}

async function live(readers: readonly Reader[]): Promise<void> {
  for (let patience = 10_000; readers.some(reader => !reader.isLive); patience--) {
    assert(patience > 0, 'somebody never gets to the head')
    await turn()
  }
}

const range = (after: Position, through: Position): Position[] =>
  Array.from({ length: through - after }, (_, at) => after + 1 + at)

t.test('1,000 readers that come back from about the same place cost about as many reads as one', async t => {
  const { log, hub } = setUp(t, { maxEvents: 100, lifeMs: 60_000 })
  await publish(hub, 'a', 3000)
  await live([new Reader(hub, ['a'], 2000)])
  const readsOfOne = log.reads
  // Two pages of 100; then it is known to be fast, and pages are twice as large.
  t.equal(readsOfOne, 6)
  hub.pages.clear()
  log.reads = 0
  const readers = range(0, 1000).map(at => new Reader(hub, ['a'], 2000 + ((at * 7919) % 50)))
  await live(readers)
  t.ok(log.reads <= readsOfOne + 15, `${log.reads} reads`)
  const faults = readers.filter(({ positions, from }) => positions.join() !== range(from, 3000).join())
  t.equal(faults.length, 0, 'each got what it lacked')
})

t.test('readers get to the head of a log that moves all the time', async t => {
  const { log, hub } = setUp(t)
  await publish(hub, 'a', 5000)
  const publishing = new AbortController()
  // Each turn brings a flush, and there are more readers than one turn has the time for.
  const published = (async () => {
    for (; !publishing.signal.aborted; await turn()) await hub.publish([{ topic: 'a', data: '' }])
  })()
  const alone = new Reader(hub, ['a'], 4700)
  await live([alone])
  const readers = [alone, ...range(0, 1500).map(() => new Reader(hub, ['a'], 4700))]
  await live(readers)
  publishing.abort()
  await published
  while (hub.position !== log.head()) await turn()
  for (let at = 0; at < 200; at++) await turn()
  const all = range(4700, log.head()).join()
  t.equal(readers.filter(reader => reader.positions.join() !== all).length, 0)
  t.ok(log.reads < 500, `${log.reads} reads`)
})

t.test('whoever finds its page in memory does not wait for the reads of others', async t => {
  const { log, hub } = setUp(t)
  await publish(hub, 'a', 100)
  await live([new Reader(hub, ['a'], 0)])
  log.isHolding = true
  const others = range(0, READ_LANES + 8).map(at => new Reader(hub, [`other/${at}`], 0))
  while (log.held < READ_LANES) await turn()
  await live([new Reader(hub, ['a'], 50)])
  t.equal(log.mostAtOnce, READ_LANES)
  t.equal(others.filter(reader => reader.isLive).length, 0)
  // Whoever left while it waited for a lane takes none.
  for (const other of others.slice(-4)) other.subscriber.close('client')
  log.reads = 0
  log.release()
  while (log.held < 4) await turn()
  log.isHolding = false
  log.release()
  await live(others.slice(0, -4))
  t.equal(log.reads, 4)
})

t.test('a sink that drains during a read does not cause another', async t => {
  const { log, hub } = setUp(t)
  await publish(hub, 'a', 10)
  log.isHolding = true
  const reader = new Reader(hub, ['a'], 0)
  while (log.held === 0) await turn()
  for (let at = 0; at < 3; at++) {
    // Or it would join its own.
    hub.pages.clear()
    reader.subscriber.drained()
    await turn()
  }
  t.equal(log.reads, 1)
  log.release()
  await live([reader])
  t.same(reader.positions, range(0, 10))
  t.equal(log.reads, 1)
})

t.test('a sink that is full when its page comes gets it later', async t => {
  const { log, hub } = setUp(t)
  await publish(hub, 'a', 10)
  log.isHolding = true
  const reader = new Reader(hub, ['a'], 0)
  while (log.held === 0) await turn()
  reader.room = 0
  log.release()
  for (let at = 0; at < 5; at++) await turn()
  t.same(reader.positions, [])
  reader.drain(5)
  await live([reader])
  t.same(reader.positions, range(0, 10))
})

t.test('what was deleted is not handed out from memory', async t => {
  const { hub } = setUp(t)
  await publish(hub, 'a', 10)
  await live([new Reader(hub, ['a'], 0)])
  await hub.publish([{ topic: 'a', data: '', type: RESET }])
  const late = new Reader(hub, ['a'], 0)
  await live([late])
  t.same(late.positions, [11])
})

t.test('a read that fails closes those who waited for it, and nobody else', async t => {
  const { log, hub } = setUp(t)
  await publish(hub, 'a', 10)
  const works = log.read.bind(log)
  log.read = async () => {
    throw new Error('the disk is on fire')
  }
  const unlucky = [0, 3, 5].map(from => new Reader(hub, ['a'], from))
  while (unlucky.some(reader => reader.endedBy === undefined)) await turn()
  t.same(
    unlucky.map(reader => [reader.endedBy, reader.subscriber.phase]),
    unlucky.map(() => ['error', 'closed']),
  )
  log.read = works
  await live([new Reader(hub, ['a'], 0)])
})

// ---- whatever happens

const TOPICS = ['a', 'b', 'x/a', 'x/b']
const SELECTIONS = [['a'], ['a', 'b'], ['x/*'], ['**']]

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('publish' as const),
      topics: fc.array(fc.constantFrom(...TOPICS), { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant('reset' as const), topic: fc.constantFrom(...TOPICS) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('come' as const),
      count: fc.integer({ min: 1, max: 6 }),
      wanted: fc.constantFrom(...SELECTIONS),
      // How far back, and how far apart.
      back: fc.nat({ max: 40 }),
      apart: fc.nat({ max: 3 }),
      room: fc.constantFrom(0, 1, 3, Infinity),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ does: fc.constant('drain' as const), room: fc.constantFrom(1, 2, 5) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('hold' as const) }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('release' as const) }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('wait' as const), turns: fc.nat({ max: 4 }) }) },
)

const life = fc.record({
  maxTopicEvents: fc.constantFrom(1, 4, 15, 1000),
  maxEvents: fc.constantFrom(1, 3, 10, 1000),
  cacheBytes: fc.constantFrom(0, 3 * 8192, 1e9),
  steps: fc.array(step, { minLength: 10, maxLength: 60 }),
})

t.test('wherever readers come in, each gets the order of the log, each event once, or a gap', async t => {
  const property = fc.asyncProperty(life, async ({ maxTopicEvents, maxEvents, cacheBytes, steps }) => {
    const { log, hub, close } = setUp(undefined, { maxEvents, cacheBytes }, { maxTopicEvents })
    const history: NewEvent[] = []
    const readers: Reader[] = []
    const append = async (events: NewEvent[]): Promise<void> => {
      history.push(...events)
      await hub.publish(events)
    }
    for (const each of steps) {
      if (each.does === 'publish') await append(each.topics.map(topic => ({ topic, data: '' })))
      else if (each.does === 'reset') await append([{ topic: each.topic, data: '', type: RESET }])
      else if (each.does === 'wait') for (let at = 0; at < each.turns; at++) await turn()
      else if (each.does === 'hold') log.isHolding = true
      else if (each.does === 'release') {
        log.isHolding = false
        log.release()
      } else if (each.does === 'drain') for (const reader of readers) reader.drain(each.room)
      else {
        for (let at = 0; at < each.count; at++) {
          const from = Math.max(0, log.head() - each.back - at * each.apart)
          readers.push(new Reader(hub, each.wanted, from, each.room))
        }
      }
    }
    log.isHolding = false
    log.release()
    for (const reader of readers) reader.drain(Infinity)
    await live(readers)
    await append(TOPICS.map(topic => ({ topic, data: 'last' })))
    while (!readers.every(reader => reader.frames.length > 0 && atEnd(reader, history))) await turn()
    const lost = new Map<Topic, Position>()
    for (const topic of TOPICS) lost.set(topic, await log.lostThrough(selectorOf([topic])))
    for (const reader of readers) check(reader, history, lost)
    for (const reader of readers) reader.subscriber.close('client')
    await close()
  })
  await holds(t, property, { numRuns: 200 })
})

function atEnd({ wanted, positions }: Reader, history: readonly NewEvent[]): boolean {
  return positions.at(-1) === history.findLastIndex(event => wanted.matches(event.topic)) + 1
}

/** Walks along the log beside the reader: what it did not get was announced, and is lost, or was deleted. */
function check(reader: Reader, history: readonly NewEvent[], lost: ReadonlyMap<Topic, Position>): void {
  let announced = 0
  let at = reader.from
  for (const each of reader.frames) {
    if ('gap' in each) {
      assert.equal(each.gap.reason, 'expired')
      assert(each.gap.resumesAfter >= at && each.gap.lostThrough > each.gap.resumesAfter)
      const { topic } = history[each.gap.lostThrough - 1]!
      assert(reader.wanted.matches(topic) && each.gap.lostThrough <= lost.get(topic)!, 'an untrue gap')
      pass(each.gap.resumesAfter)
      announced = each.gap.lostThrough
      continue
    }
    assert(each.position > at, `${each.position} came after ${at}`)
    assert.equal(history[each.position - 1]!.topic, each.topic)
    assert(reader.wanted.matches(each.topic))
    pass(each.position - 1)
    at = each.position
  }
  pass(history.length)

  function pass(through: Position): void {
    for (let position = at + 1; position <= through; position++) {
      const { topic } = history[position - 1]!
      if (!reader.wanted.matches(topic)) continue
      const wasDeleted = history.slice(position).some(event => event.type === RESET && event.topic === topic)
      assert(wasDeleted || position <= announced, `${position} is missing after ${at}, and nothing was said`)
      assert(wasDeleted || position <= lost.get(topic)!, `${position} is missing, and not lost`)
    }
    at = Math.max(at, through)
  }
}
