import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { framesOf, type FrameEncoder, type Gap, type Sink } from '../../src/hub/frames.ts'
import { Hub } from '../../src/hub/hub.ts'
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

t.test('a loss that hides behind one that was accepted at the start is announced', async t => {
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
