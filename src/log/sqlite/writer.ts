// The one writer of the log's file: commits batches of appends, and takes out between them what need not be kept.

import type { DatabaseSync } from 'node:sqlite'
import { MillraceError } from '../../errors.ts'
import { RESET, type NewEvent, type Position } from '../../event.ts'
import { plainError } from '../../thread-calls.ts'
import { epochAfter, newEpoch } from '../epoch.ts'
import { IS_JSON, IS_STATE, newEventsOf } from '../flat-events.ts'
import { IdempotencyKeys } from '../idempotency-keys.ts'
import { retentionOf, type Retention, type RetentionOf } from '../retention.ts'
import { requireStateRoom } from '../states.ts'
import { Counters } from './counters.ts'
import { createIfMissing, headOf, makeDirectory, metaValue, openForWriting, pragma } from './database.ts'
import { requireConsistent } from './cut-check.ts'
import { lockDirectory } from './directory-lock.ts'
import { eventBytes } from './event-size.ts'
import { readMark, type Mark } from './head-mark.ts'
import { KeyTable } from './key-table.ts'
import {
  IS_RESET,
  type AppendOutcome,
  type Batch,
  type BatchedAppend,
  type BatchResult,
  type Kept,
  type Opened,
  type WriterOptions,
} from './messages.ts'
import { explainOpenError, storageError } from './sqlite-error.ts'
import { TopicTable, type TopicRow } from './topic-table.ts'
import { expiryOf, Trimmer } from './trimmer.ts'
import { WriteAheadLog } from './write-ahead-log.ts'

// A batch removes up to this many rows beside what it adds, and a step between batches as many.
const STEP_ROWS = 500

// Times go back to what the clock says, at a start, when the newest event is further ahead than this: a day.
const MAX_CLOCK_LEAD_MS = 86_400_000

// The file gives space back when this much of it is unused, and a quarter of it.
const VACUUM_PAGES = 4096
const VACUUM_STEP_PAGES = 256

export class Writer {
  readonly opened: Opened
  readonly #database: DatabaseSync
  readonly #unlock: () => void
  readonly #wal: WriteAheadLog
  readonly #retentionOf: RetentionOf
  readonly #maxStateBytes: number
  readonly #topics: TopicTable
  readonly #counters = new Counters()
  readonly #keyTable: KeyTable
  readonly #keys: IdempotencyKeys
  readonly #trimmer: Trimmer
  readonly #insertEvent
  readonly #setState
  readonly #clearState
  #epoch: string
  #head: Position

  /** Errors: MILLRACE_LOG_IN_USE, MILLRACE_LOG_UNUSABLE. */
  static open(options: WriterOptions): Writer {
    return explainOpenError(options.directory, () => new Writer(options))
  }

