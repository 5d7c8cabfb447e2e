// A log in another thread keeps the laws of every log, whichever log it is. Here both ends are in this thread, so that the
// clock is the test's; what they tell each other is copied all the same.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { EventLog } from '../../src/log/event-log.ts'
import { MemoryLog } from '../../src/log/memory.ts'
import { RemoteLog } from '../../src/log/remote.ts'
import { LogShare } from '../../src/log/share.ts'
import { SqliteLog } from '../../src/log/sqlite.ts'
import { eventLogContract } from '../contract/event-log.ts'
import { ROOMY } from '../support/roomy.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-test-'))
t.teardown(() => rmSync(root, { recursive: true, force: true }))
t.setTimeout(240_000)
let directories = 0

/** Closes the log at the other end too. */
class WholeLog extends RemoteLog {
  readonly #log: EventLog
  readonly #share: LogShare

  constructor(log: EventLog) {
    const share = new LogShare(log)
    super(share.connect(() => {}).handle)
    this.#log = log
    this.#share = share
  }

  override async close(): Promise<void> {
    await super.close()
    this.#share.close()
    await this.#log.close()
  }
}

eventLogContract(
  'a memory log in another thread',
  async options => new WholeLog(new MemoryLog({ ...ROOMY, ...options })),
  25,
)

eventLogContract(
  'a SQLite log in another thread',
  async options => {
    const directory = join(root, `${directories++}`)
    return new WholeLog(await SqliteLog.open({ ...ROOMY, cacheBytes: 20_000, directory, ...options }))
  },
  5,
)
