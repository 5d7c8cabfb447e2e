// A subscriber is a cursor, not a queue: all it keeps is a position. Live, it shares its audience's chunks. Whenever it
// is not (it just came, it resumes, its socket stopped taking data) it reads the log from its position, page by page,
// until it meets the head and joins its audience again. One mechanism, three speeds.

import type { Position } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'
import { audienceKey } from './audience.ts'
import type { CloseReason } from './close-reason.ts'
import { EncodedPage, type PagePart } from './encoded-page.ts'
import type { FrameEncoder, Gap, Sink } from './frames.ts'
import type { HubObserver } from './observer.ts'
import type { PageAnswer, PageCache } from './page-cache.ts'
import type { ReadStep } from './read-turns.ts'

/** What a subscriber needs of the hub. */
export interface SubscriberHost {
  readonly pages: PageCache
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

// Up to here it is cheaper to copy small pages into one chunk than to write each. A larger one is handed over as it is.
const SMALL_BYTES = 16 * 1024

// Who takes a page this soon after another is about to ask for the next; a slower one's would be forgotten before.
const FAST_PAGE_MS = 100

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
  /** What the read brought that the last step waited for. */
  #page: EncodedPage | undefined
  #gone: EncodedPage | undefined
  #pageTakenAt = -Infinity
  /** It has not waited in vain at this position. */
  #mayJoin = true
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

  // Asked for when it joins, leaves or catches up: too seldom to be kept for every live one.
  get audienceKey(): string {
    return audienceKey(this.selector, this.encoder)
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

  /** Takes a step towards the head, of about a page. Called by the hub, and not while a step waits for its read. */
  readOn(): ReadStep {
    // Without room nothing is read: `drained` comes when there is.
    if (this.phase === 'closed' || this.phase === 'live' || !this.sink.hasRoom) {
      this.#page = undefined
      this.#gone = undefined
      return undefined
    }
    if (this.#states !== undefined) return this.#readStates(this.#states)
    const step = this.position < this.#host.position ? this.#readEvents() : undefined
    if (step !== undefined) return step
    if (this.position < this.#host.position) return 'again'
    if (this.position === this.#host.position) return this.#goLive()
    // Ahead, it came with the id of an event whose delivery has not begun: the next turn sees to it.
    this.#host.queueRead(this)
    return undefined
  }

  #goLive(): ReadStep {
    if (!this.sink.hasRoom) return undefined
    this.phase = 'live'
    this.#acceptsLoss = false
    this.#host.join(this)
    this.#host.observer.wentLive()
    return undefined
  }

  /** Hands over what is in memory, in one piece; returns the read that it takes to go on. */
  #readEvents(): ReadStep {
    const parts: PagePart[] = []
    let step: ReadStep
    for (let bytes = 0; this.position < this.#host.position && bytes < SMALL_BYTES;) {
      const page = this.#nextPage()
      if (!(page instanceof EncodedPage)) {
        step = this.#waitFor(page, brought => (this.#page = brought))
        break
      }
      if (page.lostThrough > this.position) {
        // What comes before the gap is written first.
        if (parts.length === 0) step = this.#crossLoss(page)
        break
      }
      this.#readAhead(page)
      const part = page.part(this.position)
      parts.push(part)
      bytes += part.chunk.length
      this.#moveTo(page.to)
    }
    this.#write(parts)
    return step
  }

  /** While this page is encoded and sent, the next one can be on its way. */
  #readAhead(page: EncodedPage): void {
    const now = performance.now()
    const isFast = now - this.#pageTakenAt < FAST_PAGE_MS
    this.#pageTakenAt = now
    if (isFast && page.to < this.#host.position)
      this.#host.pages.readAhead(this, page.to, this.#host.position)
  }

  #nextPage(): PageAnswer {
    const page =
      this.#page ?? this.#host.pages.events(this, this.position, this.#host.position, this.#mayJoin)
    this.#page = undefined
    return page
  }

  #waitFor(
    read: Exclude<PageAnswer, EncodedPage>,
    take: (brought: EncodedPage | undefined) => void,
  ): ReadStep {
    if (read === 'no lane') return read
    // Should it bring something else, the next read is this subscriber's own.
    this.#mayJoin = false
    return read.then(take)
  }

  #moveTo(position: Position): void {
    this.position = position
    this.#acceptsLoss = false
    this.#mayJoin = true
  }

  /** A page with a hole in it: the gap, the states that the hole has left, and then the events. */
  #crossLoss(page: EncodedPage): ReadStep {
    const states = this.#gone ?? this.#host.pages.goneStates(this, page, this.position)
    if (!(states instanceof EncodedPage)) {
      // The states are those that this very page lacks.
      this.#page = page
      return this.#waitFor(states, brought => (this.#gone = brought))
    }
    this.#gone = undefined
    if (this.#isNewLoss(page)) this.#noteLoss(page)
    this.#write([states.part(this.position)])
    this.#write([page.part(this.position, states.to)])
    this.#moveTo(states.to)
    return undefined
  }

  // A page that was read before the client accepted the losses knows of fewer, and of none that is new.
  #isNewLoss({ lostThrough, losses }: EncodedPage): boolean {
    if (lostThrough > this.#knownLoss) return true
    return this.#acceptedLosses !== undefined && losses > this.#acceptedLosses
  }

  #noteLoss({ lostThrough, losses }: EncodedPage): void {
    this.#knownLoss = lostThrough
    this.#acceptedLosses = this.#acceptsLoss ? losses : undefined
    if (this.#acceptsLoss) return
    this.#announce({ reason: 'expired', resumesAfter: this.position, lostThrough })
  }

  #readStates(states: { after: Position; through: Position }): ReadStep {
    const page = this.#page ?? this.#host.pages.states(this, states.after, states.through)
    this.#page = undefined
    if (!(page instanceof EncodedPage)) return this.#waitFor(page, brought => (this.#page = brought))
    this.#write([page.part(states.after)])
    states.after = page.to
    if (states.after >= states.through) {
      this.#states = undefined
      this.sink.write(this.encoder.ready(this.position))
    }
    return 'again'
  }

  #announce(gap: Gap): void {
    this.sink.write(this.encoder.gap(gap))
    this.#host.observer.gapAnnounced()
  }

  #write(parts: readonly PagePart[]): void {
    const filled = parts.filter(part => part.events > 0)
    if (filled.length === 0) return
    const [first, ...others] = filled.map(part => part.chunk)
    if (others.length === 0) this.sink.write(first!, filled[0]!.shared)
    else this.sink.write(Buffer.concat([first!, ...others]))
    this.#host.observer.delivered(
      filled.reduce((events, part) => events + part.events, 0),
      1,
    )
  }
}
