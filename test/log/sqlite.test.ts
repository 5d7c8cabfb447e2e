// The log on disk: what survives a restart, what is trimmed, and what is read from where.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  writeFileSync,
  openSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
  closeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { RESET, type NewEvent, type StoredEvent } from '../../src/event.ts'
import { RequestKey } from '../../src/log/append-key.ts'
import type { EventLog } from '../../src/log/event-log.ts'
import { Writer } from '../../src/log/sqlite/writer.ts'
import { SqliteLog, type SqliteLogOptions } from '../../src/log/sqlite.ts'
import { selectorOf } from '../../src/topic-pattern.ts'
import { holds } from '../support/properties.ts'
import { ROOMY } from '../support/roomy.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-test-'))
t.teardown(() => rmSync(root, { recursive: true, force: true }))
// Each log is two threads to start and files to sync.
t.setTimeout(240_000)
let directories = 0

const CACHE_BYTES = 1e6

t.test('a log that is opened again is the same log', async t => {
  const directory = newDirectory()
  const first = await open(t, directory, { maxTopicEvents: 5 })
  await first.append([
    text('a', '1'),
    { topic: 'a', data: '{"b": 2}', type: 'x', isJson: true, isState: true },
  ])
  for (let at = 0; at < 20; at++) await first.append([text('b', `${at}`)])
  const key = new RequestKey('k').next([text('a', 'once')])
  const stored = await first.append([text('a', 'once')], key)
  const before = await contents(first)
  await first.close()

  const again = await open(t, directory, { maxTopicEvents: 5 })
  t.equal(again.regression, undefined)
  t.same(await contents(again), before)
  t.ok(before.lost > 0)
  t.same(await again.append([text('a', 'once')], key), { last: stored.last, added: 0 }, 'the key is known')
  t.same(await again.append([text('a', 'new')]), { last: before.head + 1, added: 1 })
})

t.test('whatever was appended, a log that is opened again answers the same', async t => {
  const topic = fc.constantFrom('a', 'b', 'x/a', 'x/b')
  const event: fc.Arbitrary<NewEvent> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ topic, data: fc.string({ unit: 'grapheme' }) }) },
    { weight: 2, arbitrary: fc.record({ topic, data: fc.string(), isState: fc.constant(true) }) },
    { weight: 1, arbitrary: fc.record({ topic, data: fc.constant('{}'), type: fc.constant(RESET) }) },
  )
  const limits = fc.record({ maxTopicEvents: fc.integer({ min: 1, max: 8 }) })
  const appends = fc.array(fc.array(event, { minLength: 1, maxLength: 6 }), { maxLength: 25 })
  const property = fc.asyncProperty(limits, appends, async (options, batches) => {
    const directory = newDirectory()
    const log = await SqliteLog.open({ ...ROOMY, cacheBytes: CACHE_BYTES, ...options, directory })
    await Promise.all(batches.map(batch => log.append(batch)))
    const before = await contents(log)
    await log.close()
    const again = await SqliteLog.open({ ...ROOMY, cacheBytes: CACHE_BYTES, ...options, directory })
    const after = await contents(again)
    await again.close()
    return JSON.stringify(after) === JSON.stringify(before)
  })
  await holds(t, property, { numRuns: 10 })
})

t.test('what is appended while the log closes is kept, or refused', async t => {
  const directory = newDirectory()
  const log = await open(t, directory)
  const appended = Promise.all(Array.from({ length: 100 }, (_, at) => log.append([text('a', `${at}`)])))
  const closed = log.close()
  await t.rejects(log.append([text('a', 'late')]), { code: 'MILLRACE_DRAINING' })
  await Promise.all([appended, closed])
  const again = await open(t, directory)
  t.equal((await again.topic('a'))?.events, 100)
})

t.test('a log that is closed reads nothing more, and leaves everything in its file', async t => {
  for (let round = 0; round < 5; round++) {
    const directory = newDirectory()
    const log = await open(t, directory)
    await log.append([text('a', '')])
    const closed = log.close()
    await t.rejects(log.topic('a'), { code: 'MILLRACE_DRAINING' })
    await t.rejects(log.topics('', selectorOf(['**']), 1), { code: 'MILLRACE_DRAINING' })
    await closed
    t.equal(existsSync(join(directory, 'log.db-wal')), false)
  }
})

