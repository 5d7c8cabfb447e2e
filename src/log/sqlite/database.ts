// The log's file: its layout, how it is made, and what is checked before it is used. What is not as it must be is an
// error, never a fresh start: a log that silently begins again has lost everything.

import {
  existsSync,
  mkdirSync,
  openSync,
  closeSync,
  readSync,
  fstatSync,
  statSync,
  renameSync,
  rmSync,
  fsyncSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { MillraceError } from '../../errors.ts'
import type { Position } from '../../event.ts'
import { explainOpenError, isFull } from './sqlite-error.ts'

/** Counts up with each layout that older versions cannot read. */
export const LAYOUT_VERSION = 1

// In the header of the file, so that `file` and we know it: "MRLG".
const APPLICATION_ID = 0x4d524c47

const LAYOUT = `
  PRAGMA page_size = 4096;
  PRAGMA auto_vacuum = INCREMENTAL;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${LAYOUT_VERSION};

  -- epoch; lost_any: losses up to here count against every topic; losses: how many; limits: as trimmed last
  CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

  -- A topic that was deleted loses its name; its events are removed in the background.
  CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE,
    events INTEGER NOT NULL,      -- without resets
    bytes INTEGER NOT NULL,
    last INTEGER NOT NULL,        -- the newest position it ever had
    lost INTEGER NOT NULL,        -- the newest position it lost
    expires INTEGER,              -- when its oldest event has reached its age; NULL: it has none
    state INTEGER,                -- where its state was set
    state_bytes INTEGER NOT NULL
  );
  CREATE INDEX topics_expires ON topics (expires) WHERE expires IS NOT NULL;
  CREATE INDEX topics_lost ON topics (lost) WHERE lost > 0;
  CREATE INDEX topics_bare ON topics (lost) WHERE expires IS NULL AND state IS NULL AND name IS NOT NULL;
  CREATE INDEX topics_deleted ON topics (id) WHERE name IS NULL;

  CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL,
    time INTEGER NOT NULL,        -- milliseconds since 1970
    type TEXT,
    flags INTEGER NOT NULL,
    data TEXT NOT NULL
  );
  CREATE INDEX events_topic ON events (topic);

  CREATE TABLE states (
    topic INTEGER PRIMARY KEY,
    position INTEGER NOT NULL UNIQUE,
    time INTEGER NOT NULL,
    type TEXT,
    flags INTEGER NOT NULL,
    data TEXT NOT NULL
  );

  -- In the order of their last use.
  CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    value TEXT NOT NULL UNIQUE,
    count INTEGER NOT NULL,
    first_digest TEXT,
    digest TEXT NOT NULL,
    last INTEGER NOT NULL,
    time INTEGER NOT NULL
  );
`

const CACHE_KIB = 16 * 1024

// What the write-ahead log's file keeps when it begins anew: overwriting is synced sooner than growing.
const MAX_IDLE_WAL_BYTES = 64 * 1024 * 1024

export function logFile(directory: string): string {
  return join(directory, 'log.db')
}

/** Errors: MILLRACE_LOG_UNUSABLE. */
export function makeDirectory(directory: string): void {
  explainOpenError(directory, () => mkdirSync(directory, { recursive: true, mode: 0o700 }))
}

/** Makes the file where there is none. Errors: MILLRACE_LOG_UNUSABLE. */
export function createIfMissing(directory: string, epoch: string): void {
  const file = logFile(directory)
  if (existsSync(file)) return
  const remains = [`${file}-wal`, join(directory, 'head')].find(name => existsSync(name))
  if (remains !== undefined) {
    throw unusable(`${file} is missing, but ${remains} is there. Restore the file, or empty the directory.`)
  }
  explainOpenError(directory, () => {
    const draft = `${file}.new`
    rmSync(draft, { force: true })
    const database = new DatabaseSync(draft)
    database.exec(LAYOUT)
    database.prepare("INSERT INTO meta VALUES ('epoch', ?), ('lost_any', 0), ('losses', 0)").run(epoch)
    database.close()
    // Whole or not at all: a crash leaves no half-made log behind.
    renameSync(draft, file)
    syncDirectory(directory)
  })
}

/** Opens the file for the one thread that writes it. Errors: MILLRACE_LOG_UNUSABLE. */
export function openForWriting(directory: string): DatabaseSync {
  requireSqlite()
  return explainOpenError(directory, () => {
    const file = logFile(directory)
    requireWhole(file)
    const database = new DatabaseSync(file)
    requireLayout(database, file)
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY')
    // What a crash left behind goes into the file before anything else is done.
    if (checkpointed(database)) requireFullSize(database, file)
    // The writer decides itself when, so that no publisher waits for it.
    database.exec(`PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = ${MAX_IDLE_WAL_BYTES}`)
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
    return database
  })
}

/** Whether the file is one that can be opened, without opening it for good. Errors: MILLRACE_LOG_UNUSABLE. */
export function requireSound(directory: string): void {
  explainOpenError(directory, () => {
    const file = logFile(directory)
    requireWhole(file)
    const database = new DatabaseSync(file, { readOnly: true })
    try {
      requireLayout(database, file)
    } finally {
      database.close()
    }
  })
}

/** Opens the file beside the writer. */
export function openForReading(directory: string): DatabaseSync {
  return explainOpenError(directory, () => {
    const database = new DatabaseSync(logFile(directory), { readOnly: true })
    database.exec(`PRAGMA temp_store = MEMORY; PRAGMA cache_size = -${CACHE_KIB}`)
    return database
  })
}

/** The newest position that was given out: it is in the file, or lost, or before the reset that forgot it. */
export function headOf(database: DatabaseSync): Position {
  const { head } = database
    .prepare(
      `SELECT max(coalesce((SELECT max(position) FROM events), 0), coalesce((SELECT max(lost) FROM topics), 0),
         (SELECT value FROM meta WHERE name = 'lost_any')) AS head`,
    )
    .get() as { head: number }
  return head
}

/** How many pages are in the write-ahead log, and how many of them in the file too. */
export function walPages(database: DatabaseSync): { log: number; checkpointed: number } {
  return database.prepare('PRAGMA wal_checkpoint(NOOP)').get() as { log: number; checkpointed: number }
}

export function pragma(database: DatabaseSync, name: string): number {
  return Number(Object.values(database.prepare(`PRAGMA ${name}`).get()!)[0])
}

// `wal_checkpoint(NOOP)` came with SQLite 3.51; before, it would be a checkpoint.
function requireSqlite(): void {
  const { node, sqlite = '0' } = process.versions
  const [major = 0, minor = 0] = sqlite.split('.').map(Number)
  if (major > 3 || (major === 3 && minor >= 51)) return
  throw unusable(
    `A log on disk needs SQLite 3.51, and Node ${node} has ${sqlite}. Use Node 24.14 or newer (25.4 of 25), or --log memory:.`,
  )
}

// Not by reading the header, as before it was opened: closing any descriptor of the file drops all locks that the process
// has on it (POSIX; sqlite.org/howtocorrupt.html, 2.2), and other processes then take it for unused.
function requireFullSize(database: DatabaseSync, file: string): void {
  const { size } = statSync(file)
  if (size < pragma(database, 'page_count') * pragma(database, 'page_size')) throw truncated(file, size)
}

/** On a full disk it has to wait: the log can be read as it is, and written once there is room. */
function checkpointed(database: DatabaseSync): boolean {
  try {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    return true
  } catch (error) {
    if (isFull(error)) return false
    throw error
  }
}

const metaStatements = new WeakMap<DatabaseSync, StatementSync>()

export function metaValue(database: DatabaseSync, name: string): string | number | undefined {
  let statement = metaStatements.get(database)
  if (statement === undefined) {
    statement = database.prepare('SELECT value FROM meta WHERE name = ?')
    metaStatements.set(database, statement)
  }
  return statement.get(name)?.value as string | number | undefined
}

function requireLayout(database: DatabaseSync, file: string): void {
  if (pragma(database, 'application_id') !== APPLICATION_ID)
    throw unusable(`${file} is not a log of Millrace.`)
  const version = pragma(database, 'user_version')
  if (version > LAYOUT_VERSION) {
    throw unusable(
      `${file} has layout ${version}, made by a newer Millrace; this one reads up to ${LAYOUT_VERSION}. Update, or choose another --log.`,
    )
  }
}

const MAGIC = 'SQLite format 3\0'

// SQLite takes an empty file for a new database, and would not miss the end of one before it reads there.
function requireWhole(file: string): void {
  const descriptor = openSync(file, 'r')
  try {
    const header = Buffer.alloc(100)
    const { size } = fstatSync(descriptor)
    if (size < header.length) throw truncated(file, size)
    readSync(descriptor, header, 0, header.length, 0)
    if (header.toString('latin1', 0, 16) !== MAGIC) throw unusable(`${file} is not a log of Millrace.`)
    // While there is a write-ahead log, the end of the file may still stand there. SQLite file format, 1.3.
    const hasMore = (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
    if (!hasMore && size < ownSize(header)) throw truncated(file, size)
  } finally {
    closeSync(descriptor)
  }
}

/** Whether the file ends before it says: it was cut off, or a kill came while its end was moved out of the write-ahead log. */
export function isShort(directory: string): boolean {
  const descriptor = openSync(logFile(directory), 'r')
  try {
    const header = Buffer.alloc(100)
    readSync(descriptor, header, 0, header.length, 0)
    return fstatSync(descriptor).size < ownSize(header)
  } finally {
    closeSync(descriptor)
  }
}

/** What the file says of its size; 0 when it does not know. */
function ownSize(header: Buffer): number {
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16)
  const isCountValid = header.readUInt32BE(24) === header.readUInt32BE(92)
  return isCountValid ? header.readUInt32BE(28) * pageSize : 0
}

function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function truncated(file: string, size: number): MillraceError {
  return unusable(
    `${file} is cut off after ${size} bytes. Restore it from a backup; 'millrace doctor' tells more.`,
  )
}

function unusable(detail: string): MillraceError {
  return new MillraceError('MILLRACE_LOG_UNUSABLE', detail)
}
