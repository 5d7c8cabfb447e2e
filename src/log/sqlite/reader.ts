// Reads pages of events from the log's file, beside its writer. Each call sees one state of the file: a page and what it
// says of losses belong together.

import type { DatabaseSync } from 'node:sqlite'
import type { Position, Topic } from '../../event.ts'
import { selectorOf, type Selector } from '../../topic-pattern.ts'
import type { ReadLimit, TopicSummary } from '../event-log.ts'
import { metaValue, openForReading } from './database.ts'
import { rowBytes } from './event-size.ts'
import { FIELDS_PER_ROW, type RowPage } from './messages.ts'
import { storageError } from './sqlite-error.ts'
import { TopicFinder, type FoundTopic } from './topic-finder.ts'

// A read looks at no more rows than this before it lets others have their turn.
const MAX_SCAN = 8192

// Of each topic so many positions are looked up at least when several are merged.
const MIN_CHUNK = 32

interface Page {
  readonly fields: (string | number | null)[]
  position: Position
}

type Row = [time: number, type: string | null, flags: number, data: string, textBytes: number]

const TEXT_BYTES = 'octet_length(data) + coalesce(octet_length(type), 0)'

export class Reader {
  readonly #database: DatabaseSync
  readonly #finder: TopicFinder
  readonly #positionsOf
  readonly #event
  readonly #scan
  readonly #scanStates
  readonly #isKept
  readonly #state

  constructor(directory: string) {
    const database = (this.#database = openForReading(directory))
    this.#finder = new TopicFinder(database)
    const prepare = (sql: string): ReturnType<DatabaseSync['prepare']> => {
      const statement = database.prepare(sql)
      statement.setReturnArrays(true)
      return statement
    }
    this.#positionsOf = prepare(
      'SELECT position FROM events WHERE topic = ? AND position > ? AND position <= ? ORDER BY position LIMIT ?',
    )
    this.#event = prepare(`SELECT time, type, flags, data, ${TEXT_BYTES} FROM events WHERE position = ?`)
    this.#scan = prepare(
      'SELECT position, topic FROM events WHERE position > ? AND position <= ? ORDER BY position LIMIT ?',
    )
    this.#scanStates = prepare(
      'SELECT position, topic FROM states WHERE position > ? AND position <= ? ORDER BY position LIMIT ?',
    )
    this.#isKept = prepare('SELECT 1 FROM events WHERE position = ?')
    this.#state = prepare(`SELECT time, type, flags, data, ${TEXT_BYTES} FROM states WHERE position = ?`)
  }

  read(after: Position, key: string, limit: ReadLimit): RowPage {
    return this.#snapshot(() => {
      const selector = selectorOfKey(key)
      const lostThrough = this.#finder.lostThrough(selector)
      const page = limit.through <= after ? emptyPage(after) : this.#events(after, selector, limit)
      return {
        ...page,
        lostThrough: lostThrough > after ? lostThrough : 0,
        losses: Number(metaValue(this.#database, 'losses')),
      }
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
      const page = this.#fetch(this.#state, wanted, limit, places.through ?? Math.max(after, limit.through))
      return { ...page, lostThrough: 0, losses: Number(metaValue(this.#database, 'losses')) }
    })
  }

  lostThrough(key: string): Position {
    return this.#snapshot(() => this.#finder.lostThrough(selectorOfKey(key)))
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

  #events(after: Position, selector: Selector, limit: ReadLimit): Page {
    const topics = this.#finder.candidates(after, selector, limit.maxEvents)
    const { positions, through } =
      topics === undefined
        ? this.#scanned(this.#scan, after, selector, limit)
        : this.#merged(after, topics, limit)
    return this.#fetch(this.#event, positions, limit, through ?? limit.through)
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
  #scanned(
    scan: ReturnType<DatabaseSync['prepare']>,
    after: Position,
    selector: Selector,
    { through, maxEvents }: ReadLimit,
  ): Places {
    const names = new Map<number, Topic | undefined>()
    const positions: [Position, Topic][] = []
    let looked = 0
    for (const row of scan.iterate(after, through, MAX_SCAN)) {
      const [position, topic] = row as unknown as [Position, number]
      if (!names.has(topic)) names.set(topic, this.#finder.matching(topic, selector))
      const name = names.get(topic)
      if (name !== undefined) positions.push([position, name])
      looked++
      if (looked === MAX_SCAN || positions.length === maxEvents) return { positions, through: position }
    }
    return { positions, through: undefined }
  }

  /** Builds a page from rows at these places; it ends early when it is full. */
  #fetch(
    row: ReturnType<DatabaseSync['prepare']>,
    positions: Places['positions'],
    limit: ReadLimit,
    through: Position,
  ): Page {
    const fields: Page['fields'] = []
    let bytes = 0
    for (const [position, name] of positions) {
      const [time, type, flags, data, textBytes] = row.get(position) as unknown as Row
      fields.push(position, name, time, type, flags, data)
      bytes += rowBytes(name.length, textBytes)
      if (fields.length === limit.maxEvents * FIELDS_PER_ROW || bytes >= limit.maxBytes)
        return { fields, position }
    }
    return { fields, position: through }
  }

  #snapshot<T>(read: () => T): T {
    try {
      this.#database.exec('BEGIN')
      return read()
    } catch (error) {
      throw storageError(error)
    } finally {
      if (this.#database.isTransaction) this.#database.exec('COMMIT')
    }
  }
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

let lastSelector: Selector = selectorOf([])

/** The key of a selector holds all of its names. */
function selectorOfKey(key: string): Selector {
  if (lastSelector.key !== key) lastSelector = selectorOf(key.split('\n'))
  return lastSelector
}
