// Takes out what need not be kept, in steps of so many rows: no publisher waits for more than one step. What a step
// removes and the note of the loss are written in one transaction.

import type { DatabaseSync } from 'node:sqlite'
import type { Position, Topic } from '../../event.ts'
import type { Retention, RetentionOf } from '../retention.ts'
import type { Counters } from './counters.ts'
import { rowBytes } from './event-size.ts'
import { IS_RESET } from './messages.ts'
import type { TopicRow, TopicTable } from './topic-table.ts'

export interface TrimmerOptions {
  readonly retentionOf: RetentionOf
  /** No topic has lower limits than these. */
  readonly leastLimits: Pick<Retention, 'maxEvents' | 'maxBytes'>
  /** What all topics may take together; beyond it the oldest events go, whatever their topic. */
  readonly maxBytes: number
  /** Of how many topics without any event it is known apart what they lost. */
  readonly maxLossTopics: number
}

interface EventRow {
  readonly position: Position
  readonly topic: number
  readonly time: number
  readonly flags: number
  readonly textBytes: number
}

// What a step removes is written to the write-ahead log in part, and read: large events make a step shorter.
const STEP_BYTES = 8 * 1024 * 1024

/** Topics are cut back when they exceed a limit by this part of it, so that not each append removes a row. */
const SLACK = 1 / 64

const EVENT_COLUMNS =
  'position, topic, time, flags, octet_length(data) + coalesce(octet_length(type), 0) AS textBytes'

export class Trimmer {
  /** The last step ended before all was done. */
  hasBacklog = true
  readonly #options: TrimmerOptions
  readonly #topics: TopicTable
  readonly #counters: Counters
  readonly #overfull = new Set<number>()
  /** Which topics are overfull is not known: the file was just opened, or a step was undone. */
  #mustLook = true
  /** Topics may have been deleted whose events are still there. */
  #hasDeleted = true
  /** What the step may still remove. */
  #bytesLeft = 0
  #trimmed = new Map<Topic, Position>()
  readonly #oldestOfTopic
  readonly #oldest
  readonly #deleteOfTopic
  readonly #deleteOldest
  readonly #expired
  readonly #deletedTopic
  readonly #withEvents
  readonly #aboveLeast
  readonly #bareCount
  readonly #bare
  readonly #setMeta

