// What readers that catch up share: pages that were read a moment ago, or are being read. Ten thousand readers that come
// back from about the same place cost about as many reads of the log as one.

import { setImmediate } from 'node:timers/promises'
import type { Position, StoredEvent } from '../event.ts'
import { COMPRESSION_RULE, type CompressionRule } from '../gzip/rule.ts'
import type { EventLog, ReadLimit, ReadPage } from '../log/event-log.ts'
import type { Selector } from '../topic-pattern.ts'
import { EncodedPage } from './encoded-page.ts'
import type { FrameEncoder } from './frames.ts'
import type { HubObserver } from './observer.ts'
import { PageShelf } from './page-shelf.ts'

/** What readers have in common that share pages. */
export interface PageWish {
  readonly audienceKey: string
  readonly selector: Selector
  readonly encoder: FrameEncoder
}

/**
 * A page that is in memory; a read to wait for, which brings a page to whoever began it and undefined to whoever joined
 * in, who looks again; `no lane` when the log is busy with as many reads as it is given at a time.
 */
export type PageAnswer = EncodedPage | Promise<EncodedPage | undefined> | 'no lane'

export interface PageLimits {
  readonly maxEvents: number
  readonly maxBytes: number
  /** What all pages may take together, about, in bytes. */
  readonly cacheBytes: number
  /** How long a page is kept at least, in milliseconds; at most it is twice as long. */
  readonly lifeMs: number
}

export const PAGE_LIMITS: PageLimits = {
  maxEvents: 1000,
  maxBytes: 64 * 1024,
  cacheBytes: 16 * 1024 * 1024,
  lifeMs: 1000,
}

// Whoever reads so fast waits for the way to the log and back more than for the log: larger pages need it less often.
const PAGES_AHEAD = 2

/** How many reads of the log are under way at a time. */
export const READ_LANES = 32

// A small page may hold on to a slab of Node's buffer pool.
const MIN_PAGE_BYTES = 8 * 1024

interface Entry {
  readonly shelf: PageShelf
  /** Of the shelf; undefined when it belongs to a page. */
  readonly key: string | undefined
  readonly bytes: number
  readonly readAt: number
}

export class PageCache {
  readonly #log: EventLog
  readonly #observer: HubObserver
  readonly #limits: PageLimits
  readonly #rule: CompressionRule
  readonly #shelves = new Map<string, PageShelf>()
  /** The states that a page's readers need beside it. */
  readonly #goneShelves = new WeakMap<EncodedPage, PageShelf>()
  /** The oldest first. */
  readonly #entries = new Map<EncodedPage, Entry>()
  #bytes = 0
  #reads = 0
  #generation = 0
  #sweep: NodeJS.Timeout | undefined

  constructor(
    log: EventLog,
    observer: HubObserver,
    limits: PageLimits = PAGE_LIMITS,
    rule: CompressionRule = COMPRESSION_RULE,
  ) {
    this.#rule = rule
    this.#log = log
    this.#observer = observer
    this.#limits = limits
  }

  get hasLane(): boolean {
    return this.#reads < READ_LANES
  }

  /** What its pages take, about, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** The events after this position. `mayJoin`: a read will do that might bring something else. */
  events(wish: PageWish, after: Position, through: Position, mayJoin: boolean): PageAnswer {
    const { audienceKey } = wish
    const shelf = this.#shelves.get(audienceKey)
    return this.#answer(audienceKey, shelf, after, mayJoin, () => this.#readEvents(wish, after, through))
  }

