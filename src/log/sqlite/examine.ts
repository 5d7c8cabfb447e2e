// Examines a log's directory without changing it: is the file whole, and does what it says of itself agree with what it holds.

import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { MillraceError } from '../../errors.ts'
import type { Position } from '../../event.ts'
import {
  headOf,
  LAYOUT_VERSION,
  logFile,
  metaValue,
  openForReading,
  pragma,
  requireSound,
} from './database.ts'
import { lockDirectory } from './directory-lock.ts'
import { rowBytes } from './event-size.ts'
import { readMark } from './head-mark.ts'
import { IS_RESET } from './messages.ts'
import { resultCode } from './sqlite-error.ts'

export interface Examination {
  readonly file: string
  /** Of the file, and of what is not yet moved into it. */
  readonly fileBytes: number
  readonly walBytes: number
  /** A hub has the log open. */
  readonly isInUse: boolean
  /** What it holds; undefined when it cannot be read. */
  readonly holds: Holdings | undefined
  /** What is wrong, in words. Empty: nothing. */
  readonly faults: readonly string[]
  /** What is remarkable, but not wrong. */
  readonly notes: readonly string[]
}

export interface Holdings {
  readonly layout: number
  readonly epoch: string
  readonly head: Position
  readonly topics: number
  readonly events: number
  readonly states: number
  readonly keys: number
  readonly losses: number
  /** Milliseconds since 1970; undefined without events. */
  readonly oldest: number | undefined
  readonly newest: number | undefined
  readonly unusedBytes: number
}

const MOST_FAULTS = 20

/** Reads the whole file: minutes for many gigabytes. Errors: MILLRACE_LOG_UNUSABLE when there is no log. */
export function examine(directory: string): Examination {
  const file = logFile(directory)
  if (!existsSync(file)) {
    throw new MillraceError('MILLRACE_LOG_UNUSABLE', `There is no log in ${directory}: ${file} is missing.`)
  }
  const isInUse = isLocked(directory)
  const about = { file, fileBytes: sizeOf(file), walBytes: sizeOf(`${file}-wal`), isInUse }
  let database: DatabaseSync | undefined
  try {
    requireSound(directory)
    database = openForReading(directory)
    // Hubs that write meanwhile do not disturb: this is one state of the file.
    database.exec('BEGIN')
    const faults = faultsOf(database)
    return { ...about, holds: holdings(database), faults, notes: headNotes(database, directory, isInUse) }
  } catch (error) {
    if (!(error instanceof MillraceError) && resultCode(error) === undefined) throw error
    return { ...about, holds: undefined, faults: [(error as Error).message], notes: [] }
  } finally {
    database?.close()
  }
}

function isLocked(directory: string): boolean {
  if (!existsSync(join(directory, 'lock'))) return false
  try {
    lockDirectory(directory)()
    return false
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'MILLRACE_LOG_IN_USE') return true
    throw error
  }
}

/** What is wrong with what the file holds, in words. Reads all of it. */
export function faultsOf(database: DatabaseSync): string[] {
  return [...integrityFaults(database), ...countFaults(database)]
}

function integrityFaults(database: DatabaseSync): string[] {
  const rows = database.prepare(`PRAGMA integrity_check(${MOST_FAULTS})`).all()
  return rows.map(row => String(row.integrity_check)).filter(text => text !== 'ok')
}

/** Whether each topic has the events that its row counts. */
function countFaults(database: DatabaseSync): string[] {
  const bytes = rowBytes(0, 0)
  const rows = database
    .prepare(
      `SELECT t.name, t.events, t.bytes, coalesce(found.events, 0) AS foundEvents,
         coalesce(found.bytes + found.rows * (${bytes} + octet_length(t.name)), 0) AS foundBytes
       FROM topics AS t LEFT JOIN (
         SELECT topic, count(*) AS rows, count(*) FILTER (WHERE flags & ${IS_RESET} = 0) AS events,
           sum(octet_length(data) + coalesce(octet_length(type), 0)) AS bytes
         FROM events GROUP BY topic) AS found ON found.topic = t.id
       WHERE t.name IS NOT NULL AND (t.events <> foundEvents OR t.bytes <> foundBytes) LIMIT ${MOST_FAULTS}`,
    )
    .all() as Record<'name' | 'events' | 'bytes' | 'foundEvents' | 'foundBytes', string | number>[]
  const strays = database
    .prepare('SELECT count(*) AS events FROM events WHERE topic NOT IN (SELECT id FROM topics)')
    .get() as { events: number }
  return [
    ...rows.map(
      row =>
        `topic '${row.name}' counts ${row.events} events of ${row.bytes} bytes, and has ${row.foundEvents} of ${row.foundBytes}`,
    ),
    ...(strays.events > 0 ? [`${strays.events} events belong to no topic`] : []),
  ]
}

function headNotes(database: DatabaseSync, directory: string, isInUse: boolean): string[] {
  if (isInUse) return []
  const mark = readMark(directory)
  const head = headOf(database)
  const next = 'the hub will go on under a new epoch, and tell each client that comes back'
  if (mark === undefined) return head === 0 ? [] : [`${join(directory, 'head')} is missing: ${next}`]
  if (mark.head <= head && mark.epoch === metaValue(database, 'epoch')) return []
  return [`ids up to ${mark.epoch}-${mark.head} were given out, and the log ends at ${head}: ${next}`]
}

function holdings(database: DatabaseSync): Holdings {
  const counts = database
    .prepare(
      `SELECT (SELECT count(*) FROM topics WHERE events > 0 AND name IS NOT NULL) AS topics,
         (SELECT coalesce(sum(events), 0) FROM topics WHERE name IS NOT NULL) AS events,
         (SELECT count(*) FROM states) AS states, (SELECT count(*) FROM keys) AS keys,
         (SELECT min(time) FROM (SELECT time FROM events ORDER BY position LIMIT 1)) AS oldest,
         (SELECT max(time) FROM (SELECT time FROM events ORDER BY position DESC LIMIT 1)) AS newest`,
    )
    .get() as Record<'topics' | 'events' | 'states' | 'keys', number> &
    Record<'oldest' | 'newest', number | null>
  return {
    ...counts,
    oldest: counts.oldest ?? undefined,
    newest: counts.newest ?? undefined,
    layout: LAYOUT_VERSION,
    epoch: String(metaValue(database, 'epoch')),
    head: headOf(database),
    losses: Number(metaValue(database, 'losses')),
    unusedBytes: pragma(database, 'freelist_count') * pragma(database, 'page_size'),
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
