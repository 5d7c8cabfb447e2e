// Reads pages of events from the log's file, beside its writer. Each call sees one state of the file: a page and what it
// says of losses belong together.

import type { DatabaseSync } from 'node:sqlite'
import type { Position, Topic } from '../../event.ts'
import { selectorOfKey, type Selector } from '../../topic-pattern.ts'
import type { PageLimit, ReadLimit, TopicSummary } from '../event-log.ts'
import { FIELDS_PER_EVENT, type Field } from '../flat-events.ts'
import { metaValue, openForReading } from './database.ts'
import { rowBytes } from './event-size.ts'
import type { RowBackPage, RowPage } from './messages.ts'
import { storageError } from './sqlite-error.ts'
import { TopicFinder, type FoundTopic } from './topic-finder.ts'

// A read looks at no more rows than this before it lets others have their turn.
const MAX_SCAN = 8192

const SCAN_ROWS = 1024

// Of each topic so many positions are looked up at least when several are merged.
const MIN_CHUNK = 32

interface Page {
  readonly fields: Field[]
  position: Position
}

type Row = [
  position: Position,
  time: number,
  type: string | null,
  flags: number,
  textBytes: number,
  data: string | null,
]

// Rows are fetched together, as many as are likely to fill the page: each call of a statement costs more than a row. What
// is fetched in vain costs too.
const MIN_LIKELY_ROWS = 16
const SPARE = 1.1

// Larger data is fetched by itself: most of a chunk may not fit the page any more.
const SMALL_DATA_BYTES = 16 * 1024

type Statement = ReturnType<DatabaseSync['prepare']>

export class Reader {
  readonly #database: DatabaseSync
  readonly #finder: TopicFinder
  readonly #positionsOf
  readonly #positionsBefore
  readonly #scan
  readonly #scanStates
  readonly #isKept
  readonly #events
  readonly #states
  /** About what a row takes: of those of the last page. */
  #likelyRowBytes = 512

