// Waits for an event: a subscriber whose sink takes one chunk and wakes whoever waits.

import type { Position } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'
import { framesOf, type FrameEncoder, type Sink } from './frames.ts'
import type { Hub } from './hub.ts'

const NOTHING = Buffer.alloc(0)

// What came is read from the log afterwards; here it is enough that something came.
const wakeEncoder: FrameEncoder = {
  name: 'wake',
  events: events => framesOf(events, () => ''),
  states: events => framesOf(events, () => ''),
  gap: () => NOTHING,
  ready: () => NOTHING,
}

/** Resolves when an event that matches comes after `position`, or is gone, or the signal is aborted. */
export async function nextEvent(
  hub: Hub,
  selector: Selector,
  position: Position,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const wake = (): void => resolve()
  const sink: Sink = { connection: { turn: 0 }, hasRoom: true, write: wake, end: wake }
  const subscriber = hub.subscribe(selector, wakeEncoder, sink, {
    kind: 'resume',
    position,
    hasStates: false,
  })
  signal.addEventListener('abort', wake)
  await promise
  signal.removeEventListener('abort', wake)
  subscriber.close('done')
}
