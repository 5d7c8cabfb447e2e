// The log that lives in memory (`--log memory:`): a ring of events per topic, the rings in an LRU cache bounded in
// bytes. What it loses it remembers, so that a reader who comes late is told.

import { LRUCache } from 'lru-cache'
import { MillraceError } from '../errors.ts'
import { RESET, type NewEvent, type Position, type StoredEvent, type Topic } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'
import type { AppendKey } from './append-key.ts'
import { newEpoch } from './epoch.ts'
import { IdempotencyKeys } from './idempotency-keys.ts'
import { Journal, type JournalEntry } from './journal.ts'
import { Losses } from './losses.ts'
import { Ring } from './ring.ts'
import type {
  Appended,
  EventLog,
  LogUsage,
  ReadLimit,
  ReadPage,
  TailListener,
  TopicSummary,
} from './event-log.ts'

export interface MemoryLogOptions {
  /** What all topics' histories may take together, in bytes; beyond it the least recently used topics go. */
  readonly maxBytes: number
  /** What one topic's history may take, in bytes; beyond it its oldest events go. */
  readonly maxTopicBytes: number
  /** How many events of one topic are kept. */
  readonly maxTopicEvents: number
  /** How long an event is kept, in milliseconds. */
  readonly maxAgeMs: number
  /** What all topics' states may take together, in bytes; beyond it a new state is refused. */
  readonly maxStateBytes: number
  /** How many idempotency keys are remembered; beyond it the least recently used go. */
  readonly maxIdempotencyKeys: number
  /** How long an idempotency key is remembered, in milliseconds. */
  readonly idempotencyKeyAgeMs: number
  /** Of how many topics it is known apart what they lost; losses of others count against all. Default: 200,000. */
  readonly maxLossTopics?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

// What an event costs beyond its text: its object, its places in ring and journal.
const ENTRY_OVERHEAD_BYTES = 160

// A read looks at no more entries than this before it lets others run.
const MAX_SCAN = 8192

// Up to here, merging the topics' rings is cheaper than scanning everything that happened.
const MAX_MERGED_TOPICS = 64

const MAX_EXPIRY_INTERVAL_MS = 10_000

interface Entry extends JournalEntry {
  readonly bytes: number
}

interface StateEntry extends JournalEntry {
  readonly bytes: number
  /** The same event in the topic's history; `isGone` says whether it still is there. */
  readonly source: Entry
}

/** Replaced by a copy at each change of its size: hold on to the ring, not to this. */
interface History {
  readonly ring: Ring<Entry>
  bytes: number
}

type Page = Pick<ReadPage, 'events' | 'position'>

export class MemoryLog implements EventLog {
  readonly epoch: string
  readonly #options: MemoryLogOptions
  readonly #now: () => number
  readonly #histories: LRUCache<Topic, History>
  readonly #journal = new Journal()
  readonly #losses: Losses
  readonly #states = new Map<Topic, StateEntry>()
  readonly #stateJournal = new Journal()
  readonly #keys: IdempotencyKeys
  readonly #listeners = new Set<TailListener>()
  readonly #expiry: NodeJS.Timeout
  #head: Position = 0
  #time = 0
  #events = 0
  #stateBytes = 0
  /** All topics by name; undefined when one came or went since. */
  #names: Topic[] | undefined

  constructor(options: MemoryLogOptions) {
    // The cache refuses what exceeds it as a whole.
    this.#options = { ...options, maxTopicBytes: Math.min(options.maxTopicBytes, options.maxBytes) }
    this.#now = options.now ?? Date.now
    this.epoch = newEpoch(this.#now())
    this.#losses = new Losses(options.maxLossTopics)
    this.#histories = new LRUCache({
      maxSize: options.maxBytes,
      dispose: (history, topic, reason) => {
        if (reason === 'evict') this.#lose(topic, history)
      },
    })
    this.#keys = new IdempotencyKeys(options.maxIdempotencyKeys, options.idempotencyKeyAgeMs)
    const interval = Math.min(MAX_EXPIRY_INTERVAL_MS, options.maxAgeMs)
    this.#expiry = setInterval(() => this.#expire(), interval).unref()
  }

  head(): Position {
    return this.#head
  }

