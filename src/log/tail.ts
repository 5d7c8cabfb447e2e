// The tail of a log that is in this thread: a listener among others.

import type { Position } from '../event.ts'
import type { Tail, TailListener } from './event-log.ts'

export function startTail(listeners: Set<TailListener>, listener: TailListener, after: Position): Tail {
  listeners.add(listener)
  return {
    after,
    // The hub holds its own publishers back.
    delivered() {},
    stop: () => void listeners.delete(listener),
  }
}
