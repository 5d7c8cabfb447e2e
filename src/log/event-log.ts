// The log's interface and its laws. Every backend runs the same suite: test/contract/event-log.ts.

import type { NewEvent, Position, StoredEvent, Topic } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'
import type { AppendKey } from './append-key.ts'

/**
 * An ordered, bounded store of events.
 *
 * Laws:
 * 1. *Order.* Positions are given in append order and never reused within an epoch. The log has one
 *    order for all topics; `read` and `tail` both follow it.
 * 2. *Kept before known.* When `append` resolves, the events are stored as durably as this log can.
 *    `tail` hands an event over only then, exactly once, in order, whoever wrote it.
 * 3. *All or nothing.* The events of one `append` call are stored together, with consecutive positions, or not
 *    at all.
 * 4. *No silent hole.* What `read` leaves out of its range because it is gone is covered by `lostThrough`.
 * 5. *One life, one epoch.* A log that lost its contents, or went back in time, has a new epoch that sorts after
 *    the old one wherever the clock allows.
 */
export interface EventLog {
  /** Names this life of the log: 11 characters of `[0-9a-z]`. */
  readonly epoch: string

  /** The newest position: what an `append` anywhere has resolved with, or `tail` has handed over, is not beyond it. 0 in an empty log. */
  head(): Position

  /**
   * Stores events, all or none.
   * With a `key`, events that were stored under it before are not stored again; that they are the same events is
   * checked at the first and at the last of those that were stored.
   * Errors: MILLRACE_KEY_REUSED, MILLRACE_STATE_FULL.
   */
  append(events: readonly NewEvent[], key?: AppendKey): Promise<Appended>

  /** Reads a page of the events that match, in order, from just after `after`. */
  read(after: Position, selector: Selector, limit: ReadLimit): Promise<ReadPage>

  /**
   * Reads the newest events of a topic that stand before a position, in order, as many as a page takes. What is kept of a
   * topic is its newest events: there is no hole among them, and whoever reads further and further back ends where they begin.
   */
  readBack(before: Position, topic: Topic, limit: PageLimit): Promise<BackPage>

  /**
   * Reads a page of topics' current states, in the order they were set. `onlyGone` leaves out those that
   * `read` still finds. `lostThrough` is always 0.
   */
  readStates(after: Position, selector: Selector, limit: ReadLimit & { onlyGone: boolean }): Promise<ReadPage>

  /** The newest position at which an event that matches has been lost; 0 when none was. Never too small. */
  lostThrough(selector: Selector): Promise<Position>

  /** What is kept of one topic; undefined when there is nothing. */
  topic(topic: Topic): Promise<TopicSummary | undefined>

  /** The topics that match, by name (in code point order), from just after `after`. */
  topics(after: Topic, selector: Selector, limit: number): Promise<TopicSummary[]>

  /** Calls the listener with every event from now on, in order, in batches. */
  tail(listener: TailListener): Tail

  /** What the log holds now, for metrics. */
  usage(): LogUsage

  /** What is appended from then on is refused: MILLRACE_DRAINING. */
  close(): Promise<void>
}

export interface Tail {
  /** The first event to be handed over is the one behind this position. */
  readonly after: Position
  /**
   * To be called now and then: whoever listens is done with the events up to here. A log in another thread takes no more
   * events while more than `ahead`, about, in characters, is on its way to this listener.
   */
  delivered(through: Position, ahead: number): void
  readonly stop: () => void
}

/** The listener must not throw and must not keep the array. */
export type TailListener = (events: readonly StoredEvent[]) => void

export interface Appended {
  /** The position of the last of these events; when none was new, of the newest event under the key. */
  readonly last: Position
  /** How many of the events were new. */
  readonly added: number
}

export interface PageLimit {
  readonly maxEvents: number
  /** A page ends with the event that reaches this size, in bytes as the log counts them. */
  readonly maxBytes: number
}

export interface ReadLimit extends PageLimit {
  /** Nothing newer than this is read. */
  readonly through: Position
}

export interface ReadPage {
  readonly events: readonly StoredEvent[]
  /** The cursor after this page: no later page begins before it. May run ahead of the last event. */
  readonly position: Position
  /** Matching events between `after` and here, this one included, are gone. 0: none. */
  readonly lostThrough: Position
  /** How many events the log has lost so far, whatever their topics: another number, perhaps another hole. */
  readonly losses: number
}

export interface BackPage {
  readonly events: readonly StoredEvent[]
  /** Whether older events of the topic are kept. */
  readonly hasOlder: boolean
}

export interface TopicSummary {
  readonly topic: Topic
  readonly events: number
  readonly bytes: number
  /** The oldest and newest events kept; undefined where only the state is left. */
  readonly first: Position | undefined
  readonly last: Position | undefined
  /** Where the state was set. */
  readonly state: Position | undefined
  /** When the newest of all these was stored: milliseconds since 1970. */
  readonly time: number
}

export interface LogUsage {
  readonly topics: number
  readonly events: number
  readonly bytes: number
  readonly stateBytes: number
}