  async append(events: readonly NewEvent[], key?: AppendKey): Promise<Appended> {
    const fresh = key === undefined ? events : this.#keys.unseen(events, key)
    this.#reserveState(fresh)
    const entries = fresh.map(event => this.#store(event))
    if (entries.length > 0) {
      this.#expire()
      for (const listener of this.#listeners) listener(entries)
    }
    const last = key === undefined || events.length === 0 ? this.#head : this.#keys.record(key, this.#head)
    return { last, added: entries.length }
  }

  async read(after: Position, selector: Selector, limit: ReadLimit): Promise<ReadPage> {
    const lostThrough = this.#losses.newest > after ? this.#losses.through(selector) : 0
    const page = canMerge(selector)
      ? this.#merge(after, selector, limit)
      : scan(this.#journal, after, limit, entry => selector.matches(entry.topic))
    return { ...page, lostThrough: lostThrough > after ? lostThrough : 0, losses: this.#losses.count }
  }

  async readStates(
    after: Position,
    selector: Selector,
    limit: ReadLimit & { onlyGone: boolean },
  ): Promise<ReadPage> {
    const isWanted = (state: StateEntry): boolean => !(limit.onlyGone && !state.source.isGone)
    const page = canMerge(selector)
      ? this.#statesOf(
          selector.topics.flatMap(topic => this.#states.get(topic) ?? []).filter(isWanted),
          after,
          limit,
        )
      : // The state journal holds nothing but StateEntry objects.
        scan(
          this.#stateJournal,
          after,
          limit,
          entry => selector.matches(entry.topic) && isWanted(entry as StateEntry),
        )
    return { ...page, lostThrough: 0, losses: this.#losses.count }
  }

  async lostThrough(selector: Selector): Promise<Position> {
    return this.#losses.through(selector)
  }

  async topic(topic: Topic): Promise<TopicSummary | undefined> {
    return this.#summary(topic)
  }

  async topics(after: Topic, selector: Selector, limit: number): Promise<TopicSummary[]> {
    const names = (this.#names ??= [...new Set([...this.#histories.keys(), ...this.#states.keys()])].sort())
    const found: TopicSummary[] = []
    for (let at = placeAfter(names, after); at < names.length && found.length < limit; at++) {
      const summary = selector.matches(names[at]!) ? this.#summary(names[at]!) : undefined
      if (summary !== undefined) found.push(summary)
    }
    return found
  }

  tail(listener: TailListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  usage(): LogUsage {
    return {
      topics: this.#histories.size,
      events: this.#events,
      bytes: this.#histories.calculatedSize,
      stateBytes: this.#stateBytes,
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#expiry)
    this.#listeners.clear()
  }

  /** Refuses the append as a whole when its states do not fit. */
  #reserveState(events: readonly NewEvent[]): void {
    if (!events.some(event => event.isState)) return
    // Of several states of one topic the last one counts, and a reset takes a topic's state away.
    const sizes = new Map<Topic, number>()
    for (const event of events) {
      if (event.isState || event.type === RESET) sizes.set(event.topic, event.isState ? entryBytes(event) : 0)
    }
    let bytes = this.#stateBytes
    for (const [topic, size] of sizes) bytes += size - (this.#states.get(topic)?.bytes ?? 0)
    if (bytes > this.#stateBytes && bytes > this.#options.maxStateBytes) {
      throw new MillraceError(
        'MILLRACE_STATE_FULL',
        `All states together may take ${this.#options.maxStateBytes} bytes.`,
      )
    }
  }

  #store(event: NewEvent): Entry {
    this.#time = Math.max(this.#time, this.#now())
    const entry: Entry = {
      topic: event.topic,
      data: event.data,
      type: event.type,
      isJson: event.isJson,
      isState: event.isState,
      position: ++this.#head,
      time: this.#time,
      bytes: entryBytes(event),
      isGone: false,
    }
    if (entry.type === RESET) this.#forget(entry.topic)
    if (entry.isState) this.#setState(entry)
    this.#keep(entry)
    return entry
  }

  /** Adds the entry to its topic's history, and takes out what no longer fits. */
  #keep(entry: Entry): void {
    let history = this.#histories.get(entry.topic)
    if (history === undefined) {
      history = { ring: new Ring(), bytes: 0 }
      this.#names = undefined
    }
    history.ring.push(entry)
    history.bytes += entry.bytes
    this.#events++
    this.#journal.push(entry)
    const { maxTopicEvents, maxTopicBytes } = this.#options
    while (history.ring.length > maxTopicEvents || history.bytes > maxTopicBytes) {
      this.#loseOldest(entry.topic, history)
    }
    this.#resize(entry.topic, history)
  }

  #setState(entry: Entry): void {
    this.#clearState(entry.topic)
    const state: StateEntry = { ...entry, source: entry }
    this.#states.set(entry.topic, state)
    this.#stateJournal.push(state)
    this.#stateBytes += state.bytes
    this.#names = undefined
  }

  #clearState(topic: Topic): void {
    const state = this.#states.get(topic)
    if (state === undefined) return
    this.#states.delete(topic)
    state.isGone = true
    this.#stateJournal.remove(state)
    this.#stateBytes -= state.bytes
    this.#names = undefined
  }

  /** Drops a topic on purpose. Nothing is lost by it: the reset event that follows tells every reader. */
  #forget(topic: Topic): void {
    this.#clearState(topic)
    const history = this.#histories.peek(topic)
    if (history === undefined) return
    this.#histories.delete(topic)
    this.#names = undefined
    while (history.ring.length > 0) this.#takeOldest(history)
  }

  /** The cache dropped the topic's whole history. */
  #lose(topic: Topic, history: History): void {
    this.#names = undefined
    while (history.ring.length > 0) this.#loseOldest(topic, history)
  }

  #loseOldest(topic: Topic, history: History): void {
    this.#losses.add(topic, this.#takeOldest(history).position)
  }

  #takeOldest(history: History): Entry {
    const entry = history.ring.shift()!
    history.bytes -= entry.bytes
    entry.isGone = true
    this.#events--
    this.#journal.remove(entry)
    return entry
  }