  /** Begins to read what a fast reader will ask for next, so that it need not wait for the disk each time. */
  readAhead(wish: PageWish, after: Position, through: Position): void {
    const { audienceKey } = wish
    const shelf = this.#shelves.get(audienceKey)
    const isThere = shelf?.find(after) !== undefined || shelf?.readingBefore(after) !== undefined
    if (isThere || !this.hasLane) return
    const page = this.#read(audienceKey, shelf ?? this.#newShelf(audienceKey), after, () =>
      this.#readEvents(wish, after, through, PAGES_AHEAD),
    )
    // Who needs it and finds nothing reads for itself, and is told what is wrong.
    page.catch(() => {})
  }

  /** The topics' states that were set after this position. */
  states(wish: PageWish, after: Position, through: Position): PageAnswer {
    const { selector, encoder } = wish
    // States change without leaving a trace, so only readers with the same end share them: each has the changes coming.
    const key = `${wish.audienceKey}\n\n${through}`
    const limit = { ...this.#limit(through), onlyGone: false }
    return this.#answer(key, this.#shelves.get(key), after, false, async () => {
      const states = await this.#log.readStates(after, selector.source ?? selector, limit)
      return new EncodedPage(after, states, events => encoder.states(events), this.#rule)
    })
  }

  /**
   * The states that were set within the page and left the history before it was read. Page by page, for more can be
   * lost, under the same gap, while a reader is on its way.
   */
  goneStates({ selector, encoder }: PageWish, page: EncodedPage, after: Position): PageAnswer {
    const limit = { ...this.#limit(page.to), onlyGone: true }
    // Read after the page was, hence kept with the page: what went before it came is not overlooked.
    let shelf = this.#goneShelves.get(page)
    if (shelf === undefined) this.#goneShelves.set(page, (shelf = new PageShelf()))
    return this.#answer(undefined, shelf, after, false, async () => {
      const states = await this.#log.readStates(after, selector.source ?? selector, limit)
      // What went since the page was read is in the page.
      const events = states.events.filter(event => !page.has(event.position))
      return new EncodedPage(after, { ...states, events }, kept => encoder.states(kept), this.#rule)
    })
  }

  /** Forgets all pages; of those that are being read, only who waits for them already gets them. */
  clear(): void {
    this.#generation++
    this.#shelves.clear()
    this.#entries.clear()
    this.#bytes = 0
    clearTimeout(this.#sweep)
    this.#sweep = undefined
  }

  async #readEvents(
    { selector, encoder }: PageWish,
    after: Position,
    through: Position,
    pages = 1,
  ): Promise<EncodedPage> {
    const page = await this.#log.read(after, selector.source ?? selector, this.#limit(through, pages))
    const wanted = await wantedOf(page, selector)
    return new EncodedPage(after, wanted, events => encoder.events(events), this.#rule)
  }

  #answer(
    key: string | undefined,
    shelf: PageShelf | undefined,
    after: Position,
    mayJoin: boolean,
    read: () => Promise<EncodedPage>,
  ): PageAnswer {
    const page = shelf?.find(after)
    if (page !== undefined) {
      this.#observer.pageShared()
      return page
    }
    const underWay = mayJoin ? shelf?.readingBefore(after) : shelf?.readingFrom(after)
    if (underWay !== undefined) return underWay.then(() => undefined)
    if (!this.hasLane) return 'no lane'
    return this.#read(key, shelf ?? this.#newShelf(key!), after, read)
  }

  #newShelf(key: string): PageShelf {
    const shelf = new PageShelf()
    this.#shelves.set(key, shelf)
    return shelf
  }

  async #read(
    key: string | undefined,
    shelf: PageShelf,
    after: Position,
    read: () => Promise<EncodedPage>,
  ): Promise<EncodedPage> {
    const generation = this.#generation
    this.#observer.pageRead()
    this.#reads++
    const underWay = read()
    shelf.startRead(after, underWay)
    try {
      const page = await underWay
      if (generation === this.#generation) this.#keep(page, shelf, key)
      return page
    } finally {
      this.#reads--
      shelf.endRead(after)
      this.#dropIfEmpty(shelf, key)
    }
  }
  #keep(page: EncodedPage, shelf: PageShelf, key: string | undefined): void {
    const bytes = Math.max(page.size, MIN_PAGE_BYTES)
    this.#entries.set(page, { shelf, key, bytes, readAt: performance.now() })
    this.#bytes += bytes
    for (const covered of shelf.add(page)) this.#forget(covered)
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#limits.cacheBytes) break
      this.#drop(oldest)
    }
    this.#sweep ??= setTimeout(() => this.#dropOld(), this.#limits.lifeMs).unref()
  }

  #dropOld(): void {
    const keptSince = performance.now() - this.#limits.lifeMs
    for (const [page, { readAt }] of this.#entries) {
      if (readAt > keptSince) break
      this.#drop(page)
    }
    const isEmpty = this.#entries.size === 0
    this.#sweep = isEmpty ? undefined : setTimeout(() => this.#dropOld(), this.#limits.lifeMs).unref()
  }

  #drop(page: EncodedPage): void {
    const { shelf, key } = this.#entries.get(page)!
    this.#forget(page)
    shelf.remove(page)
    this.#dropIfEmpty(shelf, key)
  }

  #forget(page: EncodedPage): void {
    this.#bytes -= this.#entries.get(page)!.bytes
    this.#entries.delete(page)
  }

  #dropIfEmpty(shelf: PageShelf, key: string | undefined): void {
    if (key !== undefined && shelf.isEmpty && this.#shelves.get(key) === shelf) this.#shelves.delete(key)
  }

  #limit(through: Position, pages = 1): ReadLimit {
    const { maxEvents, maxBytes } = this.#limits
    return { through, maxEvents: pages * maxEvents, maxBytes: pages * maxBytes }
  }
}

// What a selector asks of each event may take time: others have their turn meanwhile.
const TURN_MS = 5

async function wantedOf(page: ReadPage, selector: Selector): Promise<ReadPage> {
  if (selector.wants === undefined) return page
  const events: StoredEvent[] = []
  let turnEndsAt = performance.now() + TURN_MS
  for (const event of page.events) {
    if (selector.wants(event)) events.push(event)
    if (performance.now() < turnEndsAt) continue
    await setImmediate()
    turnEndsAt = performance.now() + TURN_MS
  }
  return { ...page, events }
}