  private constructor(options: WriterOptions) {
    const { directory } = options
    makeDirectory(directory)
    this.#unlock = lockDirectory(directory)
    createIfMissing(directory, newEpoch(options.now))
    requireConsistent(directory)
    const database = (this.#database = openForWriting(directory))
    this.#retentionOf = retentionOf(options.retention, options.limits)
    this.#maxStateBytes = options.maxStateBytes
    this.#counters.load(database)
    this.#topics = new TopicTable(database)
    this.#keyTable = new KeyTable(database, this.#counters, {
      maxKeys: options.maxIdempotencyKeys,
      maxAgeMs: options.idempotencyKeyAgeMs,
    })
    this.#keys = new IdempotencyKeys(this.#keyTable)
    this.#trimmer = new Trimmer(database, this.#topics, this.#counters, {
      ...options,
      retentionOf: this.#retentionOf,
      leastLimits: leastOf(options),
    })
    this.#insertEvent = database.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)')
    this.#setState = database.prepare('INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?)')
    this.#clearState = database.prepare('DELETE FROM states WHERE topic = ?')
    this.#head = headOf(database)
    this.#epoch = String(metaValue(database, 'epoch'))
    const mark = readMark(directory)
    const regression = this.#regression(mark)
    if (regression !== undefined) this.#renewEpoch(options.now, mark)
    this.#wal = new WriteAheadLog(database, directory, this.#place)
    this.#applyLimits(options)
    this.opened = {
      epoch: this.#epoch,
      head: this.#head,
      // A clock that once was far ahead must not hold up expiry for ever.
      time: Math.min(timeOf(database), options.now + MAX_CLOCK_LEAD_MS),
      kept: this.#kept(),
      regression,
    }
  }

  /** Stores all appends, but for those that are refused each by itself. Errors: those of `storageError`. */
  append(batch: Batch): BatchResult {
    try {
      return this.#append(batch)
    } catch (error) {
      if (!isLogFull(error) || !this.#wal.empty()) throw error
      // The write-ahead log begins anew where it is: a log at its limits goes on although the disk is full.
      return this.#append(batch)
    }
  }

  /** Whether there is something for `rest` to do, as far as is known without looking. */
  get needsRest(): boolean {
    return this.#trimmer.hasBacklog || this.#keyTable.hasExcess || this.#wal.isFull
  }

  /**
   * Does a step of what can wait. Returns what there is after it, or undefined when nothing was left to do.
   * Errors: those of `storageError`.
   */
  rest(now: number): Kept | undefined {
    this.#wal.checkpoint()
    // What a crash undoes here is done again: no need to wait for the disk.
    this.#database.exec('PRAGMA synchronous = NORMAL')
    try {
      const removed = this.#transaction(
        () =>
          this.#trimmer.step(now, STEP_ROWS) +
          this.#trimmer.foldLosses(STEP_ROWS) +
          this.#keyTable.trim(now, STEP_ROWS),
      )
      const hasDoneMore = removed > 0 || this.#shrink()
      this.#wal.note(this.#place)
      return hasDoneMore ? this.#kept() : undefined
    } finally {
      this.#database.exec('PRAGMA synchronous = FULL')
    }
  }

  close(): void {
    this.#database.close()
    this.#wal.close(this.#place)
    this.#unlock()
  }

  #append({ appends, time }: Batch): BatchResult {
    this.#wal.requireMark(this.#place)
    this.#keyTable.now = time
    const outcomes = this.#transaction(() => {
      const head = this.#head
      const each = appends.map(append => this.#outcome(append, time))
      this.#topics.flush()
      this.#trimmer.step(time, STEP_ROWS + 2 * (this.#head - head))
      return each
    })
    this.#wal.note(this.#place)
    return { outcomes, head: this.#head, kept: this.#kept() }
  }

  #outcome(append: BatchedAppend, time: number): AppendOutcome {
    try {
      return this.#appendOne(append, time)
    } catch (error) {
      // It was refused before anything was written.
      if (error instanceof MillraceError) return { error: plainError(error) }
      throw error
    }
  }

  #appendOne({ fields, key }: BatchedAppend, time: number): AppendOutcome {
    const events = newEventsOf(fields)
    const fresh = key === undefined ? events : this.#keys.unseen(events, key)
    requireStateRoom(fresh, {
      maxBytes: this.#maxStateBytes,
      bytes: this.#counters.stateBytes,
      bytesOf: topic => this.#topics.find(topic)?.stateBytes ?? 0,
      size: ({ topic, type, data }) => eventBytes(topic, type ?? null, data),
    })
    for (const event of fresh) this.#store(event, time)
    const last = key === undefined || events.length === 0 ? this.#head : this.#keys.record(key, this.#head)
    return { last, added: fresh.length }
  }

  #store(event: NewEvent, time: number): void {
    const { topic, data } = event
    const type = event.type ?? null
    const isReset = type === RESET
    const row = isReset ? this.#reset(this.#topics.of(topic)) : this.#topics.of(topic)
    const flags = (event.isJson ? IS_JSON : 0) | (event.isState ? IS_STATE : 0) | (isReset ? IS_RESET : 0)
    const bytes = eventBytes(topic, type, data)
    const position = ++this.#head
    this.#insertEvent.run(position, row.id, time, type, flags, data)
    if (event.isState) {
      this.#setState.run(row.id, position, time, type, flags, data)
      this.#counters.stateBytes += bytes - row.stateBytes
      row.state = position
      row.stateBytes = bytes
      this.#topics.change(row)
    }
    if (row.expires === null) {
      row.expires = expiryOf(time, this.#retentionOf(topic))
      this.#topics.change(row)
    }
    row.bytes += bytes
    row.last = position
    this.#counters.bytes += bytes
    this.#topics.changeCounts(row)
    if (isReset) return
    if (row.events === 0) this.#counters.topics++
    row.events++
    this.#counters.events++
    this.#trimmer.watch(row)
  }

  #reset(row: TopicRow): TopicRow {
    this.#clearState.run(row.id)
    this.#counters.stateBytes -= row.stateBytes
    this.#counters.bytes -= row.bytes
    this.#counters.events -= row.events
    if (row.events > 0) this.#counters.topics--
    this.#trimmer.noteDeleted()
    return this.#topics.renew(row)
  }

  #transaction<T>(work: () => T): T {
    const head = this.#head
    const counters = this.#counters.copy()
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      const result = work()
      this.#topics.flush()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      // All of memory first: what is wrong with the disk may be in the way of the rest.
      this.#head = head
      Object.assign(this.#counters, counters)
      this.#topics.clear()
      this.#trimmer.rollBack()
      // Some failures have rolled back by themselves.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw storageError(error)
    }
  }

  get #place(): { epoch: string; head: Position } {
    return { epoch: this.#epoch, head: this.#head }
  }

  #kept(): Kept {
    return {
      usage: this.#counters.usage(),
      losses: this.#counters.losses,
      trimmed: this.#trimmer.takeTrimmed(),
    }
  }

  /** Gives unused pages at the end of the file back, some at a time. */
  #shrink(): boolean {
    const free = pragma(this.#database, 'freelist_count')
    const pages = pragma(this.#database, 'page_count')
    if (free < VACUUM_PAGES || free * 4 < pages) return false
    this.#database.exec(`PRAGMA incremental_vacuum(${VACUUM_STEP_PAGES})`)
    return true
  }

  /** Why the file cannot go on under its epoch. */
  #regression(mark: Mark | undefined): string | undefined {
    if (mark === undefined) {
      // A new log has none yet; nor has one that was restored without it.
      return this.#head === 0 ? undefined : 'it was restored, or its head file is gone'
    }
    // Its newest epoch may be among what was lost.
    if (mark.epoch !== this.#epoch)
      return `ids of the epoch ${mark.epoch} were given out, and it knows ${this.#epoch}`
    if (mark.head <= this.#head) return undefined
    return `ids up to ${mark.head} were given out, and it ends at ${this.#head}`
  }

  #renewEpoch(now: number, mark: Mark | undefined): void {
    const newest = mark !== undefined && mark.epoch > this.#epoch ? mark.epoch : this.#epoch
    this.#epoch = epochAfter(newest, now)
    this.#database.prepare("UPDATE meta SET value = ? WHERE name = 'epoch'").run(this.#epoch)
  }

  /** After a change of the limits, finds out which topics exceed the new ones. */
  #applyLimits({ limits, retention }: WriterOptions): void {
    const text = JSON.stringify([limits, retention])
    if (metaValue(this.#database, 'limits') === text) return
    try {
      this.#transaction(() => {
        this.#trimmer.examineAll()
        this.#database.prepare("INSERT OR REPLACE INTO meta VALUES ('limits', ?)").run(text)
      })
    } catch (error) {
      // On a full disk the next start sees to it.
      if (!isLogFull(error)) throw error
    }
  }
}

/** The lowest limits that any topic has. */
function leastOf({ limits, retention }: WriterOptions): Pick<Retention, 'maxEvents' | 'maxBytes'> {
  return {
    maxEvents: Math.min(limits.maxEvents, ...retention.map(rule => rule.maxEvents ?? Infinity)),
    maxBytes: Math.min(limits.maxBytes, ...retention.map(rule => rule.maxBytes ?? Infinity)),
  }
}

function isLogFull(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'MILLRACE_LOG_FULL'
}

function timeOf(database: DatabaseSync): number {
  const newest = database.prepare('SELECT time FROM events ORDER BY position DESC LIMIT 1').get()
  return Number(newest?.time ?? 0)
}
