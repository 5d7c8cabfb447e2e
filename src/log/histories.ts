// The topics' histories in memory: a ring of events per topic, the rings in an LRU cache bounded in bytes. What is
// dropped is remembered, so that a reader who comes late is told, or sent to where the rest is.

import { LRUCache } from 'lru-cache'
import { RESET, type Position, type Topic } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'
import type { Entry } from './entry.ts'
import type { BackPage, PageLimit, ReadLimit, ReadPage } from './event-log.ts'
import { Journal, type JournalEntry } from './journal.ts'
import { Losses } from './losses.ts'
import type { RetentionOf } from './retention.ts'
import { Ring } from './ring.ts'
import { scan } from './scan.ts'

export interface HistoriesOptions {
  /** What all histories may take together; beyond it the least recently used topics go. */
  readonly maxBytes: number
  readonly retentionOf: RetentionOf
  /** Of how many topics it is known apart what they lost; losses of others count against all. Default: 200,000. */
  readonly maxLossTopics?: number | undefined
  /** Events up to here were never given to these histories: they count as lost. Default: 0. */
  readonly missingThrough?: Position
}

/** What of a topic there is. */
export interface HistorySummary {
  readonly events: number
  readonly bytes: number
  readonly first: Position | undefined
  readonly last: Position | undefined
  readonly time: number
}

/** Replaced by a copy at each change of its size: hold on to the ring, not to this. */
interface History {
  readonly ring: Ring<Entry>
  bytes: number
}

/** Times never decrease, so what has reached an age stands before what has not. */
interface Age {
  /** Events up to here were looked at: those that may get this old are gone. */
  through: Position
  /** When there is something to look at again; Infinity: not before there is another event. */
  nextAt: number
}

// Up to here, merging the topics' rings is cheaper than scanning everything that happened.
const MAX_MERGED_TOPICS = 64

const NOTHING: HistorySummary = { events: 0, bytes: 0, first: undefined, last: undefined, time: 0 }

export class Histories {
  readonly losses: Losses
  /** How many events there are. */
  events = 0
  /** Counts up when a topic comes or goes. */
  changes = 0
  readonly #maxBytes: number
  readonly #retentionOf: RetentionOf
  readonly #topics: LRUCache<Topic, History>
  readonly #journal = new Journal()
  /** By age in milliseconds, as the topics' limits have it. */
  readonly #ages = new Map<number, Age>()

