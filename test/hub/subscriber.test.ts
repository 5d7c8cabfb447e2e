import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { framesOf, type FrameEncoder, type Gap, type Sink } from '../../src/hub/frames.ts'
import { Hub } from '../../src/hub/hub.ts'
import type { Start } from '../../src/hub/subscriber.ts'
import { MemoryLog } from '../../src/log/memory.ts'
import { selectorOf } from '../../src/topic-pattern.ts'

/** Notes what it is given, and is full after each chunk until it is drained. */
class SlowSink implements Sink {
  readonly connection = { turn: 0 }
  hasRoom = true
  readonly received: string[] = []

  write(chunk: Buffer): void {
    this.received.push(...chunk.toString().trimEnd().split('\n'))
    this.hasRoom = false
  }

  end(): void {}
}

const encoder: FrameEncoder = {
  name: 'test',
  events: several => framesOf(several, event => `${event.position}\n`),
  states: several => framesOf(several, event => `state ${event.position}\n`),
  gap: (gap: Gap) => Buffer.from(`gap ${gap.resumesAfter} ${gap.lostThrough}\n`),
  ready: position => Buffer.from(`ready ${position}\n`),
}

function setUp(t: Test): { log: MemoryLog; hub: Hub } {
  const log = new MemoryLog({
    maxBytes: 1e9,
    maxTopicBytes: 1e9,
    maxTopicEvents: 2000,
    maxAgeMs: 1e9,
    maxStateBytes: 1e9,
    maxIdempotencyKeys: 1,
    idempotencyKeyAgeMs: 1e9,
  })
  t.teardown(() => log.close())
  const hub = new Hub(log)
  t.teardown(() => hub.close())
  return { log, hub }
}

t.test('a loss that hides behind one that was accepted at the start is announced', async t => {
  const { log, hub } = setUp(t)
  const publish = (topic: string, count: number): Promise<unknown> =>
    hub.publish(Array.from({ length: count }, () => ({ topic, data: '' })))

  await publish('a', 1500)
  await publish('b', 2100)
  t.equal(await log.lostThrough(selectorOf(['b'])), 1600, 'b has lost before anybody came')
  const sink = new SlowSink()
  const subscriber = hub.subscribe(selectorOf(['a', 'b']), encoder, sink, hub.startAt('earliest'))
  while (sink.received.length === 0) await turn()
  const read = sink.received.length
  t.equal(sink.received.at(-1), String(read), 'it gets the first page, and no gap')
  t.ok(read < 1000)

  await publish('a', 1500)
  t.equal(
    await log.lostThrough(selectorOf(['a'])),
    1000,
    'a loses what was not read yet, behind the loss of b',
  )
  sink.hasRoom = true
  subscriber.drained()
  while (sink.received.length === read) await turn()
  t.equal(sink.received[read], `gap ${read} 1600`)
  subscriber.close('client')
})

t.test('whoever comes with a position is told once that it has what there was', async t => {
  const { hub } = setUp(t)
  const resume = (position: number): Start => ({ kind: 'resume', position, hasStates: false })
  await hub.publish(['a', 'a', 'b'].map(topic => ({ topic, data: '' })))
  while (hub.position < 3) await turn()
  const expected = new Map([
    [hub.startAt('earliest'), ['1', '2', 'ready 3']],
    [resume(1), ['2', 'ready 3']],
    [resume(2), ['ready 3']],
    [resume(3), ['ready 3']],
    [hub.startAt('now'), []],
  ])
  const readers = [...expected].map(([start, first]) => {
    const sink = new SlowSink()
    return { sink, first, subscriber: hub.subscribe(selectorOf(['a']), encoder, sink, start) }
  })
  const drain = async (): Promise<void> => {
    for (let turns = 0; turns < 20; turns++) {
      await turn()
      for (const { sink, subscriber } of readers) {
        if (sink.hasRoom) continue
        sink.hasRoom = true
        subscriber.drained()
      }
    }
  }
  await drain()
  t.same(
    readers.map(({ sink }) => sink.received),
    readers.map(({ first }) => first),
  )
  // Each write fills the sink: they fall behind, and catch up without a word.
  for (let count = 0; count < 3; count++) await hub.publish([{ topic: 'a', data: '' }])
  await drain()
  t.same(
    readers.map(({ sink }) => sink.received),
    readers.map(({ first }) => [...first, '4', '5', '6']),
  )
  for (const { subscriber } of readers) subscriber.close('client')
})
