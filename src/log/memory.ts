// The log that lives in memory (`--log memory:`): histories and states, and what was stored under which key.

import { MillraceError } from '../errors.ts'
import type { NewEvent, Position, Topic } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'
import type { AppendKey } from './append-key.ts'
import { entryOf } from './entry.ts'
import { newEpoch } from './epoch.ts'
import type {
  Appended,
  BackPage,
  EventLog,
  LogUsage,
  PageLimit,
  ReadLimit,
  ReadPage,
  Tail,
  TailListener,
  TopicSummary,
} from './event-log.ts'
import { Histories, isFew } from './histories.ts'
import { IdempotencyKeys, memoryKeys } from './idempotency-keys.ts'
import { expiryInterval, type LogLimits } from './limits.ts'
import { compareNames } from './name-order.ts'
import { retentionOf } from './retention.ts'
import { States } from './states.ts'
import { startTail } from './tail.ts'

export interface MemoryLogOptions extends LogLimits {
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export class MemoryLog implements EventLog {
  readonly epoch: string
  readonly #now: () => number
  readonly #histories: Histories
  readonly #states: States
  readonly #keys: IdempotencyKeys
  readonly #listeners = new Set<TailListener>()
  readonly #expiry: NodeJS.Timeout
  #head: Position = 0
  #time = 0
  #isClosed = false
  /** All topics by name, as of so many changes. */
  #names: { readonly sorted: readonly Topic[]; readonly changes: number } = { sorted: [], changes: 0 }

  constructor(options: MemoryLogOptions) {
    const { maxBytes, maxTopicBytes, maxTopicEvents, maxAgeMs, retention = [] } = options
    this.#now = options.now ?? Date.now
    this.epoch = newEpoch(this.#now())
    const limits = { maxEvents: maxTopicEvents, maxBytes: maxTopicBytes, maxAgeMs }
    this.#histories = new Histories({
      maxBytes,
      retentionOf: retentionOf(retention, limits),
      maxLossTopics: options.maxLossTopics,
    })
    this.#states = new States(options.maxStateBytes)
    this.#keys = new IdempotencyKeys(memoryKeys(options.maxIdempotencyKeys, options.idempotencyKeyAgeMs))
    const interval = expiryInterval(options)
    this.#expiry = setInterval(() => this.#histories.expire(this.#now()), interval).unref()
  }

  head(): Position {
    return this.#head
  }

  async append(events: readonly NewEvent[], key?: AppendKey): Promise<Appended> {
    if (this.#isClosed) throw new MillraceError('MILLRACE_DRAINING', 'The log is closed.', { retryAfter: 1 })
    const fresh = key === undefined ? events : this.#keys.unseen(events, key)
    this.#states.reserve(fresh)
    this.#time = Math.max(this.#time, this.#now())
    const entries = fresh.map(event => entryOf(event, ++this.#head, this.#time))
    if (entries.length > 0) {
      for (const entry of entries) this.#states.take(entry)
      this.#histories.add(entries)
      this.#histories.expire(this.#now())
      for (const listener of this.#listeners) listener(entries)
    }
    const last = key === undefined || events.length === 0 ? this.#head : this.#keys.record(key, this.#head)
    return { last, added: entries.length }
  }

  async read(after: Position, selector: Selector, limit: ReadLimit): Promise<ReadPage> {
    return this.#histories.read(after, selector, limit)
  }

  async readBack(before: Position, topic: Topic, limit: PageLimit): Promise<BackPage> {
    return this.#histories.readBack(before, topic, limit)
  }

  async readStates(
    after: Position,
    selector: Selector,
    limit: ReadLimit & { onlyGone: boolean },
  ): Promise<ReadPage> {
    const page = this.#states.read(after, selector, limit, isFew(selector))
    return { ...page, lostThrough: 0, losses: this.#histories.losses.count }
  }

  async lostThrough(selector: Selector): Promise<Position> {
    return this.#histories.losses.through(selector)
  }

  async topic(topic: Topic): Promise<TopicSummary | undefined> {
    return this.#summary(topic)
  }

  async topics(after: Topic, selector: Selector, limit: number): Promise<TopicSummary[]> {
    const names = this.#sortedNames()
    const found: TopicSummary[] = []
    for (let at = placeAfter(names, after); at < names.length && found.length < limit; at++) {
      const summary = selector.matches(names[at]!) ? this.#summary(names[at]!) : undefined
      if (summary !== undefined) found.push(summary)
    }
    return found
  }

  tail(listener: TailListener): Tail {
    return startTail(this.#listeners, listener, this.#head)
  }

  usage(): LogUsage {
    return {
      topics: this.#histories.topicCount,
      events: this.#histories.events,
      bytes: this.#histories.bytes,
      stateBytes: this.#states.bytes,
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#expiry)
    this.#listeners.clear()
  }

  #sortedNames(): readonly Topic[] {
    const changes = this.#histories.changes + this.#states.changes
    if (this.#names.changes !== changes) {
      const names = new Set([...this.#histories.topics(), ...this.#states.topics()])
      this.#names = { sorted: [...names].sort(compareNames), changes }
    }
    return this.#names.sorted
  }

  #summary(topic: Topic): TopicSummary | undefined {
    const history = this.#histories.summary(topic)
    const state = this.#states.get(topic)
    if (history.events <= 0 && state === undefined) return undefined
    const { events, bytes, first, last } = history
    const time = Math.max(history.time, state?.time ?? 0)
    return { topic, events, bytes, first, last, state: state?.position, time }
  }
}

/** Where the first name after this one stands in a sorted list. */
function placeAfter(names: readonly string[], after: string): number {
  let low = 0
  let high = names.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareNames(names[middle]!, after) <= 0) low = middle + 1
    else high = middle
  }
  return low
}
