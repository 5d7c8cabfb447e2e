// How much a flush carries, and how long publishers wait for it: neither readers nor publishers can starve the others.

import t, { type Test } from 'tap'
import { framesOf, type FrameEncoder, type Sink } from '../../src/hub/frames.ts'
import { Hub } from '../../src/hub/hub.ts'
import type { Subscriber } from '../../src/hub/subscriber.ts'
import { MemoryLog } from '../../src/log/memory.ts'
import { selectorOf } from '../../src/topic-pattern.ts'
import { ROOMY } from '../support/roomy.ts'

const FRAME_BYTES = 200
const frame = Buffer.alloc(FRAME_BYTES)
const encoder: FrameEncoder = {
  name: 'fixed',
  events: events => framesOf(events, () => frame.toString()),
  states: events => framesOf(events, () => ''),
  gap: () => frame,
  ready: () => frame,
}

interface Crowd {
  readonly hub: Hub
  /** The sizes of the chunks that the first reader got. */
  readonly chunks: number[]
}

async function crowd(t: Test, readers: number): Promise<Crowd> {
  const hub = new Hub(new MemoryLog(ROOMY))
  t.teardown(() => hub.close())
  const chunks: number[] = []
  const subscribers: Subscriber[] = []
  for (let reader = 0; reader < readers; reader++) {
    const write = (chunk: Buffer): void => void (reader === 0 && chunks.push(chunk.length))
    const sink: Sink = { connection: { turn: 0 }, hasRoom: true, write, end() {} }
    const start = { kind: 'now', position: 0, hasStates: false } as const
    subscribers.push(hub.subscribe(selectorOf(['a']), encoder, sink, start))
  }
  while (subscribers.some(({ phase }) => phase !== 'live')) await turn()
  return { hub, chunks }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
const event = { topic: 'a', data: 'x'.repeat(FRAME_BYTES - 64) }

t.test('to few readers a flush carries much', async t => {
  const { hub, chunks } = await crowd(t, 2)
  await hub.publish(Array.from({ length: 1000 }, () => event))
  while (hub.position < 1000) await turn()
  t.ok(Math.max(...chunks) > 60_000, `${Math.max(...chunks)} bytes`)
  t.ok(Math.max(...chunks) < 70_000)
})

t.test('to many readers it carries little, so that the next one comes soon', async t => {
  const { hub, chunks } = await crowd(t, 2000)
  await hub.publish(Array.from({ length: 1000 }, () => event))
  while (hub.position < 1000) await turn()
  t.ok(Math.max(...chunks) < 9000, `${Math.max(...chunks)} bytes`)
  t.ok(Math.min(...chunks.slice(0, -1)) > 8000, 'but not too little: writing costs more than bytes')
})

t.test('publishers wait while a flush is under way and the next one is full', async t => {
  const { hub } = await crowd(t, 2000)
  const published: number[] = []
  let mostWaiting = 0
  const all = Array.from({ length: 2000 }, (_, number) =>
    hub.publish([{ ...event, data: `${number}`.padEnd(FRAME_BYTES - 64) }]).then(({ last }) => {
      published.push(number)
      mostWaiting = Math.max(mostWaiting, last - hub.position)
    }),
  )
  await Promise.all(all)
  // The first flush does not know yet how many readers there are.
  t.ok(mostWaiting < 400, `${mostWaiting} events wait`)
  t.same(
    published,
    [...published].sort((a, b) => a - b),
    'each in its turn',
  )
})