  // Times never decrease along the journal, so whatever has expired stands at its front.
  #expire(): void {
    const oldestKept = this.#now() - this.#options.maxAgeMs
    for (;;) {
      const entry = this.#journal.oldest()
      if (entry === undefined || entry.time >= oldestKept) return
      const history = this.#histories.peek(entry.topic)!
      this.#loseOldest(entry.topic, history)
      this.#resize(entry.topic, history)
    }
  }

  #resize(topic: Topic, history: History): void {
    if (history.ring.length > 0) {
      // The cache takes no new size with a value that it has already.
      this.#histories.set(topic, { ...history }, { size: history.bytes })
    } else {
      this.#histories.delete(topic)
      this.#names = undefined
    }
  }

  /** Reads a few topics: their rings, merged by position. */
  #merge(after: Position, selector: Selector, limit: ReadLimit): Page {
    const cursors: { ring: Ring<Entry>; at: number }[] = []
    for (const topic of selector.topics) {
      const ring = this.#histories.get(topic)?.ring
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

  /** A page of a few topics' states. */
  #statesOf(states: StateEntry[], after: Position, limit: ReadLimit): Page {
    const events: StateEntry[] = []
    let bytes = 0
    for (const state of states.toSorted((one, other) => one.position - other.position)) {
      if (state.position <= after) continue
      if (state.position > limit.through) break
      events.push(state)
      bytes += state.bytes
      if (events.length >= limit.maxEvents || bytes >= limit.maxBytes)
        return { events, position: state.position }
    }
    return { events, position: Math.max(after, limit.through) }
  }

  #summary(topic: Topic): TopicSummary | undefined {
    const history = this.#histories.peek(topic)
    const state = this.#states.get(topic)
    // A reset clears the ring, so it can stand nowhere but first.
    const skipped = history?.ring.first()?.type === RESET ? 1 : 0
    const events = (history?.ring.length ?? 0) - skipped
    if (events <= 0 && state === undefined) return undefined
    const last = events > 0 ? history?.ring.last() : undefined
    return {
      topic,
      events,
      bytes: history?.bytes ?? 0,
      first: events > 0 ? history?.ring.at(skipped)?.position : undefined,
      last: last?.position,
      state: state?.position,
      time: Math.max(last?.time ?? 0, state?.time ?? 0),
    }
  }
}

function canMerge(selector: Selector): boolean {
  return selector.patterns.length === 0 && selector.topics.length <= MAX_MERGED_TOPICS
}

/** Reads many topics, or patterns: everything that happened, filtered. */
function scan(
  journal: Journal,
  after: Position,
  limit: ReadLimit,
  isWanted: (entry: JournalEntry) => boolean,
): Page {
  const events: StoredEvent[] = []
  let bytes = 0
  const stoppedAt = journal.scan(after, limit.through, MAX_SCAN, entry => {
    if (!isWanted(entry)) return true
    events.push(entry)
    // Both journals hold entries that know their size.
    bytes += (entry as Entry).bytes
    return events.length < limit.maxEvents && bytes < limit.maxBytes
  })
  return { events, position: stoppedAt ?? Math.max(after, limit.through) }
}

function entryBytes(event: NewEvent): number {
  const names = event.topic.length + (event.type?.length ?? 0)
  return ENTRY_OVERHEAD_BYTES + names + Buffer.byteLength(event.data)
}

/** Where the first name after this one stands in a sorted list. */
function placeAfter(names: readonly string[], after: string): number {
  let low = 0
  let high = names.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (names[middle]! <= after) low = middle + 1
    else high = middle
  }
  return low
}
