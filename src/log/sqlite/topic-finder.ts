// Finds topics in the log's file: those that a selector names, those that its patterns match, and what they lost.

import type { DatabaseSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import type { Position, Topic } from '../../event.ts'
import type { Selector, TopicPattern } from '../../topic-pattern.ts'
import type { ReadLimit, TopicSummary } from '../event-log.ts'
import { compareNames } from '../name-order.ts'
import { metaValue } from './database.ts'
import { IS_RESET } from './messages.ts'

export interface FoundTopic {
  readonly id: number
  readonly name: Topic
  readonly events: number
  readonly last: Position
  readonly state: Position | null
}

// With more topics than this, whole ranges of the log are read and filtered instead of merging the topics' own.
const MAX_CANDIDATES = 4096

// So few positions are read and filtered sooner than topics are looked for.
const SHORT_RANGE = 512

const COLUMNS = 'id, name, events, last, state'

export class TopicFinder {
  readonly #database: DatabaseSync
  /** Selectors whose topics were many: looking for them again for each page costs more than the page. */
  readonly #scanned = new LRUCache<string, true>({ max: 1000, ttl: 10_000 })
  readonly #byName
  readonly #inRange
  readonly #lostOf
  readonly #lostAfter
  readonly #named
  readonly #oldest
  readonly #newest
  readonly #timeOfState
  readonly #totalEvents

  constructor(database: DatabaseSync) {
    this.#database = database
    this.#byName = database.prepare(`SELECT ${COLUMNS} FROM topics WHERE name = ?`)
    this.#inRange = database.prepare(
      `SELECT ${COLUMNS} FROM topics WHERE name >= ? AND name < ? ORDER BY name LIMIT ?`,
    )
    this.#lostOf = database.prepare('SELECT lost FROM topics WHERE name = ?')
    this.#lostAfter = database.prepare(
      'SELECT name, lost FROM topics WHERE lost > 0 AND lost > ? AND name IS NOT NULL ORDER BY lost DESC',
    )
    this.#named = database.prepare(
      `SELECT ${COLUMNS}, bytes FROM topics
       WHERE name >= ? AND name < ? AND (events > 0 OR state IS NOT NULL) ORDER BY name`,
    )
    this.#oldest = database.prepare(
      'SELECT position, flags FROM events WHERE topic = ? ORDER BY position LIMIT 2',
    )
    this.#newest = database.prepare(
      'SELECT position, time FROM events WHERE topic = ? ORDER BY position DESC LIMIT 1',
    )
    this.#timeOfState = database.prepare('SELECT time FROM states WHERE topic = ?')
    this.#totalEvents = database.prepare(
      'SELECT coalesce((SELECT max(position) FROM events) - (SELECT min(position) FROM events) + 1, 0) AS total',
    )
  }

  named(topic: Topic): FoundTopic | undefined {
    return this.#byName.get(topic) as FoundTopic | undefined
  }

  /** The topics that the selector names, if it has no patterns and they are few. */
  byName(selector: Selector): FoundTopic[] | undefined {
    if (selector.patterns.length > 0 || selector.topics.length > MAX_CANDIDATES) return undefined
    const topics = selector.topics.filter(name => selector.matches(name))
    return topics.flatMap(name => this.named(name) ?? [])
  }

  /**
   * The topics whose events after this position are to be merged; undefined when it is cheaper to read everything
   * that happened and leave out what does not match.
   */
  candidates(after: Position, selector: Selector, limit: ReadLimit): FoundTopic[] | undefined {
    if (limit.through - after <= SHORT_RANGE) return undefined
    // A scan is right however things have changed since; a list of topics would not be.
    if (this.#scanned.get(selector.key) === true) return undefined
    const topics = this.#mergeable(after, selector, limit.maxEvents)
    if (topics === undefined) this.#scanned.set(selector.key, true)
    return topics
  }

  /** The newest loss after this position; another number up to it when there is none. */
  lostThrough(selector: Selector, after: Position): Position {
    let newest = Math.max(after, Number(metaValue(this.#database, 'lost_any')))
    for (const topic of selector.topics) newest = Math.max(newest, Number(this.#lostOf.get(topic)?.lost ?? 0))
    if (selector.patterns.length === 0) return newest
    for (const row of this.#lostAfter.iterate(newest)) {
      const { name, lost } = row as unknown as { name: Topic; lost: Position }
      if (selector.matches(name)) return lost
    }
    return newest
  }

  summary(topic: Topic): TopicSummary | undefined {
    return this.#summaries([topic, follower(topic)], name => name === topic, 1)[0]
  }

  summaries(after: Topic, selector: Selector, limit: number): TopicSummary[] {
    const [from, to] = nameRange([...selector.topics, ...selector.patterns])
    const start = after === '' || compareNames(after, from) < 0 ? from : follower(after)
    return this.#summaries([start, to], name => selector.matches(name), limit)
  }

  #mergeable(after: Position, selector: Selector, pageEvents: number): FoundTopic[] | undefined {
    const named = this.byName(selector) ?? this.#matched(selector)
    const topics = named?.filter(({ last }) => last > after)
    if (topics === undefined || topics.length < 2) return topics
    const { total } = this.#totalEvents.get() as { total: number }
    const matching = topics.reduce((sum, { events }) => sum + events, 1)
    // To fill a page, a scan looks at so many rows that do not match; a merge looks into each topic.
    const rowsScanned = (pageEvents * total) / matching
    const rowsMerged = topics.length * 32 + pageEvents * 2
    return rowsScanned < rowsMerged ? undefined : topics
  }

  #summaries(range: NameRange, isWanted: (name: Topic) => boolean, limit: number): TopicSummary[] {
    const found: TopicSummary[] = []
    if (limit <= 0) return found
    for (const row of this.#named.iterate(...range)) {
      const topic = row as unknown as FoundTopic & { bytes: number }
      if (!isWanted(topic.name)) continue
      found.push(this.#summaryOf(topic))
      if (found.length === limit) break
    }
    return found
  }

  #summaryOf({ id, name, events, bytes, state }: FoundTopic & { bytes: number }): TopicSummary {
    const oldest = this.#oldest.all(id) as unknown as { position: Position; flags: number }[]
    const first = oldest.find(({ flags }) => (flags & IS_RESET) === 0)
    const newest = this.#newest.get(id) as { position: Position; time: number } | undefined
    const stateTime = state === null ? 0 : Number(this.#timeOfState.get(id)?.time)
    return {
      topic: name,
      events,
      bytes,
      first: events > 0 ? first?.position : undefined,
      last: events > 0 ? newest?.position : undefined,
      state: state ?? undefined,
      time: Math.max(events > 0 ? newest!.time : 0, stateTime),
    }
  }

  /** The topics that the selector names or matches; undefined when they may be too many. */
  #matched(selector: Selector): FoundTopic[] | undefined {
    const found = new Map<number, FoundTopic>()
    let left = MAX_CANDIDATES
    for (const name of [...selector.topics, ...selector.patterns]) {
      const rows = this.#inRange.all(...nameRange([name]), left) as unknown as FoundTopic[]
      left -= rows.length + 1
      if (left <= 0) return undefined
      for (const row of rows) if (selector.matches(row.name)) found.set(row.id, row)
    }
    return [...found.values()]
  }
}

/** From the first name, this one included, to the last, that one not included. */
type NameRange = [from: Topic, to: Topic | Uint8Array]

// To SQLite every blob comes after every text.
const AFTER_ALL = new Uint8Array()

/** Where the names stand that any of these can match; others may stand there too. */
function nameRange(names: readonly (Topic | TopicPattern)[]): NameRange {
  const [first = '', ...others] = names
  let [from, to] = rangeOf(first)
  for (const name of others) {
    const range = rangeOf(name)
    if (compareNames(range[0], from) < 0) from = range[0]
    if (typeof to === 'string' && (typeof range[1] !== 'string' || compareNames(range[1], to) > 0))
      to = range[1]
  }
  return [from, to]
}

function rangeOf(name: Topic | TopicPattern): NameRange {
  const star = name.indexOf('*')
  if (star < 0) return [name, follower(name)]
  // `a/**` matches `a` too.
  const prefix = name.slice(0, star).replace(/\/$/, '')
  return [prefix, endOf(prefix)]
}

/** The name that comes directly after this one: no name holds the lowest character. */
function follower(name: Topic): Topic {
  return `${name}\u0000`
}

/** What comes after all names with this prefix. */
function endOf(prefix: string): Topic | Uint8Array {
  const points = Array.from(prefix)
  const last = points.pop()?.codePointAt(0)
  if (last === undefined) return AFTER_ALL
  if (last === 0x10ffff) return endOf(points.join(''))
  // Surrogates are no code points of their own.
  return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1)
}