  constructor({ maxBytes, retentionOf, maxLossTopics, missingThrough = 0 }: HistoriesOptions) {
    this.#maxBytes = maxBytes
    this.#retentionOf = retentionOf
    this.losses = new Losses(maxLossTopics, missingThrough)
    this.#topics = new LRUCache({
      maxSize: maxBytes,
      dispose: (history, topic, reason) => {
        if (reason === 'evict') this.#lose(topic, history)
      },
    })
  }

  get bytes(): number {
    return this.#topics.calculatedSize
  }

  get topicCount(): number {
    return this.#topics.size
  }

  topics(): Iterable<Topic> {
    return this.#topics.keys()
  }

  /** Adds the newest entries, in order, and takes out what no longer fits. */
  add(entries: readonly Entry[]): void {
    for (let at = 0; at < entries.length;) at = this.#addRun(entries, at)
  }

  read(after: Position, selector: Selector, limit: ReadLimit): ReadPage {
    const lostThrough = this.losses.newest > after ? this.losses.through(selector) : 0
    const page = isFew(selector)
      ? this.#merge(after, selector, limit)
      : scan(this.#journal, after, limit, entry => selector.matches(entry.topic))
    return { ...page, lostThrough: lostThrough > after ? lostThrough : 0, losses: this.losses.count }
  }

  readBack(before: Position, topic: Topic, { maxEvents, maxBytes }: PageLimit): BackPage {
    const ring = this.#topics.get(topic)?.ring
    if (ring === undefined) return { events: [], hasOlder: false }
    const end = ring.indexAfter(before - 1)
    let from = end
    for (let bytes = 0; from > 0 && end - from < maxEvents && bytes < maxBytes;) {
      bytes += ring.at(--from)!.bytes
    }
    return { events: ring.slice(from, end), hasOlder: from > 0 }
  }

  /** Drops what has expired. Looks at each event once for each of the ages that there are, not at the topics. */
  expire(now: number): void {
    for (const [maxAgeMs, age] of this.#ages) {
      if (age.nextAt < now) this.#expireAt(maxAgeMs, age, now)
    }
  }

  /** Drops a topic's events up to this position. */
  dropThrough(topic: Topic, position: Position): void {
    const history = this.#topics.peek(topic)
    if (history === undefined || (history.ring.first()?.position ?? Infinity) > position) return
    while ((history.ring.first()?.position ?? Infinity) <= position) this.#loseOldest(topic, history)
    this.#resize(topic, history)
  }

  summary(topic: Topic): HistorySummary {
    const history = this.#topics.peek(topic)
    if (history === undefined) return NOTHING
    // A reset clears the ring, so it can stand nowhere but first.
    const skipped = history.ring.first()?.type === RESET ? 1 : 0
    const events = history.ring.length - skipped
    const last = events > 0 ? history.ring.last() : undefined
    return {
      events,
      bytes: history.bytes,
      first: events > 0 ? history.ring.at(skipped)?.position : undefined,
      last: last?.position,
      time: last?.time ?? 0,
    }
  }

  /** Entries of one topic that follow each other: the cache is told once. Returns where the next topic's begin. */
  #addRun(entries: readonly Entry[], from: number): number {
    const { topic, type } = entries[from]!
    if (type === RESET) this.#forget(topic)
    const history = this.#topics.get(topic) ?? this.#begin()
    const { maxEvents, maxBytes, maxAgeMs } = this.#retentionOf(topic)
    this.#noteAge(maxAgeMs, entries[from]!)
    // The cache refuses what exceeds it as a whole.
    const mostBytes = Math.min(maxBytes, this.#maxBytes)
    let at = from
    do {
      const entry = entries[at++]!
      history.ring.push(entry)
      history.bytes += entry.bytes
      this.events++
      this.#journal.push(entry)
      while (history.ring.length > maxEvents || history.bytes > mostBytes) this.#loseOldest(topic, history)
    } while (at < entries.length && entries[at]!.topic === topic && entries[at]!.type !== RESET)
    this.#resize(topic, history)
    return at
  }

  #begin(): History {
    this.changes++
    return { ring: new Ring(), bytes: 0 }
  }

  /** Drops a topic on purpose. Nothing is lost by it: the reset event that follows tells every reader. */
  #forget(topic: Topic): void {
    const history = this.#topics.peek(topic)
    if (history === undefined) return
    this.#topics.delete(topic)
    this.changes++
    while (history.ring.length > 0) this.#takeOldest(history)
  }

  /** The cache dropped the topic's whole history. */
  #lose(topic: Topic, history: History): void {
    this.changes++
    while (history.ring.length > 0) this.#loseOldest(topic, history)
  }

  #expireAt(maxAgeMs: number, age: Age, now: number): void {
    const expired: JournalEntry[] = []
    age.nextAt = Infinity
    this.#journal.scan(age.through, Infinity, Infinity, entry => {
      const dueAt = entry.time + maxAgeMs
      if (dueAt >= now) {
        age.nextAt = dueAt
        return false
      }
      age.through = entry.position
      if (this.#retentionOf(entry.topic).maxAgeMs === maxAgeMs) expired.push(entry)
      return true
    })
    for (const { topic } of expired) {
      const history = this.#topics.peek(topic)!
      this.#loseOldest(topic, history)
      this.#resize(topic, history)
    }
  }

  #noteAge(maxAgeMs: number, { position, time }: Entry): void {
    const age = this.#ages.get(maxAgeMs)
    if (age === undefined) this.#ages.set(maxAgeMs, { through: position - 1, nextAt: time + maxAgeMs })
    else if (age.nextAt === Infinity) age.nextAt = time + maxAgeMs
  }

  #loseOldest(topic: Topic, history: History): void {
    this.losses.add(topic, this.#takeOldest(history).position)
  }

  #takeOldest(history: History): Entry {
    const entry = history.ring.shift()!
    history.bytes -= entry.bytes
    entry.isGone = true
    this.events--
    this.#journal.remove(entry)
    return entry
  }

  #resize(topic: Topic, history: History): void {
    if (history.ring.length > 0) {
      // The cache takes no new size with a value that it has already.
      this.#topics.set(topic, { ...history }, { size: history.bytes })
    } else {
      this.#topics.delete(topic)
      this.changes++
    }
  }

  /** Reads a few topics: their rings, merged by position. */
  #merge(after: Position, selector: Selector, limit: ReadLimit): Pick<ReadPage, 'events' | 'position'> {
    const cursors: { ring: Ring<Entry>; at: number }[] = []
    for (const topic of selector.topics) {
      const ring = this.#topics.get(topic)?.ring
      if (ring !== undefined) cursors.push({ ring, at: ring.indexAfter(after) })
    }
    const events: Entry[] = []
    let bytes = 0
    while (events.length < limit.maxEvents && bytes < limit.maxBytes) {
      let next: Entry | undefined
      let from: { at: number } | undefined
      for (const cursor of cursors) {
        const entry = cursor.ring.at(cursor.at)
        if (entry !== undefined && (next === undefined || entry.position < next.position)) {
          next = entry
          from = cursor
        }
      }
      if (next === undefined || next.position > limit.through) {
        return { events, position: Math.max(after, limit.through) }
      }
      from!.at++
      events.push(next)
      bytes += next.bytes
    }
    return { events, position: events.at(-1)?.position ?? after }
  }
}

/** So few topics that each is looked up by itself. */
export function isFew(selector: Selector): boolean {
  return selector.patterns.length === 0 && selector.topics.length <= MAX_MERGED_TOPICS
}