t.test('whoever looks into the file from outside does not disturb', async t => {
  const directory = newDirectory()
  const log = await open(t, directory)
  await log.append([text('a', '1')])
  const visit = `
    const database = new (require('node:sqlite').DatabaseSync)(process.argv[1])
    database.prepare('SELECT count(*) FROM events').get()
    database.close()`
  // The last one to close a file for writing tidies up; this one is not the last.
  execFileSync(process.execPath, ['-e', visit, join(directory, 'log.db')])
  t.ok(existsSync(join(directory, 'log.db-wal')))
  await log.append([text('a', '2')])
  await log.close()
  t.equal((await open(t, directory)).usage().events, 2)
})

t.test('a thread that dies takes the process with it, and whoever waits is told', async t => {
  const script = `
    const { SqliteLog } = await import(process.argv[2])
    const log = await SqliteLog.open(JSON.parse(process.argv[3]))
    await log.append([{ topic: 'a', data: '' }])
    setInterval(() => {
      log.append([{ topic: 'a', data: '' }]).catch(error => console.log(error.code))
    }, 1)`
  const preload = `
    const { parentPort, threadName } = require('node:worker_threads')
    let appends = 0
    if (threadName === 'writer-thread') parentPort.on('message', ({ method }) => {
      if (method === 'append' && ++appends === 3) throw new Error('killed by the test')
    })`
  const [main, beside] = [join(root, 'main.mjs'), join(root, 'beside.cjs')]
  writeFileSync(main, script)
  writeFileSync(beside, preload)
  const module = new URL('../../src/log/sqlite.ts', import.meta.url).href
  const args = ['--require', beside, main, module]
  const run = spawnSync(
    process.execPath,
    [...args, JSON.stringify({ ...ROOMY, cacheBytes: CACHE_BYTES, directory: newDirectory() })],
    {
      encoding: 'utf8',
      timeout: 20_000,
    },
  )
  t.equal(run.status, 1)
  t.match(run.stdout, 'MILLRACE_LOG_UNAVAILABLE')
  t.match(run.stderr, 'killed by the test')
})

t.test('a directory has one log at a time', async t => {
  const directory = newDirectory()
  const log = await open(t, directory)
  await t.rejects(SqliteLog.open({ ...ROOMY, cacheBytes: CACHE_BYTES, directory }), {
    code: 'MILLRACE_LOG_IN_USE',
    message: `Another process uses the log in ${directory}`,
  })
  await log.append([text('a', '')])
  await log.close()
  await open(t, directory)
})

t.test('retention: the first rule that matches a topic holds', async t => {
  const retention = [
    { pattern: 'logs/audit', maxEvents: 50 },
    { pattern: 'logs/**', maxEvents: 3 },
  ]
  const log = await open(t, newDirectory(), { retention, maxTopicEvents: 10 })
  const topics = ['logs/audit', 'logs/a', 'other']
  for (let at = 0; at < 40; at++) await log.append(topics.map(topic => text(topic, '')))
  const counts = await Promise.all(topics.map(async topic => (await log.topic(topic))?.events))
  t.same(counts, [40, 3, 10])
})

t.test('retention: limits that were changed between two starts hold for what is there', async t => {
  const directory = newDirectory()
  const wide = await open(t, directory)
  for (let at = 0; at < 20; at++) {
    await wide.append(Array.from({ length: 100 }, (_, part) => text(`t/${part % 4}`, `${at}`)))
  }
  await wide.close()
  const narrow = await open(t, directory, { maxTopicEvents: 10 })
  await until(async () => narrow.usage().events === 40)
  t.equal((await narrow.topic('t/1'))?.events, 10)
  t.ok((await narrow.lostThrough(selectorOf(['t/1']))) > 0)
})

t.test('what was not trimmed when the hub was killed is trimmed after the next start', async t => {
  const directory = newDirectory()
  const wide = await open(t, directory)
  await wide.append(Array.from({ length: 5000 }, () => text('a', '')))
  await wide.close()
  // The new limits are noted, and the process ends before they are applied.
  const writer = Writer.open({
    directory,
    maxBytes: 1e9,
    limits: { maxEvents: 10, maxBytes: 1e9, maxAgeMs: 1e9 },
    retention: [],
    maxStateBytes: 1e9,
    maxIdempotencyKeys: 1000,
    idempotencyKeyAgeMs: 1e9,
    maxLossTopics: 1000,
    now: Date.now(),
  })
  writer.close()
  const narrow = await open(t, directory, { maxTopicEvents: 10 })
  await until(async () => narrow.usage().events === 10)
  t.pass('it was')
})

