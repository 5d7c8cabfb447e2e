// Reads the log on behalf of one reader, page by page: hands over what it finds, and announces what is gone.

import type { Position } from '../event.ts'
import { EncodedPage, type PagePart } from './encoded-page.ts'
import type { Gap, Sink } from './frames.ts'
import type { HubObserver } from './observer.ts'
import type { PageAnswer, PageCache, PageWish } from './page-cache.ts'
import type { ReadStep } from './read-turns.ts'

/** Whoever reads: what it wants, and how far it has come. */
export interface LogCursor extends PageWish {
  readonly sink: Sink
  /** Everything that matches, up to here, was written to the sink. */
  position: Position
}

export interface LogReaderHost {
  readonly pages: PageCache
  readonly observer: HubObserver
}

// Up to here it is cheaper to copy small pages into one chunk than to write each. A larger one is handed over as it is.
const SMALL_BYTES = 16 * 1024

// Who takes a page this soon after another is about to ask for the next; a slower one's would be forgotten before.
const FAST_PAGE_MS = 100

export class LogReader {
  readonly #host: LogReaderHost
  readonly #cursor: LogCursor
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
  #acceptsLoss: boolean

  /** `acceptsLoss`: whatever is gone before the first page is no news, for the client asked for what there is. */
  constructor(host: LogReaderHost, cursor: LogCursor, acceptsLoss: boolean) {
    this.#host = host
    this.#cursor = cursor
    this.#acceptsLoss = acceptsLoss
  }

  /** Until the first page was handed over, or the head was reached. */
  get acceptsLoss(): boolean {
    return this.#acceptsLoss
  }

  /**
   * Hands over events up to this position: what is in memory, in one piece. Returns the read that it takes to go on;
   * undefined: the cursor tells whether there is more.
   */
  readEvents(through: Position): ReadStep {
    const cursor = this.#cursor
    const parts: PagePart[] = []
    let step: ReadStep
    for (let bytes = 0; cursor.position < through && bytes < SMALL_BYTES;) {
      const page = this.#page ?? this.#host.pages.events(cursor, cursor.position, through, this.#mayJoin)
      this.#page = undefined
      if (!(page instanceof EncodedPage)) {
        step = this.#waitFor(page, brought => (this.#page = brought))
        break
      }
      if (page.lostThrough > cursor.position) {
        // What comes before the gap is written first.
        if (parts.length === 0) step = this.#crossLoss(page, through)
        break
      }
      this.#readAhead(page, through)
      // It may have been read for somebody who goes further.
      const to = Math.min(page.to, through)
      const part = page.part(cursor.position, to)
      parts.push(part)
      bytes += part.chunk.length
      this.#moveTo(to)
    }
    this.#write(parts)
    return step
  }

  /** Hands over a page of the states that were set up to this position. */
  readStates(through: Position): ReadStep {
    const cursor = this.#cursor
    const page = this.#page ?? this.#host.pages.states(cursor, cursor.position, through)
    this.#page = undefined
    if (!(page instanceof EncodedPage)) return this.#waitFor(page, brought => (this.#page = brought))
    this.#write([page.part(cursor.position)])
    cursor.position = page.to
    return undefined
  }

  /** Forgets what was read, for it cannot be written now. */
  forget(): void {
    this.#page = undefined
    this.#gone = undefined
  }

  announce(gap: Gap): void {
    this.#cursor.sink.write(this.#cursor.encoder.gap(gap))
    this.#host.observer.gapAnnounced()
  }

  /** While this page is encoded and sent, the next one can be on its way. */
  #readAhead(page: EncodedPage, through: Position): void {
    const now = performance.now()
    const isFast = now - this.#pageTakenAt < FAST_PAGE_MS
    this.#pageTakenAt = now
    if (isFast && page.to < through) this.#host.pages.readAhead(this.#cursor, page.to, through)
  }

  #waitFor(
    read: Exclude<PageAnswer, EncodedPage>,
    take: (brought: EncodedPage | undefined) => void,
  ): ReadStep {
    if (read === 'no lane') return read
    // Should it bring something else, the next read is this reader's own.
    this.#mayJoin = false
    return read.then(take)
  }

  #moveTo(position: Position): void {
    this.#cursor.position = position
    this.#acceptsLoss = false
    this.#mayJoin = true
  }

  /** A page with a hole in it: the gap, the states that the hole has left, and then the events. */
  #crossLoss(page: EncodedPage, through: Position): ReadStep {
    const cursor = this.#cursor
    const states = this.#gone ?? this.#host.pages.goneStates(cursor, page, cursor.position)
    if (!(states instanceof EncodedPage)) {
      // The states are those that this very page lacks.
      this.#page = page
      return this.#waitFor(states, brought => (this.#gone = brought))
    }
    this.#gone = undefined
    if (this.#isNewLoss(page)) this.#noteLoss(page)
    const to = Math.min(states.to, through)
    this.#write([states.part(cursor.position, to)])
    this.#write([page.part(cursor.position, to)])
    this.#moveTo(to)
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
    this.announce({ reason: 'expired', resumesAfter: this.#cursor.position, lostThrough })
  }

  #write(parts: readonly PagePart[]): void {
    const { sink } = this.#cursor
    const filled = parts.filter(part => part.events > 0)
    if (filled.length === 0) return
    const [first, ...others] = filled.map(part => part.chunk)
    if (others.length === 0) sink.write(first!, filled[0]!.shared)
    else sink.write(Buffer.concat([first!, ...others]))
    this.#host.observer.delivered(
      filled.reduce((events, part) => events + part.events, 0),
      1,
    )
  }
}
