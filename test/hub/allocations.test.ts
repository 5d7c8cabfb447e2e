// What the hub allocates for an event: its frame and its chunk, and nothing for each subscriber.

import t from 'tap'
import { framesOf, type FrameEncoder, type Sink } from '../../src/hub/frames.ts'
import { Hub } from '../../src/hub/hub.ts'
import { SILENT_OBSERVER } from '../../src/hub/observer.ts'
import { MemoryLog } from '../../src/log/memory.ts'
import { selectorOf } from '../../src/topic-pattern.ts'
import { ROOMY } from '../support/roomy.ts'

const encoder: FrameEncoder = {
  name: 'test',
  events: events => framesOf(events, ({ data }) => data),
  states: () => ({ chunk: Buffer.alloc(0), ends: [] }),
  gap: () => Buffer.alloc(0),
  ready: () => Buffer.alloc(0),
}

const FEW = 100
const MANY = 10_100

/** The least growth of the heap, in bytes, that one event caused with so many live subscribers, 1,000 on a connection. */
async function allocatedWith(subscribers: number): Promise<number> {
  const log = new MemoryLog(ROOMY)
  let live = 0
  const allLive = Promise.withResolvers<void>()
  const wentLive = (): void => {
    if (++live === subscribers) allLive.resolve()
  }
  let flushed = (): void => {}
  const observer = { ...SILENT_OBSERVER, wentLive, flushed: () => flushed() }
  const hub = new Hub(log, observer)
  const connections = Array.from({ length: 1 + subscribers / 1000 }, () => ({ turn: 0 }))
  let written = 0
  for (let at = 0; at < subscribers; at++) {
    const connection = connections[Math.floor(at / 1000)]!
    const sink: Sink = { connection, hasRoom: true, write: () => void written++, end() {} }
    hub.subscribe(selectorOf(['a']), encoder, sink, hub.startAt('now'))
  }
  await allLive.promise
  let least = Infinity
  // Code is compiled in between, and garbage collected: what one event takes is the least of many.
  for (let event = 0; event < 300; event++) {
    const before = process.memoryUsage().heapUsed
    const delivered = new Promise<void>(resolve => (flushed = resolve))
    await hub.publish([{ topic: 'a', data: 'x' }])
    await delivered
    const grown = process.memoryUsage().heapUsed - before
    if (grown > 0) least = Math.min(least, grown)
  }
  if (written !== subscribers * 300) throw new Error(`${written} writes`)
  hub.close()
  await log.close()
  return least
}

t.test('an event to 10,000 more subscribers allocates no more', async t => {
  const few = await allocatedWith(FEW)
  const many = await allocatedWith(MANY)
  const each = (many - few) / (MANY - FEW)
  // The smallest object takes 16 bytes.
  t.ok(each < 1, `${few} bytes for ${FEW} subscribers, ${many} for ${MANY}: ${each.toFixed(2)} for each`)
})
