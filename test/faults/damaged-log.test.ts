// What a hub says, as a process, of a directory that is not as it left it: one line that tells what to do, and nothing is
// changed; or it starts, and tells its clients.

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { Connection } from './support/connection.ts'
import { FaultyHub } from './support/hub.ts'
import { expectUnchanged, makeLogs, putDown, type Remains } from './support/remains.ts'
import { readStored } from './support/stored.ts'

t.setTimeout(180_000)

const root = t.testdir()
const { waiting, closed } = makeLogs(join(root, 'made'))
const EMPTY = Buffer.alloc(0)
let directories = 0

const REFUSALS: readonly [name: string, damage: Partial<Remains>, message: RegExp][] = [
  [
    'a text file in place of the log',
    { 'log.db': Buffer.from('hello\n'.repeat(100)) },
    /is not a log of Millrace/,
  ],
  ['an empty file in place of the log', { 'log.db': EMPTY, 'log.db-wal': EMPTY }, /is cut off after 0 bytes/],
  ['half a log', { 'log.db': halfOf(waiting.remains['log.db']) }, /cut off|damaged/],
  ['a damaged log', { 'log.db': zeroed(closed.remains['log.db']), 'log.db-wal': EMPTY }, /is damaged/],
  ['a log of a newer version', newerVersion(), /layout 99, made by a newer Millrace/],
]

for (const [name, damage, message] of REFUSALS) {
  t.test(`${name} is refused, and left as it is`, async t => {
    const files = { ...waiting.remains, ...damage }
    const hub = await hubWith(t, files)
    await expectRefusal(t, hub, message)
    expectUnchanged(t, files, hub.directory)
  })
}

t.test('a log that is gone, but for its write-ahead log or its head file, is not begun anew', async t => {
  const { 'log.db-wal': wal, head } = waiting.remains
  for (const files of [{ 'log.db-wal': wal, head }, { head }, { 'log.db-wal': wal }] as const) {
    const hub = await hubWith(t, files)
    await expectRefusal(t, hub, /log\.db is missing, but .* is there/)
    expectUnchanged(t, files, hub.directory)
    t.notOk(existsSync(join(hub.directory, 'log.db')))
  }
})

t.test('a log without its head file goes on under a new epoch, and says so', async t => {
  const hub = await hubWith(t, {
    'log.db': waiting.remains['log.db'],
    'log.db-wal': waiting.remains['log.db-wal'],
  })
  await hub.start()
  const { events } = await readStored(hub)
  t.equal(events.length, waiting.events.length)
  t.ok(events[0]!.id > waiting.epoch, 'the new epoch sorts after the old one')
  t.match(hub.stdout, /lost events .* it goes on under a new epoch/)
})

t.test('a second hub on the directory is refused, and the first goes on', async t => {
  const hub = await hubWith(t, waiting.remains)
  await hub.start()
  const other = await FaultyHub.create(t, { directory: hub.directory })
  const { code, stderr } = (await other.tryStart())!
  t.equal(code, 1)
  t.match(stderr, /^millrace: MILLRACE_LOG_IN_USE: Another process uses the log in .*\n$/)
  const connection = new Connection(hub)
  t.equal((await connection.send('POST', '/topics/a', ['x'], {})).status, 201)
  connection.close()
  const stored = await readStored(hub)
  t.equal(stored.events.length, waiting.events.length + 1)
  t.match(stored.events[0]!.id, waiting.epoch)
  await hub.kill()
  t.equal(await other.tryStart(), undefined, 'when the first is gone, it can start')
})

async function hubWith(t: Test, files: Partial<Remains>): Promise<FaultyHub> {
  const directory = join(root, `log-${directories++}`)
  const hub = await FaultyHub.create(t, { directory })
  putDown(files, directory)
  return hub
}

async function expectRefusal(t: Test, hub: FaultyHub, message: RegExp): Promise<void> {
  const exit = await hub.tryStart()
  t.equal(exit?.code, 1)
  t.match(exit?.stderr, message)
  t.match(exit?.stderr, /^millrace: MILLRACE_LOG_UNUSABLE: .+\n$/)
}

function halfOf(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.length / 2)
}

/** Without its tables: what follows the header of the first page is gone. */
function zeroed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  return copy.fill(0, 100, 4096)
}

function newerVersion(): Partial<Remains> {
  const directory = join(root, 'newer')
  putDown(closed.remains, directory)
  const file = join(directory, 'log.db')
  const database = new DatabaseSync(file)
  database.exec('PRAGMA user_version = 99')
  database.close()
  const bytes = readFileSync(file)
  rmSync(directory, { recursive: true })
  return { 'log.db': bytes, 'log.db-wal': EMPTY }
}