t.test('a clock that was far ahead once does not hold up expiry for ever', async t => {
  let now = 4_000_000_000_000
  const directory = newDirectory()
  const ahead = await open(t, directory, { now: () => now })
  await ahead.append([text('a', '')])
  await ahead.close()
  now = 1_800_000_000_000
  const log = await open(t, directory, { now: () => now, maxAgeMs: 1000 })
  await log.append([text('b', '')])
  now += 86_400_000 + 1001
  await until(async () => (await log.topic('b')) === undefined)
  t.pass('it expired')
})

t.test('maxBytes: beyond it the oldest events go, whatever their topic, and are announced', async t => {
  const log = await open(t, newDirectory(), { maxBytes: 50_000 })
  for (let at = 0; at < 100; at++) await log.append([text(`t/${at % 10}`, 'x'.repeat(1000))])
  const { events } = await log.read(0, selectorOf(['**']), limit(log))
  t.ok(log.usage().bytes <= 51_000 && log.usage().bytes > 40_000, `${log.usage().bytes} bytes`)
  t.equal(events[0]!.position, 100 - events.length + 1, 'the newest are left')
  t.equal(await log.lostThrough(selectorOf(['**'])), events[0]!.position - 1)
})

t.test('maxAgeMs: what is too old goes, at the next append or by itself', async t => {
  let now = 1_800_000_000_000
  const retention = [{ pattern: 'short', maxAgeMs: 100 }]
  const log = await open(t, newDirectory(), { now: () => now, maxAgeMs: 10_000, retention })
  await log.append([text('short', ''), text('long', '')])
  now += 101
  await until(async () => (await log.topic('short')) === undefined)
  t.equal((await log.topic('long'))?.events, 1)
  t.equal(await log.lostThrough(selectorOf(['short'])), 1)
  now += 10_000
  await log.append([text('other', '')])
  t.equal(await log.topic('long'), undefined)
})

t.test('an emptied log knows its newest id when it is opened again', async t => {
  const directory = newDirectory()
  let now = 1_800_000_000_000
  const log = await open(t, directory, { now: () => now, maxAgeMs: 50 })
  await log.append([text('a', ''), text('b', '')])
  now += 100
  await until(async () => log.usage().events === 0)
  await log.close()
  const again = await open(t, directory, { now: () => now, maxAgeMs: 50 })
  t.same([again.head(), again.epoch, again.regression], [2, log.epoch, undefined])
})

t.test('losses of more topics than are told apart count against all', async t => {
  let now = 1_800_000_000_000
  const log = await open(t, newDirectory(), { now: () => now, maxAgeMs: 50, maxLossTopics: 10 })
  await log.append(Array.from({ length: 50 }, (_, at) => text(`t/${at}`, '')))
  t.equal(await log.lostThrough(selectorOf(['none'])), 0)
  now += 100
  await until(async () => (await log.lostThrough(selectorOf(['none']))) === 40)
  t.equal(await log.lostThrough(selectorOf(['t/49'])), 50)
})

t.test('maxIdempotencyKeys, idempotencyKeyAgeMs: keys are forgotten, the oldest first', async t => {
  let now = 1_800_000_000_000
  const options = { now: () => now, maxIdempotencyKeys: 3, idempotencyKeyAgeMs: 1000 }
  const log = await open(t, newDirectory(), options)
  const append = async (value: string): Promise<number> => {
    const events = [text('a', value)]
    return (await log.append(events, new RequestKey(value).next(events))).added
  }
  for (const value of ['1', '2', '3', '4']) await append(value)
  await until(async () => (await append('1')) === 1)
  t.equal(await append('4'), 0)
  now += 1001
  t.equal(await append('4'), 1)
})

