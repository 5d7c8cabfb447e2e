// The log on a disk that is really full: nothing is half stored, readers go on, and so do publishers when there is room.

import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SqliteLog } from '../../src/log/sqlite.ts'
import { expectProblem } from '../support/problem.ts'
import { deliveryFaults, refusalFaults, storeFaults } from './support/checker.ts'
import {
  follow,
  progress,
  startPublisher,
  untilCaughtUp,
  type Follower,
  type Publisher,
} from './support/clients.ts'
import { Connection } from './support/connection.ts'
import { FaultyHub } from './support/hub.ts'
import { ALL_TOPICS } from './support/lanes.ts'
import { needsSmallDisk, SmallDisk } from './support/small-disk.ts'
import { readStored } from './support/stored.ts'

t.setTimeout(120_000)

// Each lane of the publisher has been refused by then, some more than once.
const MANY_REFUSALS = 20

const AT_ITS_LIMITS = {
  cacheBytes: 1e6,
  maxBytes: 2e6,
  maxTopicBytes: 2e6,
  maxTopicEvents: 1e6,
  maxAgeMs: 1e9,
  maxStateBytes: 1e6,
  maxIdempotencyKeys: 10,
  idempotencyKeyAgeMs: 1e9,
}

t.test(
  'a full disk refuses publishers, keeps readers, and is left behind without help',
  needsSmallDisk,
  async t => {
    const disk = SmallDisk.mount(t, 8)
    const hub = await FaultyHub.create(t, { directory: join(disk.directory, 'log') })
    await hub.start()
    const live = follow(t, hub, 'live', [ALL_TOPICS])
    await live.subscriber.until(() => true)
    const publisher = startPublisher(t, hub, { padding: 600 })
    await progress(publisher, 200)
    disk.fill()
    await refusals(publisher, MANY_REFUSALS)

    await t.test('refusals are problems that say when to come back', t => expectRefusals(t, hub))

    const late = follow(t, hub, 'late', [ALL_TOPICS], { isEarliest: true })
    const stored = await readStored(hub)
    await untilCaughtUp([live, late], stored.events)
    t.equal(opens(live), 1, 'who was connected still is')

    await hub.kill()
    await hub.start()
    disk.fill()
    await refusals(publisher, MANY_REFUSALS)
    await hub.kill()
    await hub.start()
    t.strictSame(
      storeFaults(publisher.lines(), await readStored(hub)),
      [],
      'a kill while it is full loses nothing',
    )

    disk.free()
    await progress(publisher, 200)
    await publisher.stop()
    await judge(t, hub, publisher, [live, late])
  },
)

t.test(
  'a log that filled its disk by itself can be stopped, read, and goes on when the disk grows',
  needsSmallDisk,
  async t => {
    const disk = SmallDisk.mount(t, 8)
    const hub = await FaultyHub.create(t, { directory: join(disk.directory, 'log') })
    await hub.start()
    const publisher = startPublisher(t, hub, { padding: 20_000 })
    await refusals(publisher, MANY_REFUSALS)
    await hub.kill('SIGTERM')
    await hub.start()
    await refusals(publisher, MANY_REFUSALS)
    t.ok((await readStored(hub)).events.length > 0)
    disk.grow(64)
    await progress(publisher, 100)
    await publisher.stop()
    await judge(t, hub, publisher, [])
  },
)

t.test('a log at its limits goes on although its disk is full', needsSmallDisk, async t => {
  const disk = SmallDisk.mount(t, 16)
  const directory = join(disk.directory, 'log')
  const data = 'x'.repeat(50_000)
  const openAndPublish = async (events: number): Promise<SqliteLog> => {
    const log = await SqliteLog.open({ ...AT_ITS_LIMITS, directory })
    t.teardown(() => log.close())
    await publish(log, events)
    return log
  }
  const publish = async (log: SqliteLog, events: number): Promise<void> => {
    for (let at = 0; at < events; at++) await log.append([{ topic: 'a', data }])
  }
  // Its file gets the size that it needs, and then so does its write-ahead log.
  await (await openAndPublish(100)).close()
  const log = await openAndPublish(60)
  disk.fill()
  await publish(log, 400)
  t.equal(log.head(), 560)
})

t.test('a hub that has no log yet and no room for one says so', needsSmallDisk, async t => {
  const disk = SmallDisk.mount(t, 1)
  const hub = await FaultyHub.create(t, { directory: join(disk.directory, 'log') })
  disk.fill()
  const { code, stderr } = (await hub.tryStart())!
  t.equal(code, 1)
  t.match(stderr, /^millrace: MILLRACE_LOG_UNUSABLE: The log in .* cannot be opened: its disk is full\.\n$/)
  disk.free()
  await hub.start()
})

async function expectRefusals(t: Test, hub: FaultyHub): Promise<void> {
  const connection = new Connection(hub)
  t.teardown(() => connection.close())
  for (const [method, path] of [
    ['POST', '/topics/a'],
    ['PUT', '/topics/a'],
    ['DELETE', '/topics/orders/0'],
  ] as const) {
    const { status, mediaType, retryAfter, text } = await connection.send(
      method,
      path,
      ['x'.repeat(9000)],
      {},
    )
    const headers = { 'content-type': mediaType }
    const { detail } = await expectProblem(t, { status, headers, text }, 'MILLRACE_LOG_FULL')
    t.match(detail, 'disk')
    t.match(retryAfter, /^[1-9]\d*$/, `${method}: Retry-After`)
  }
  t.equal((await connection.send('GET', '/healthz', [], {})).status, 200)
}

async function judge(
  t: Test,
  hub: FaultyHub,
  publisher: Publisher,
  followers: readonly Follower[],
): Promise<void> {
  const stored = await readStored(hub)
  await untilCaughtUp(followers, stored.events)
  const published = publisher.lines()
  t.strictSame(storeFaults(published, stored), [], 'the store holds what was acknowledged, and once')
  t.strictSame(refusalFaults(published, stored), [], 'what was refused is not stored')
  const codes = new Set(published.flatMap(line => (line.kind === 'refused' ? [line.code] : [])))
  t.strictSame([...codes], ['MILLRACE_LOG_FULL'])
  for (const { names, subscriber } of followers) {
    const { name } = subscriber
    t.strictSame(
      deliveryFaults({ name, names, lines: subscriber.lines() }, stored),
      [],
      `${name} got every event`,
    )
  }
}

/** Resolves when so many more requests were refused. */
async function refusals(publisher: Publisher, requests: number): Promise<void> {
  const before = publisher.told?.refused ?? 0
  await publisher.until(({ refused }) => refused >= before + requests)
}

function opens({ subscriber }: Follower): number {
  return subscriber.lines().filter(({ kind }) => kind === 'open').length
}
