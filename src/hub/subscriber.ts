// A subscriber is a cursor, not a queue: all it keeps is a position. Live, it shares its audience's chunks. Whenever it
// is not (it just came, it resumes, its socket stopped taking data) it reads the log from its position, page by page,
// until it meets the head and joins its audience again. One mechanism, three speeds.

import type { Position, StoredEvent } from '../event.ts'
import type { EventLog, ReadLimit, ReadPage } from '../log/event-log.ts'
import type { Selector } from '../topic-pattern.ts'
import type { CloseReason } from './close-reason.ts'
import type { FrameEncoder, Gap, Sink } from './frames.ts'
import type { HubObserver } from './observer.ts'

/** What a subscriber needs of the hub. */
export interface SubscriberHost {
  readonly log: EventLog
  readonly observer: HubObserver
  /** Every live subscriber has, or is getting, all events up to here. */
  readonly position: Position
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

const PAGE_EVENTS = 1000
const PAGE_BYTES = 64 * 1024

export class Subscriber {
  readonly selector: Selector
  readonly encoder: FrameEncoder
  readonly sink: Sink
  /**
   * Everything that matches, up to here, was written to the sink. Live, it is the last flush that brought something: the
   * hub tells by it who has read a flush from the log already.
   */
  position: Position
  phase: SubscriberPhase = 'catching-up'
  readonly #host: SubscriberHost
  /** The states still to be handed over, before any event. */
  #states: { after: Position; through: Position } | undefined
  /** Losses up to here are known to the client, or of no concern to it. */
  #knownLoss: Position = 0
  /** How much the log had lost when the client accepted it untold: a later loss may hide among that. */
  #acceptedLosses: number | undefined
  /** Whatever is gone before the first page is no news: the client asked for what there is. */
  #acceptsLoss: boolean

  constructor(host: SubscriberHost, selector: Selector, encoder: FrameEncoder, sink: Sink, start: Start) {
    this.#host = host
    this.selector = selector
    this.encoder = encoder
    this.sink = sink
    this.position = start.position
    this.#acceptsLoss = start.kind === 'earliest' || start.kind === 'unknown'
    if (start.hasStates) this.#states = { after: 0, through: start.position }
    if (start.kind === 'unknown') {
      this.#announce({ reason: 'unknown', resumesAfter: start.position, lostThrough: 0 })
    }
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

  /** Ends the subscription. The sink has ended, or ends now, by itself. */
  close(reason: CloseReason): void {
    if (this.phase === 'closed') return
    const wasLive = this.phase === 'live'
    if (wasLive) this.#host.leave(this)
    this.phase = 'closed'
    this.#host.observer.unsubscribed(reason, wasLive)
  }

  /** Takes one step towards the head. Called by the hub, one call at a time. */
  async readOn(): Promise<void> {
    // Without room nothing is read: `drained` comes when there is.
    if (this.phase === 'closed' || this.phase === 'live' || !this.sink.hasRoom) return
    if (this.#states !== undefined) await this.#readStates(this.#states)
    else if (this.position === this.#host.position) return this.#goLive()
    else if (this.position < this.#host.position) await this.#readEvents()
    // Ahead, it came with the id of an event whose delivery has not begun: the next turn sees to it.
    if (!this.#isClosed()) this.#host.queueRead(this)
  }

  #goLive(): void {
    this.phase = 'live'
    this.#acceptsLoss = false
    this.#host.join(this)
    this.#host.observer.wentLive()
  }

  async #readEvents(): Promise<void> {
    const page = await this.#host.log.read(this.position, this.selector, this.#limit(this.#host.position))
    if (this.#isClosed()) return
    if (this.#isNewLoss(page)) this.#noteLoss(page)
    this.#acceptsLoss = false
    const through = page.lostThrough === 0 ? page.position : await this.#handGoneStates(page)
    if (this.#isClosed()) return
    const isCut = through < page.position
    const events = isCut ? page.events.filter(event => event.position <= through) : page.events
    this.#write(events, event => this.encoder.event(event))
    this.position = through
  }

  #isNewLoss({ lostThrough, losses }: ReadPage): boolean {
    if (lostThrough > this.#knownLoss) return true
    return lostThrough > 0 && this.#acceptedLosses !== undefined && losses !== this.#acceptedLosses
  }

  #noteLoss({ lostThrough, losses }: ReadPage): void {
    this.#knownLoss = lostThrough
    this.#acceptedLosses = this.#acceptsLoss ? losses : undefined
    if (this.#acceptsLoss) return
    this.#announce({ reason: 'expired', resumesAfter: this.position, lostThrough })
  }

  /**
   * Hands over the states that were set within this page and left the history before it was read. Page by page, for
   * more can be lost, under the same gap, while the reader is on its way. Returns how far they go.
   */
  async #handGoneStates(page: ReadPage): Promise<Position> {
    const limit = { ...this.#limit(page.position), onlyGone: true }
    const states = await this.#host.log.readStates(this.position, this.selector, limit)
    if (this.#isClosed()) return states.position
    // What went since the page was read is in the page.
    const kept = new Set(page.events.map(event => event.position))
    const gone = states.events.filter(event => !kept.has(event.position))
    this.#write(gone, event => this.encoder.state(event))
    return states.position
  }

  async #readStates(states: { after: Position; through: Position }): Promise<void> {
    const limit = { ...this.#limit(states.through), onlyGone: false }
    const page = await this.#host.log.readStates(states.after, this.selector, limit)
    if (this.#isClosed()) return
    this.#write(page.events, event => this.encoder.state(event))
    states.after = page.position
    if (states.after < states.through) return
    this.#states = undefined
    this.sink.write(this.encoder.ready(this.position))
  }

  #announce(gap: Gap): void {
    this.sink.write(this.encoder.gap(gap))
    this.#host.observer.gapAnnounced()
  }

  #write(events: readonly StoredEvent[], encode: (event: StoredEvent) => Buffer): void {
    if (events.length === 0) return
    this.sink.write(events.length === 1 ? encode(events[0]!) : Buffer.concat(events.map(encode)))
    this.#host.observer.delivered(events.length, 1)
  }

  #limit(through: Position): ReadLimit {
    return { through, maxEvents: PAGE_EVENTS, maxBytes: PAGE_BYTES }
  }

  // A method, for the compiler would take the phase to be what it was before the await.
  #isClosed(): boolean {
    return this.phase === 'closed'
  }
}