t.test('the file shrinks when much of it is unused', async t => {
  const directory = newDirectory()
  const log = await open(t, directory)
  for (let at = 0; at < 40; at++) await log.append([text('a', 'x'.repeat(1_000_000))])
  await log.close()
  t.ok(statSync(join(directory, 'log.db')).size > 40e6)
  const trimmed = await open(t, directory, { maxTopicEvents: 2 })
  await until(async () => trimmed.usage().events === 2)
  await until(async () => {
    await trimmed.append([text('b', '')])
    return statSync(join(directory, 'log.db')).size < 20e6
  })
  t.pass('it shrank')
})

t.test('quiet topics are found by their index, not by reading what lies between', async t => {
  const log = await open(t, newDirectory(), { cacheBytes: 0 })
  const feed = Array.from({ length: 100 }, (_, at) => `quiet/${at}`)
  for (let round = 0; round < 10; round++) {
    await log.append(Array.from({ length: 3000 }, (_, at) => text(`busy/${at % 7}`, '')))
    await log.append(feed.map(topic => text(topic, `${round}`)))
  }
  for (const [names, events] of [
    [['quiet/7'], 10],
    [feed, 1000],
    [['quiet/*'], 1000],
    [['quiet/1', 'quiet/2/**', 'none/*'], 20],
  ] as const) {
    const page = await log.read(0, selectorOf(names), limit(log))
    // A scan would have ended after some thousand events, and come back for more.
    t.same([page.events.length, page.position], [events, log.head()], names.slice(0, 4).join())
  }
})

t.test('what came last is read from memory, what came before from disk', async t => {
  const directory = newDirectory()
  const before = await open(t, directory)
  await before.append(Array.from({ length: 5000 }, (_, at) => text(`t/${at % 5}`, 'x'.repeat(100))))
  await before.close()
  const log = await open(t, directory)
  const { last } = await log.append([text('t/1', 'newer'), text('t/1', 'new')])
  // Whoever reads the file from here on finds nothing there.
  const file = openSync(join(directory, 'log.db'), 'r+')
  const { size } = statSync(join(directory, 'log.db'))
  writeSync(file, Buffer.alloc(size - 4096, 0xaa), 0, size - 4096, 4096)
  closeSync(file)
  truncateSync(join(directory, 'log.db-wal'), 32)
  for (const names of [['t/1'], ['**']]) {
    const recent = await log.read(last - 1, selectorOf(names), limit(log))
    t.same(
      recent.events.map(({ data }) => data),
      ['new'],
    )
  }
  await t.rejects(log.read(0, selectorOf(['t/1']), limit(log)), { code: 'MILLRACE_LOG_UNAVAILABLE' })
  const one = { maxEvents: 1, maxBytes: 1e9 }
  t.match(await log.readBack(last + 1, 't/1', one), { events: [{ data: 'new' }], hasOlder: true })
  await t.rejects(log.readBack(last, 't/1', one), { code: 'MILLRACE_LOG_UNAVAILABLE' }, 'where memory begins')
})

function newDirectory(): string {
  return join(root, `${directories++}`)
}

async function open(t: Test, directory: string, options: Partial<SqliteLogOptions> = {}): Promise<SqliteLog> {
  const log = await SqliteLog.open({ ...ROOMY, cacheBytes: CACHE_BYTES, ...options, directory })
  t.teardown(() => log.close())
  return log
}

function text(topic: string, data: string): NewEvent {
  return { topic, data }
}

function limit(log: EventLog): { through: number; maxEvents: number; maxBytes: number } {
  return { through: log.head(), maxEvents: 10_000, maxBytes: 1e9 }
}

/** All that a log tells of itself. */
async function contents(log: SqliteLog) {
  const all = selectorOf(['**'])
  const plain = ({ position, topic, data, type, time, isJson, isState }: StoredEvent): object => {
    return { position, topic, data, type, time, isJson: isJson === true, isState: isState === true }
  }
  const states = { ...limit(log), onlyGone: false }
  return {
    epoch: log.epoch,
    head: log.head(),
    usage: log.usage(),
    events: (await log.read(0, all, limit(log))).events.map(plain),
    states: (await log.readStates(0, all, states)).events.map(plain),
    gone: (await log.readStates(0, all, { ...states, onlyGone: true })).events.map(plain),
    lost: await log.lostThrough(all),
    topics: await log.topics('', all, 1000),
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await turn()
}
