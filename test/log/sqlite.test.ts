// The log on disk: the laws of every log.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SqliteLog, type SqliteLogOptions } from '../../src/log/sqlite.ts'
import { eventLogContract } from '../contract/event-log.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-test-'))
t.teardown(() => rmSync(root, { recursive: true, force: true }))
let logs = 0

const ROOMY: Omit<SqliteLogOptions, 'directory'> = {
  cacheBytes: 1e6,
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
  options => SqliteLog.open({ ...ROOMY, directory: join(root, `${logs++}`), ...options }),
  40,
)
