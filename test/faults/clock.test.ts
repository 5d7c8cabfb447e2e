// The clock jumps back, under a running hub and between two starts: times never run back, ids grow on, nothing expires early,
// and whoever comes back goes on from its id.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SqliteLog, type SqliteLogOptions } from '../../src/log/sqlite.ts'
import { selectorOf } from '../../src/topic-pattern.ts'
import { deliveryFaults, storeFaults } from './support/checker.ts'
import { follow, progress, startPublisher, untilCaughtUp } from './support/clients.ts'
import { FaultyHub } from './support/hub.ts'
import { ALL_TOPICS } from './support/lanes.ts'
import { readStored } from './support/stored.ts'

t.setTimeout(120_000)

const HOUR_MS = 3_600_000
const AGE_MS = 1000
const START = 1_800_000_000_000
const ALL = selectorOf(['**'])

t.test('a hub whose clock jumps back goes on as if it had stood still', async t => {
  const hub = await FaultyHub.create(t)
  await hub.start([], HOUR_MS)
  const live = follow(t, hub, 'live', [ALL_TOPICS])
  await live.subscriber.until(() => true)
  const publisher = startPublisher(t, hub, { padding: 100 })
  await progress(publisher, 100)
  await hub.shiftClock(0)
  await progress(publisher, 100)
  await hub.kill()
  await hub.start([], -HOUR_MS)
  await progress(publisher, 100)
  await publisher.stop()
  const stored = await readStored(hub)
  await untilCaughtUp([live], stored.events)
  t.strictSame(storeFaults(publisher.lines(), stored), [])
  t.strictSame(
    deliveryFaults({ name: 'live', names: [ALL_TOPICS], lines: live.subscriber.lines() }, stored),
    [],
  )
  const times = stored.events.map(({ time }) => time)
  t.strictSame(times, times.toSorted(), 'times never run back')
  t.ok(Date.parse(times.at(-1)!) > Date.now() + HOUR_MS / 2, 'the last ones have the time before the jump')
})

t.test('the log: times and ids go on, nothing expires early, and nothing is kept for ever', async t => {
  const clock = { now: START }
  const directory = t.testdir()
  let log = await open(t, directory, clock)
  const seen: number[] = []
  const add = async (): Promise<void> => {
    const { stop } = log.tail(events => seen.push(...events.map(event => event.time)))
    await log.append([{ topic: 'a', data: 'x' }])
    stop()
  }
  await add()
  clock.now -= HOUR_MS
  await add()
  await log.close()
  log = await open(t, directory, clock)
  await add()
  t.strictSame(seen, [START, START, START], 'the time stands still until the clock has caught up')
  t.strictSame(await positions(log), [1, 2, 3], 'nothing has expired')
  clock.now = START + AGE_MS
  await add()
  t.strictSame(await positions(log), [1, 2, 3, 4], 'nothing is older than it may be')
  clock.now++
  await add()
  t.strictSame(await positions(log), [4, 5], 'now it is')
})

t.test('a new epoch that is made with an earlier clock sorts after the old one', async t => {
  const clock = { now: START }
  const directory = t.testdir()
  const epochs: string[] = []
  for (let life = 0; life < 5; life++) {
    const log = await open(t, directory, clock)
    epochs.push(log.epoch)
    await log.append([{ topic: 'a', data: 'x' }])
    await log.close()
    rmSync(join(directory, 'head'))
    clock.now -= HOUR_MS
  }
  t.strictSame(epochs, [...new Set(epochs)].toSorted())
})

t.test('an Idempotency-Key is not forgotten early', async t => {
  const clock = { now: START }
  const directory = t.testdir()
  const key = { value: 'k', offset: 0, digests: ['d'] }
  let log = await open(t, directory, clock)
  await log.append([{ topic: 'a', data: 'x' }], key)
  clock.now -= HOUR_MS
  t.match(await log.append([{ topic: 'a', data: 'x' }], key), { added: 0, last: 1 })
  await log.close()
  log = await open(t, directory, clock)
  t.match(await log.append([{ topic: 'a', data: 'x' }], key), { added: 0, last: 1 })
})

async function open(t: Test, directory: string, clock: { now: number }): Promise<SqliteLog> {
  const options: SqliteLogOptions = {
    directory,
    cacheBytes: 1,
    maxBytes: 1e9,
    maxTopicBytes: 1e9,
    maxTopicEvents: 1e6,
    maxAgeMs: AGE_MS,
    maxStateBytes: 1e9,
    maxIdempotencyKeys: 1000,
    idempotencyKeyAgeMs: AGE_MS,
    now: () => clock.now,
  }
  const log = await SqliteLog.open(options)
  t.teardown(() => log.close())
  return log
}

async function positions(log: SqliteLog): Promise<number[]> {
  const page = await log.read(0, ALL, { through: log.head(), maxEvents: 100, maxBytes: 1e9 })
  return page.events.map(({ position }) => position)
}
