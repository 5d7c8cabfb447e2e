// What the log's threads tell each other. Everything here is copied from thread to thread, so it is plain and flat.

import type { Position, Topic } from '../../event.ts'
import type { PlainError } from '../../thread-calls.ts'
import type { AppendKey } from '../append-key.ts'
import type { LogUsage } from '../event-log.ts'
import type { Field } from '../flat-events.ts'
import type { Retention, RetentionRule } from '../retention.ts'

export interface WriterOptions {
  readonly directory: string
  readonly maxBytes: number
  readonly limits: Retention
  readonly retention: readonly RetentionRule[]
  readonly maxStateBytes: number
  readonly maxIdempotencyKeys: number
  readonly idempotencyKeyAgeMs: number
  readonly maxLossTopics: number
  /** When it was opened, milliseconds since 1970: the clock is the main thread's. */
  readonly now: number
}

/** What the log holds when it is opened. */
export interface Opened {
  readonly epoch: string
  readonly head: Position
  /** Of the newest event that is kept; 0 when there is none. */
  readonly time: number
  readonly kept: Kept
  /** The file lacks events whose ids were given out: it has a new epoch, and this says why. */
  readonly regression: string | undefined
}

/** Appends that are committed together. */
export interface Batch {
  readonly appends: readonly BatchedAppend[]
  /** The time of all its events. */
  readonly time: number
}

export interface BatchedAppend {
  /** Its events, flat. */
  readonly fields: readonly Field[]
  readonly key: AppendKey | undefined
}

export interface BatchResult {
  /** In the order of the appends. What was added of an append is its end. */
  readonly outcomes: readonly AppendOutcome[]
  readonly head: Position
  readonly kept: Kept
}

export type AppendOutcome =
  | { readonly last: Position; readonly added: number }
  | { readonly error: PlainError }

/** What there is after a step, and what went. */
export interface Kept {
  readonly usage: LogUsage
  /** How many events were lost since the log was made. */
  readonly losses: number
  /** For each topic that lost events in this step, the newest of them. */
  readonly trimmed: readonly (readonly [Topic, Position])[]
}

/** A flag of an event in the file, beside those of flat events. */
export const IS_RESET = 4

/** A page of a topic's newest events as the reader thread hands it over. */
export interface RowBackPage {
  /** Its events, flat, the newest first. */
  readonly fields: readonly Field[]
  readonly hasOlder: boolean
}

/** A page as the reader thread hands it over. */
export interface RowPage {
  /** Its events, flat. */
  readonly fields: readonly Field[]
  readonly position: Position
  readonly lostThrough: Position
  readonly losses: number
}
