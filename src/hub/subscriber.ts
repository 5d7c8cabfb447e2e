// A subscriber is a cursor, not a queue: all it keeps is a position. Live, it shares its audience's chunks. Whenever it
// is not (it just came, it resumes, its socket stopped taking data) it reads the log from its position, page by page,
// until it meets the head and joins its audience again. One mechanism, three speeds.

import type { Position } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'
import { audienceKey } from './audience.ts'
import type { CloseReason } from './close-reason.ts'
import type { FrameEncoder, Sink } from './frames.ts'
import { HandOver, type HandOverParts } from './hand-over.ts'
import { LogReader, type LogCursor, type LogReaderHost } from './log-reader.ts'
import type { ReadStep } from './read-turns.ts'

/** What a subscriber needs of the hub. */
export interface SubscriberHost extends LogReaderHost {
  /** Every live subscriber has, or is getting, all events up to here. */
  readonly position: Position
  /** Every live subscriber has all events up to here. */
  readonly settled: Position
  /** Has `readOn` called soon, in turn with other readers. */
  queueRead(subscriber: Subscriber): void
  join(subscriber: Subscriber): void
  leave(subscriber: Subscriber): void
}

/**
 * Where a subscription begins.
 * - `now`: after what was delivered so far, with the topics' states first
 * - `earliest`: at the oldest event that is kept, with older states where they were set
 * - `resume`: after a position that the log has issued
 * - `unknown`: the id that was given is not the log's: a gap, then as `earliest`
 */
export interface Start {
  readonly kind: 'now' | 'earliest' | 'resume' | 'unknown'
  readonly position: Position
  /** States come first, and then `ready`: only that says where the stream goes on. */
  readonly hasStates: boolean
}

export type SubscriberPhase = 'catching-up' | 'live' | 'behind' | 'closed'

/** How many changes of what it follows may wait until a client has read. */
export const MAX_WAITING_CHANGES = 8

export class Subscriber implements LogCursor {
  readonly encoder: FrameEncoder
  readonly sink: Sink
  /**
   * Everything that matches, up to here, was written to the sink. Live, it is the last flush that brought something: the
   * hub tells by it who has read a flush from the log already.
   */
  position: Position
  phase: SubscriberPhase = 'catching-up'
  #selector: Selector
  readonly #host: SubscriberHost
  /** What comes before any event; while there is something, the position stays. */
  #handOvers: HandOver[] | undefined
  /** Undefined when it is live. */
  #reader: LogReader | undefined
  /** It has not got to the head yet since it came with a position, and is to be told when it does. */
  #owesReady: boolean

  constructor(host: SubscriberHost, selector: Selector, encoder: FrameEncoder, sink: Sink, start: Start) {
    this.#host = host
    this.#selector = selector
    this.encoder = encoder
    this.sink = sink
    this.position = start.position
    const { kind, position } = start
    this.#owesReady = kind !== 'now'
    this.#reader = new LogReader(host, this, kind === 'earliest' || kind === 'unknown')
    if (start.hasStates) {
      const last = encoder.ready(position)
      this.#handOvers = [
        new HandOver(host, sink, {
          selector,
          encoder,
          start: { kind: 'states', position: 0 },
          through: position,
          last,
        }),
      ]
    }
    if (kind === 'unknown')
      this.#reader.announce({ reason: 'unknown', resumesAfter: position, lostThrough: 0 })
  }

  /** What it wants. */
  get selector(): Selector {
    return this.#selector
  }

  // Asked for when it joins, leaves or catches up: too seldom to be kept for every live one.
  get audienceKey(): string {
    return audienceKey(this.#selector, this.encoder)
  }

  /** Where it is: everything that it wants is written up to here, if there was anything. */
  get cursor(): Position {
    return this.phase === 'live' ? Math.max(this.position, this.#host.settled) : this.position
  }

  /** How many changes the client has still to read. */
  get waitingChanges(): number {
    return this.#handOvers?.length ?? 0
  }

  /** The sink has room again. */
  drained(): void {
    if (this.phase === 'behind' || this.phase === 'catching-up') this.#host.queueRead(this)
  }

  /** The hub found the sink full: from `position` on, the log is read instead. */
  fallBehind(position: Position): void {
    this.phase = 'behind'
    this.position = Math.max(this.position, position)
    this.#host.leave(this)
    this.#host.observer.fellBehind()
  }

  /**
   * Wants something else from its position on, which the hand-over that is made for it ends with: what it wanted before
   * counts up to there, and what it wants now from there. `selector` must name something.
   */
  change(selector: Selector, handOver: (position: Position) => Omit<HandOverParts, 'through'>): void {
    if (this.phase === 'closed') return
    this.position = this.cursor
    const wasLive = this.phase === 'live'
    if (wasLive) {
      this.#host.leave(this)
      this.phase = 'catching-up'
    }
    this.#selector = selector
    // What is being read for it is not what it wants.
    this.#reader = new LogReader(this.#host, this, this.#reader?.acceptsLoss ?? false)
    const names = new Set([...selector.topics, ...selector.patterns])
    for (const waiting of this.#handOvers ?? []) waiting.keepOnly(names)
    const parts = { ...handOver(this.position), through: this.position }
    ;(this.#handOvers ??= []).push(new HandOver(this.#host, this.sink, parts))
    this.#host.observer.changed(wasLive)
    this.#host.queueRead(this)
  }

  /** Ends the subscription. The sink has ended, or ends now, by itself. */
  close(reason: CloseReason): void {
    if (this.phase === 'closed') return
    const wasLive = this.phase === 'live'
    if (wasLive) this.#host.leave(this)
    this.phase = 'closed'
    this.#host.observer.unsubscribed(reason, wasLive)
  }

  /** Takes a step towards the head, of about a page. Called by the hub, and not while a step waits for its read. */
  readOn(): ReadStep {
    const [handOver] = this.#handOvers ?? []
    // Without room nothing is read: `drained` comes when there is.
    if (this.phase === 'closed' || this.phase === 'live' || !this.sink.hasRoom) {
      this.#reader?.forget()
      handOver?.forget()
      return undefined
    }
    if (handOver !== undefined) return this.#readHandOver(handOver)
    this.#reader ??= new LogReader(this.#host, this, false)
    const { position } = this.#host
    const step = this.position < position ? this.#reader.readEvents(position) : undefined
    if (step !== undefined) return step
    if (this.position < this.#host.position) return 'again'
    if (this.position === this.#host.position) return this.#goLive()
    // Ahead, it came with the id of an event whose delivery has not begun: the next turn sees to it.
    this.#host.queueRead(this)
    return undefined
  }

  #readHandOver(handOver: HandOver): ReadStep {
    const step = handOver.readOn()
    if (handOver.isDone) this.#handOvers!.shift()
    if (this.#handOvers!.length === 0) this.#handOvers = undefined
    return step
  }

  #tellReady(): void {
    this.#owesReady = false
    const chunk = this.encoder.ready(this.position)
    // Not every format has a word for it.
    if (chunk.length > 0) this.sink.write(chunk)
  }

  #goLive(): ReadStep {
    if (!this.sink.hasRoom) return undefined
    if (this.#owesReady) this.#tellReady()
    this.phase = 'live'
    this.#reader = undefined
    this.#host.join(this)
    this.#host.observer.wentLive()
    return undefined
  }
}
