// Long polling: a request that waits for an event.

import type { FastifyReply } from 'fastify'
import type { Position } from '../event.ts'
import type { Hub } from '../hub/hub.ts'
import { nextEvent } from '../hub/next-event.ts'
import type { Selector } from '../topic-pattern.ts'

/** Resolves when an event that matches comes after `position`, the time is up, the client is gone, or the hub closes. */
export async function waitForEvent(
  { hub, closing }: { readonly hub: Hub; readonly closing: AbortSignal },
  reply: FastifyReply,
  selector: Selector,
  position: Position,
  waitMs: number,
): Promise<void> {
  const ends = new AbortController()
  const end = (): void => ends.abort()
  const timer = setTimeout(end, waitMs)
  reply.raw.once('close', end)
  closing.addEventListener('abort', end, { signal: ends.signal })
  await nextEvent(hub, selector, position, ends.signal)
  end()
  clearTimeout(timer)
  reply.raw.off('close', end)
}