  constructor(directory: string) {
    const database = (this.#database = openForReading(directory))
    this.#finder = new TopicFinder(database)
    const prepare = (sql: string): Statement => {
      const statement = database.prepare(sql)
      statement.setReturnArrays(true)
      return statement
    }
    const rowsOf = (table: string): Rows => ({
      several: prepare(
        `SELECT kept.position, kept.time, kept.type, kept.flags,
           octet_length(kept.data) + coalesce(octet_length(kept.type), 0),
           CASE WHEN octet_length(kept.data) <= ${SMALL_DATA_BYTES} THEN kept.data END
         FROM json_each(?) AS wanted CROSS JOIN ${table} AS kept ON kept.position = wanted.value`,
      ),
      data: prepare(`SELECT data FROM ${table} WHERE position = ?`),
    })
    this.#positionsOf = prepare(
      'SELECT position FROM events WHERE topic = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?',
    )
    this.#positionsBefore = prepare(
      'SELECT position FROM events WHERE topic = ? AND position < ? ORDER BY position DESC LIMIT ?',
    )
    // A topic that was deleted has no name.
    const scanOf = (table: string): Statement =>
      prepare(
        `SELECT position, name FROM ${table} CROSS JOIN topics ON id = topic
         WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`,
      )
    this.#scan = scanOf('events')
    this.#scanStates = scanOf('states')
    this.#isKept = prepare('SELECT 1 FROM events WHERE position = ?')
    this.#events = rowsOf('events')
    this.#states = rowsOf('states')
  }

  read(after: Position, key: string, limit: ReadLimit): RowPage {
    return this.#snapshot(() => {
      const selector = selectorOfKey(key)
      const lostThrough = this.#finder.lostThrough(selector, after)
      const page = limit.through <= after ? emptyPage(after) : this.#eventsOf(after, selector, limit)
      return {
        ...page,
        lostThrough: lostThrough > after ? lostThrough : 0,
        losses: Number(metaValue(this.#database, 'losses')),
      }
    })
  }

  readBack(before: Position, topic: Topic, limit: PageLimit): RowBackPage {
    return this.#snapshot(() => {
      const found = this.#finder.named(topic)
      if (found === undefined) return { fields: [], hasOlder: false }
      // No more fit into a page, whatever they hold.
      const most = Math.min(limit.maxEvents, Math.ceil(limit.maxBytes / rowBytes(topic.length, 0)))
      const rows = this.#positionsBefore.all(found.id, before, most + 1) as unknown as [Position][]
      const places = rows.slice(0, most).map(([position]) => [position, topic] as const)
      const { fields } = this.#fetch(this.#events, places, limit, 0)
      return { fields, hasOlder: fields.length < rows.length * FIELDS_PER_EVENT }
    })
  }

  readStates(after: Position, key: string, limit: ReadLimit & { onlyGone: boolean }): RowPage {
    return this.#snapshot(() => {
      const selector = selectorOfKey(key)
      const found = this.#finder.byName(selector)
      const places =
        found === undefined ? this.#scanned(this.#scanStates, after, selector, limit) : statesOf(found)
      const wanted = places.positions.filter(
        ([position]) =>
          position > after &&
          position <= limit.through &&
          !(limit.onlyGone && this.#isKept.get(position) !== undefined),
      )
      const page = this.#fetch(this.#states, wanted, limit, places.through ?? Math.max(after, limit.through))
      return { ...page, lostThrough: 0, losses: Number(metaValue(this.#database, 'losses')) }
    })
  }

  lostThrough(key: string): Position {
    return this.#snapshot(() => this.#finder.lostThrough(selectorOfKey(key), 0))
  }

  topic(topic: Topic): TopicSummary | undefined {
    return this.#snapshot(() => this.#finder.summary(topic))
  }

  topics(after: Topic, key: string, limit: number): TopicSummary[] {
    return this.#snapshot(() => this.#finder.summaries(after, selectorOfKey(key), limit))
  }

  close(): void {
    this.#database.close()
  }

  #eventsOf(after: Position, selector: Selector, limit: ReadLimit): Page {
    const topics = this.#finder.candidates(after, selector, limit)
    const wanted = { ...limit, maxEvents: this.#likelyRows(limit) }
    const { positions, through } =
      topics === undefined
        ? this.#scanned(this.#scan, after, selector, wanted)
        : this.#merged(after, topics, wanted)
    return this.#fetch(this.#events, positions, limit, through ?? limit.through)
  }

  #likelyRows({ maxEvents, maxBytes }: PageLimit): number {
    const rows = Math.ceil((SPARE * maxBytes) / this.#likelyRowBytes)
    return Math.min(maxEvents, Math.max(MIN_LIKELY_ROWS, rows))
  }

  /** The next events of these topics, in order: from the index alone, up to where all of them are known. */
  #merged(after: Position, topics: readonly FoundTopic[], { through, maxEvents }: ReadLimit): Places {
    const most = Math.min(maxEvents, Math.max(MIN_CHUNK, Math.ceil((2 * maxEvents) / topics.length)))
    const positions: [Position, Topic][] = []
    let known = through
    for (const { id, name } of topics) {
      const chunk = this.#positionsOf.all(id, after, through, most) as unknown as [Position][]
      for (const [position] of chunk) positions.push([position, name])
      if (chunk.length === most) known = Math.min(known, chunk.at(-1)![0])
    }
    const sorted = topics.length === 1 ? positions : positions.sort(([one], [other]) => one - other)
    return { positions: sorted.filter(([position]) => position <= known), through: known }
  }

  /** Those that match among everything that happened. */
  #scanned(scan: Statement, after: Position, selector: Selector, { through, maxEvents }: ReadLimit): Places {
    const positions: [Position, Topic][] = []
    let last = after
    // If everything matches, the first few are enough.
    for (let looked = 0, most = maxEvents; looked < MAX_SCAN; looked += most, most = SCAN_ROWS) {
      const rows = scan.all(last, through, most) as unknown as [Position, Topic | null][]
      for (const [position, name] of rows) {
        last = position
        if (name === null || !selector.matches(name)) continue
        positions.push([position, name])
        if (positions.length === maxEvents) return { positions, through: last }
      }
      if (rows.length < most) return { positions, through: undefined }
    }
    return { positions, through: last }
  }

  /** Builds a page from rows at these places; it ends early when it is full. */
  #fetch(rows: Rows, places: Places['positions'], limit: PageLimit, through: Position): Page {
    const fields: Page['fields'] = []
    let bytes = 0
    const most = this.#likelyRows(limit)
    for (let at = 0; at < places.length; at += most) {
      const chunk = places.slice(at, at + most)
      const wanted = JSON.stringify(chunk.map(([position]) => position))
      const found = rows.several.all(wanted) as unknown as Row[]
      for (const [index, [position, time, type, flags, textBytes, data]] of found.entries()) {
        const name = chunk[index]![1]
        fields.push(position, name, time, type, flags, data ?? this.#largeData(rows, position))
        bytes += rowBytes(name.length, textBytes)
        if (fields.length === limit.maxEvents * FIELDS_PER_EVENT || bytes >= limit.maxBytes) {
          this.#likelyRowBytes = (bytes * FIELDS_PER_EVENT) / fields.length
          return { fields, position }
        }
      }
    }
    if (bytes > 0) this.#likelyRowBytes = (bytes * FIELDS_PER_EVENT) / fields.length
    return { fields, position: through }
  }

  #largeData(rows: Rows, position: Position): string {
    const [data] = rows.data.get(position) as unknown as [string]
    return data
  }

  #snapshot<T>(read: () => T): T {
    try {
      this.#database.exec('BEGIN')
      const result = read()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw storageError(error)
    }
  }
}

/** How rows of a table are fetched. */
interface Rows {
  readonly several: Statement
  readonly data: Statement
}

interface Places {
  /** In order of position. */
  readonly positions: readonly (readonly [Position, Topic])[]
  /** How far they are all that there are; undefined: to the end of the range. */
  readonly through: Position | undefined
}

function statesOf(topics: readonly FoundTopic[]): Places {
  const positions = topics.flatMap(({ state, name }) => (state === null ? [] : [[state, name] as const]))
  return { positions: positions.toSorted(([one], [other]) => one - other), through: undefined }
}

function emptyPage(position: Position): Page {
  return { fields: [], position }
}