  constructor(database: DatabaseSync, topics: TopicTable, counters: Counters, options: TrimmerOptions) {
    this.#options = options
    this.#topics = topics
    this.#counters = counters
    this.#oldestOfTopic = database.prepare(
      `SELECT ${EVENT_COLUMNS} FROM events WHERE topic = ? ORDER BY position LIMIT ?`,
    )
    this.#oldest = database.prepare(`SELECT ${EVENT_COLUMNS} FROM events ORDER BY position LIMIT ?`)
    this.#deleteOfTopic = database.prepare('DELETE FROM events WHERE topic = ? AND position <= ?')
    this.#deleteOldest = database.prepare('DELETE FROM events WHERE position <= ?')
    this.#expired = database.prepare('SELECT id FROM topics WHERE expires < ? ORDER BY expires LIMIT 1')
    this.#deletedTopic = database.prepare('SELECT id FROM topics WHERE name IS NULL LIMIT 1')
    this.#withEvents = database.prepare(
      'SELECT id FROM topics WHERE expires IS NOT NULL AND name IS NOT NULL',
    )
    this.#aboveLeast = database.prepare(
      'SELECT id FROM topics WHERE (events > ? OR bytes > ?) AND name IS NOT NULL',
    )
    const bare = 'expires IS NULL AND state IS NULL AND name IS NOT NULL'
    this.#bareCount = database.prepare(`SELECT count(*) AS topics FROM topics WHERE ${bare}`)
    this.#bare = database.prepare(`SELECT id, lost FROM topics WHERE ${bare} ORDER BY lost LIMIT ?`)
    this.#setMeta = database.prepare('UPDATE meta SET value = max(value, ?) WHERE name = ?')
  }

  /** To be called for each topic that has got more. */
  watch(row: TopicRow): void {
    const { maxEvents, maxBytes } = this.#options.retentionOf(row.name)
    if (row.events > withSlack(maxEvents) || row.bytes > withSlack(maxBytes)) this.#overfull.add(row.id)
  }

  /** A topic was deleted: its events are garbage. */
  noteDeleted(): void {
    this.#hasDeleted = true
  }

  /** Removes at most about this many rows; returns how many. The topics must have been flushed. */
  step(now: number, most: number): number {
    const { losses } = this.#counters
    if (this.#mustLook) this.#findOverfull()
    let left = most
    this.#bytesLeft = STEP_BYTES
    while (left > 0 && this.#bytesLeft > 0) {
      const removed =
        this.#trimOverfull(left) ||
        this.#trimExpired(now, left) ||
        this.#trimTotal(left) ||
        this.#removeDeleted(left)
      if (removed === 0) break
      left -= removed
      this.#topics.flush()
    }
    if (this.#counters.losses > losses) this.#setMeta.run(this.#counters.losses, 'losses')
    this.hasBacklog = left <= 0 || this.#bytesLeft <= 0
    return most - left
  }

  /** Folds what long-gone topics lost into one mark, where there are too many of them. */
  foldLosses(most: number): number {
    const { topics } = this.#bareCount.get() as { topics: number }
    const excess = Math.min(topics - this.#options.maxLossTopics, most)
    if (excess <= 0) return 0
    const rows = this.#bare.all(excess) as unknown as { id: number; lost: Position }[]
    this.#setMeta.run(rows.at(-1)!.lost, 'lost_any')
    for (const row of rows) this.#topics.remove(row.id)
    return rows.length
  }

  /** After a change of the limits: when the topics' oldest events expire. */
  examineAll(): void {
    for (const { id } of this.#withEvents.all() as unknown as { id: number }[]) {
      const row = this.#topics.byId(id)!
      this.#noteOldest(row)
      this.#topics.flush()
    }
  }

  /** What was done since the last transaction is undone. */
  rollBack(): void {
    this.#trimmed = new Map()
    this.#hasDeleted = true
    this.#mustLook = true
  }

  /** What was lost since the last call: of each topic the newest position. */
  takeTrimmed(): [Topic, Position][] {
    const trimmed = [...this.#trimmed]
    this.#trimmed = new Map()
    return trimmed
  }

  #findOverfull(): void {
    const { maxEvents, maxBytes } = this.#options.leastLimits
    for (const { id } of this.#aboveLeast.all(maxEvents, maxBytes) as unknown as { id: number }[]) {
      this.watch(this.#topics.byId(id)!)
    }
    this.#mustLook = false
  }

  #trimOverfull(most: number): number {
    for (const id of this.#overfull) {
      const row = this.#topics.byId(id)
      const removed = row === undefined ? 0 : this.#trimTopic(row, most, -Infinity)
      if (row === undefined || this.#isWithinLimits(row)) this.#overfull.delete(id)
      if (removed > 0) return removed
    }
    return 0
  }

  #isWithinLimits({ name, events, bytes }: TopicRow): boolean {
    const { maxEvents, maxBytes } = this.#options.retentionOf(name)
    return events <= maxEvents && bytes <= maxBytes
  }

  #trimExpired(now: number, most: number): number {
    const found = this.#expired.get(now) as { id: number } | undefined
    const row = found && this.#topics.byId(found.id)
    if (row === undefined) return 0
    return this.#trimTopic(row, most, now - this.#options.retentionOf(row.name).maxAgeMs)
  }

  /** Removes the topic's oldest events while it has too many, or they are older than this. */
  #trimTopic(row: TopicRow, most: number, expireBefore: number): number {
    const { maxEvents, maxBytes } = this.#options.retentionOf(row.name)
    const topicBytes = Buffer.byteLength(row.name)
    let newest: Position | undefined
    let removed = 0
    for (const event of this.#oldestOfTopic.all(row.id, most) as unknown as EventRow[]) {
      if (row.events <= maxEvents && row.bytes <= maxBytes && event.time >= expireBefore) break
      if (this.#bytesLeft <= 0) break
      this.#count(row, event, topicBytes)
      newest = event.position
      removed++
    }
    if (newest !== undefined) this.#deleteOfTopic.run(row.id, newest)
    this.#noteOldest(row)
    return removed
  }

  #trimTotal(most: number): number {
    if (this.#counters.bytes <= withSlack(this.#options.maxBytes)) return 0
    const events = this.#oldest.all(most) as unknown as EventRow[]
    let removed = 0
    const rows = new Set<TopicRow>()
    for (const event of events) {
      if (this.#counters.bytes <= this.#options.maxBytes || this.#bytesLeft <= 0) break
      const row = this.#topics.byId(event.topic)
      if (row !== undefined) {
        this.#count(row, event, Buffer.byteLength(row.name))
        rows.add(row)
      } else {
        this.#bytesLeft -= event.textBytes
      }
      removed++
    }
    this.#deleteOldest.run(events[removed - 1]!.position)
    for (const row of rows) this.#noteOldest(row)
    return removed
  }

  #removeDeleted(most: number): number {
    if (!this.#hasDeleted) return 0
    const found = this.#deletedTopic.get() as { id: number } | undefined
    if (found === undefined) {
      this.#hasDeleted = false
      return 0
    }
    const events = this.#oldestOfTopic.all(found.id, most) as unknown as EventRow[]
    let removed = 0
    while (removed < events.length && this.#bytesLeft > 0) this.#bytesLeft -= events[removed++]!.textBytes
    if (removed > 0) this.#deleteOfTopic.run(found.id, events[removed - 1]!.position)
    if (removed === events.length && removed < most) this.#topics.remove(found.id)
    return removed + 1
  }

  #count(row: TopicRow, event: EventRow, topicBytes: number): void {
    const bytes = rowBytes(topicBytes, event.textBytes)
    const isReset = (event.flags & IS_RESET) !== 0
    this.#bytesLeft -= event.textBytes
    row.bytes -= bytes
    row.lost = event.position
    this.#counters.bytes -= bytes
    this.#counters.losses++
    this.#trimmed.set(row.name, event.position)
    if (isReset) return
    row.events--
    this.#counters.events--
    if (row.events === 0) this.#counters.topics--
  }

  #noteOldest(row: TopicRow): void {
    const oldest = this.#oldestOfTopic.get(row.id, 1) as EventRow | undefined
    row.expires = oldest === undefined ? null : expiryOf(oldest.time, this.#options.retentionOf(row.name))
    this.#topics.change(row)
  }
}

/** When an event of this time has reached its age: milliseconds since 1970. */
export function expiryOf(time: number, { maxAgeMs }: Retention): number {
  return Math.min(time + maxAgeMs, Number.MAX_SAFE_INTEGER)
}

function withSlack(limit: number): number {
  return limit + Math.floor(limit * SLACK)
}
