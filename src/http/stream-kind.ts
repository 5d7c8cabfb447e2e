// What event streams of different protocols have different: their format, their first and last words, and what a grant
// must cover. One object for all streams of a kind.

import type { Grant } from '../auth/grant.ts'
import type { Position } from '../event.ts'
import type { CloseReason } from '../hub/close-reason.ts'
import type { FrameEncoder } from '../hub/frames.ts'
import type { Start } from '../hub/subscriber.ts'
import type { Selector } from '../topic-pattern.ts'
import type { OpenStream } from './event-streams.ts'

/** What is said of it when a stream changes what it follows. */
export interface Change {
  readonly topics: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

export interface StreamKind {
  readonly encoder: FrameEncoder
  /** What a stream begins with. */
  opening(feed: string, selector: Selector, start: Start): string
  /** What the hub says when it ends one. `retryMs`: when to come back. */
  goodbye(reason: CloseReason, retryMs: number | undefined): string
  /** Absent: such streams follow the same as long as they are open. */
  readonly changes?: {
    /** What is handed over of the topics that were added. Must not move the client's last id. */
    encoder(added: readonly string[]): FrameEncoder
    /** Said when that is done. */
    last(position: Position, change: Change): string
  }
  /** Whether the grant suffices for a stream of this selector. */
  covers(grant: Grant, selector: Selector): boolean
  /** Called when a stream has been opened, and when it is gone. */
  opened?(stream: OpenStream): void
  closed?(stream: OpenStream): void
}
