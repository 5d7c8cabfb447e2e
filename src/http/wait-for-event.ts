// Long polling: a subscriber whose sink takes one chunk and wakes whoever waits.

import type { FastifyReply } from 'fastify'
import type { Position } from '../event.ts'
import { framesOf, type FrameEncoder, type Sink } from '../hub/frames.ts'
import type { Hub } from '../hub/hub.ts'
import type { Selector } from '../topic-pattern.ts'

const NOTHING = Buffer.alloc(0)

// What came is read from the log afterwards; here it is enough that something came.
const wakeEncoder: FrameEncoder = {
  name: 'wake',
  events: events => framesOf(events, () => ''),
  states: events => framesOf(events, () => ''),
  gap: () => NOTHING,
  ready: () => NOTHING,
}

/** Resolves when an event that matches comes after `position`, the time is up, the client is gone, or the hub closes. */
export async function waitForEvent(
  { hub, closing }: { readonly hub: Hub; readonly closing: AbortSignal },
  reply: FastifyReply,
  selector: Selector,
  position: Position,
  waitMs: number,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const sink: Sink = { connection: { turn: 0 }, hasRoom: true, write: () => resolve(), end: () => resolve() }
  const subscriber = hub.subscribe(selector, wakeEncoder, sink, {
    kind: 'resume',
    position,
    hasStates: false,
  })
  const timer = setTimeout(resolve, waitMs)
  const ends = new AbortController()
  reply.raw.once('close', resolve)
  closing.addEventListener('abort', () => resolve(), { signal: ends.signal })
  await promise
  ends.abort()
  clearTimeout(timer)
  reply.raw.off('close', resolve)
  subscriber.close('done')
}
