// The log on disk keeps the laws of every log.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SqliteLog, type SqliteLogOptions } from '../../src/log/sqlite.ts'
import { eventLogContract } from '../contract/event-log.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-test-'))
t.teardown(() => rmSync(root, { recursive: true, force: true }))
// Each log is two threads to start and files to sync.
t.setTimeout(240_000)
let directories = 0

const ROOMY: Omit<SqliteLogOptions, 'directory'> = {
  // Small, so that reads go to the disk as well as to the window.
  cacheBytes: 20_000,
  maxBytes: 1e9,
  maxTopicBytes: 1e9,
  maxTopicEvents: 1e6,
  maxAgeMs: 1e9,
  maxStateBytes: 1e9,
  maxIdempotencyKeys: 1000,
  idempotencyKeyAgeMs: 1e9,
}

eventLogContract(
  'the SQLite log',
  options => SqliteLog.open({ ...ROOMY, directory: join(root, `${directories++}`), ...options }),
  12,
)
