// The log on disk keeps the laws of every log.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { SqliteLog } from '../../src/log/sqlite.ts'
import { eventLogContract } from '../contract/event-log.ts'
import { ROOMY } from '../support/roomy.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-test-'))
t.teardown(() => rmSync(root, { recursive: true, force: true }))
// Each log is two threads to start and files to sync.
t.setTimeout(240_000)
let directories = 0

// Small, so that reads go to the disk as well as to the window.
const CACHE_BYTES = 20_000

eventLogContract(
  'the SQLite log',
  options =>
    SqliteLog.open({
      ...ROOMY,
      cacheBytes: CACHE_BYTES,
      directory: join(root, `${directories++}`),
      ...options,
    }),
  12,
)
