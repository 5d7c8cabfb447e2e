// What turns events into the bytes of one wire format, and the sink that takes the bytes.

import type { Position, StoredEvent } from '../event.ts'
import type { SharedChunk } from '../gzip/shared-text.ts'
import type { CloseReason } from './close-reason.ts'

/** A wire format. */
export interface FrameEncoder {
  /** Names the format; subscribers share chunks only with others of the same format. */
  readonly name: string
  /** Events that follow each other: one chunk costs much less than its frames by themselves. */
  events(events: readonly StoredEvent[]): Frames
  /** Topics' states, for someone who did not see them set: they must not move the reader's last id. */
  states(events: readonly StoredEvent[]): Frames
  gap(gap: Gap): Buffer
  /** What there was has been handed over; the reader's last id is this position from here on. Empty: the format does not tell. */
  ready(position: Position): Buffer
}

export interface Frames {
  readonly chunk: Buffer
  /** Where each frame ends in the chunk. */
  readonly ends: readonly number[]
}

/** The frames of these items, as bytes of their texts. */
export function framesOf<T>(items: readonly T[], textOf: (item: T) => string): Frames {
  let text = ''
  const ends: number[] = []
  for (const item of items) {
    text += textOf(item)
    ends.push(text.length)
  }
  const bytes = Buffer.byteLength(text)
  const chunk = Buffer.allocUnsafe(bytes)
  if (bytes === text.length) {
    // Every character is a byte.
    chunk.write(text, 'latin1')
    return { chunk, ends }
  }
  chunk.write(text)
  let from = 0
  let end = 0
  return {
    chunk,
    ends: ends.map(each => {
      end += Buffer.byteLength(text.slice(from, each))
      from = each
      return end
    }),
  }
}

/** What a subscriber is told when events it wanted are gone. */
export interface Gap {
  /** `expired`: they left the log. `unknown`: the log never issued the id that the subscriber came with. */
  readonly reason: 'expired' | 'unknown'
  /** Where the subscriber goes on: it sees every event after this that the log still has. */
  readonly resumesAfter: Position
  /** Events up to here are gone, this one included. 0: not known. */
  readonly lostThrough: Position
}

/** The receiving end of a subscription: an HTTP stream, or whatever else takes bytes. */
export interface Sink {
  /** Streams of one connection share this object; the hub paces its writes by it. */
  readonly connection: Connection
  /**
   * False while too much waits unsent. Once it was seen false, the sink calls `Subscriber.drained` when there
   * is room again, or closes.
   */
  readonly hasRoom: boolean
  /** Sends less than it is given, where `shared` allows it. Does not change. */
  readonly isCompressing?: boolean
  /** `shared`: the same bytes, in forms that sinks which compress have in common. */
  write(chunk: Buffer, shared?: SharedChunk): void
  /** Ends the stream from the hub's side; with the reason `error`, `error` is what went wrong. */
  end(reason: CloseReason, error?: unknown): void
}

export interface Connection {
  /** The flush turn that last wrote to this connection. */
  turn: number
}

/** About how much an event's frame takes: in characters, which cost nothing to count. None is free. */
export function frameSize(event: StoredEvent): number {
  return event.data.length + 64
}
