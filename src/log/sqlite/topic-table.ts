// The topics' rows: read when an event names the topic, changed in memory, written once a transaction.

import type { DatabaseSync } from 'node:sqlite'
import type { Position, Topic } from '../../event.ts'

export interface TopicRow {
  readonly id: number
  readonly name: Topic
  /** Without resets. */
  events: number
  bytes: number
  /** The newest position it ever had. */
  last: Position
  /** The newest position it lost. */
  lost: Position
  /** When its oldest event has reached its age; null: it has none. */
  expires: number | null
  state: Position | null
  stateBytes: number
}

// Beyond it, all are read anew.
const MAX_ROWS = 10_000

const COLUMNS = 'id, name, events, bytes, last, lost, expires, state, state_bytes AS stateBytes'

export class TopicTable {
  readonly #byName = new Map<Topic, TopicRow>()
  readonly #byId = new Map<number, TopicRow>()
  /** True: more than its counts. */
  readonly #changed = new Map<TopicRow, boolean>()
  readonly #selectByName
  readonly #selectById
  readonly #insert
  readonly #updateCounts
  readonly #update
  readonly #bury
  readonly #delete

  constructor(database: DatabaseSync) {
    this.#selectByName = database.prepare(`SELECT ${COLUMNS} FROM topics WHERE name = ?`)
    this.#selectById = database.prepare(`SELECT ${COLUMNS} FROM topics WHERE id = ? AND name IS NOT NULL`)
    this.#insert = database.prepare(
      'INSERT INTO topics (name, events, bytes, last, lost, state_bytes) VALUES (?, 0, 0, 0, ?, 0)',
    )
    // Touches no index.
    this.#updateCounts = database.prepare('UPDATE topics SET events = ?, bytes = ?, last = ? WHERE id = ?')
    this.#update = database.prepare(
      'UPDATE topics SET events = ?, bytes = ?, last = ?, lost = ?, expires = ?, state = ?, state_bytes = ? WHERE id = ?',
    )
    this.#bury = database.prepare(
      'UPDATE topics SET name = NULL, expires = NULL, state = NULL, state_bytes = 0, lost = 0 WHERE id = ?',
    )
    this.#delete = database.prepare('DELETE FROM topics WHERE id = ?')
  }

  /** The topic's row, made where there is none. */
  of(name: Topic): TopicRow {
    return this.find(name) ?? this.#add(name, 0)
  }

  find(name: Topic): TopicRow | undefined {
    return this.#byName.get(name) ?? this.#remember(this.#selectByName.get(name))
  }

  byId(id: number): TopicRow | undefined {
    return this.#byId.get(id) ?? this.#remember(this.#selectById.get(id))
  }

  /** To be called after each change of a row's events, bytes or last position. */
  changeCounts(row: TopicRow): void {
    if (!this.#changed.has(row)) this.#changed.set(row, false)
  }

  /** To be called after any other change of a row. */
  change(row: TopicRow): void {
    this.#changed.set(row, true)
  }

  /** Leaves the old row, with all events that it has, to be removed later; returns the topic's new one. */
  renew(row: TopicRow): TopicRow {
    this.#bury.run(row.id)
    this.#forget(row)
    return this.#add(row.name, row.lost)
  }

  remove(id: number): void {
    const row = this.#byId.get(id)
    if (row !== undefined) this.#forget(row)
    this.#delete.run(id)
  }

  /** Writes what was changed. */
  flush(): void {
    for (const [row, isMore] of this.#changed) {
      const { events, bytes, last, lost, expires, state, stateBytes, id } = row
      if (isMore) this.#update.run(events, bytes, last, lost, expires, state, stateBytes, id)
      else this.#updateCounts.run(events, bytes, last, id)
    }
    this.#changed.clear()
    if (this.#byName.size > MAX_ROWS) this.clear()
  }

  /** Forgets what was read and changed: the transaction was rolled back. */
  clear(): void {
    this.#byName.clear()
    this.#byId.clear()
    this.#changed.clear()
  }

  #add(name: Topic, lost: Position): TopicRow {
    const id = Number(this.#insert.run(name, lost).lastInsertRowid)
    const row = { id, name, events: 0, bytes: 0, last: 0, lost, expires: null, state: null, stateBytes: 0 }
    return this.#remember(row)!
  }

  #remember(found: object | undefined): TopicRow | undefined {
    if (found === undefined) return undefined
    const row = found as TopicRow
    this.#byName.set(row.name, row)
    this.#byId.set(row.id, row)
    return row
  }

  #forget(row: TopicRow): void {
    this.#byName.delete(row.name)
    this.#byId.delete(row.id)
    this.#changed.delete(row)
  }
}
