// GET /inspector/api/stats: the figures are those of what happens, of all threads, and cost nothing that is not bounded.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Stats } from '../../src/protocol/inspector.ts'
import {
  MAX_NEW_TOPICS,
  MAX_TOLD_TOPICS,
  MAX_TRACKED_TOPICS,
  TopicRates,
} from '../../src/routes/inspector/topic-rates.ts'
import { MemoryLog } from '../../src/log/memory.ts'
import { selectorOf } from '../../src/topic-pattern.ts'
import { growth, quantilesOf } from '../../src/routes/inspector/quantiles.ts'
import { EventReader } from '../support/event-reader.ts'
import { headOf, Http2Client } from '../support/http2-client.ts'
import { onOwnConnection, startHub, type Reachable } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { ROOMY } from '../support/roomy.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'
import { clientOfEach } from '../support/workers.ts'

const PUBLISHED = 30

// They wait for samples, which come once a second.
t.jobs = 4

for (const workers of [1, 2]) {
  t.test(`what is published and delivered is counted, with ${workers} thread(s)`, async t => {
    const hub = await startHub(t, { workers })
    const readers =
      workers === 1
        ? [new Http2Client(t, hub), new Http2Client(t, hub)]
        : await clientOfEach(t, hub, ['worker-1', 'worker-2'])
    for (const reader of readers) (await reader.listen('/topics/a')).resume()
    await metricIs(hub, 'millrace_subscribers_live', 2)
    const stats = await openStats(t, hub)
    // What came before the first sample is in no rate.
    await nextStats(stats)
    // From connections that may be another worker's each.
    const publishers = workers === 1 ? [hub] : [1, 2, 3].map(() => onOwnConnection(t, hub))
    for (let number = 0; number < PUBLISHED; number++) {
      await publishers[number % publishers.length]!.publish(
        `a${number % 3 === 0 ? '' : '/b'}`,
        String(number),
      )
    }
    const sums = { published: 0, delivered: 0, appends: false }
    let last: Stats
    do {
      last = await nextStats(stats)
      const seconds = last.intervalMs / 1000
      sums.published += last.rates.published * seconds
      sums.delivered += last.rates.delivered * seconds
      sums.appends ||= last.latency.append !== undefined
    } while (sums.published < PUBLISHED - 0.5 || sums.delivered < 20 - 0.5)
    t.equal(Math.round(sums.published), PUBLISHED)
    t.equal(Math.round(sums.delivered), 2 * (PUBLISHED / 3), 'to each of two readers')
    t.ok(sums.appends, 'and how long the log took')
    t.match(last, {
      threads: workers,
      streams: 2,
      live: 2,
      behind: 0,
      log: { name: 'memory:', topics: 2, events: PUBLISHED },
      topics: [
        { topic: 'a/b', events: 20, lastData: '29' },
        { topic: 'a', events: 10, lastData: '27' },
      ],
    })
    t.ok(last.connections >= 3)
    t.ok(last.memory.rss > last.memory.heapUsed)
    t.ok((await nextStats(stats)).latency.eventLoop !== undefined)
  })
}

t.test('quantiles are read from how much the buckets have grown', async t => {
  const bounds = [0.001, 0.01, 0.1]
  t.equal(quantilesOf([0, 0, 0, 0], bounds), undefined, 'nothing happened')
  t.match(
    quantilesOf([100, 100, 100, 100], bounds),
    { p50: 0.5, p99: 0.99 },
    'evenly spread in the first one',
  )
  t.match(quantilesOf([50, 90, 100, 100], bounds), { p50: 1, p99: 91 })
  t.match(quantilesOf([0, 0, 0, 10], bounds), { p50: 100, p99: 100 }, 'beyond the last bound')
  const before = { bounds, counts: [1, 2, 3, 4] }
  t.same(growth({ bounds, counts: [1, 3, 5, 9] }, before), [0, 1, 2, 5])
  t.same(growth(before, undefined), [0, 0, 0, 0], 'what came before anybody looked does not count')
})

t.test('all pages get the same sample, and a page that comes later the newest at once', async t => {
  const hub = await startHub(t)
  const first = await openStats(t, hub)
  const sample = await nextStats(first)
  const second = await openStats(t, hub)
  t.same(await nextStats(second), sample)
  t.same(await nextStats(second), await nextStats(first))
})

t.test('of the busiest topics a page is told those that its token may receive', async t => {
  const hub = await startHub(t, { jwtKey: SECRET })
  const open = async (receive: string[]): Promise<EventReader> =>
    openStats(t, hub, bearer(await mint({ admin: true, receive })))
  const pages = [await open(['**']), await open(['open/*']), await open([])]
  for (const page of pages) await nextStats(page)
  const headers = bearer(await mint({ publish: ['**'] }))
  for (const topic of ['open/a', 'secret']) await hub.publish(topic, `of ${topic}`, headers)
  const told: string[][] = []
  for (const page of pages) {
    let stats: Stats
    let published = 0
    do {
      stats = await nextStats(page)
      published += (stats.rates.published * stats.intervalMs) / 1000
    } while (published < 1.5)
    told.push(stats.topics.map(({ lastData }) => lastData).sort())
  }
  t.same(told, [['of open/a', 'of secret'], ['of open/a'], []])
  t.same((await nextStats(await open([]))).topics, [], 'a page that comes later too')
})

t.test('pages are no subscribers, and leave nothing behind when they go', async t => {
  const hub = await startHub(t)
  const stats = await EventReader.open(hub, '/inspector/api/stats')
  t.match(await nextStats(stats), { streams: 0, live: 0 })
  t.equal(await metric(hub, 'millrace_streams'), 0)
  stats.close()
  await sleep(1300)
  await hub.publish('a', 'unseen')
  const again = await openStats(t, hub)
  t.same((await nextStats(again)).topics, [], 'nothing was counted by topic meanwhile')
})

t.test('a page that does not read skips samples', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub, { settings: { initialWindowSize: 100 } })
  const stream = await client.listen('/inspector/api/stats')
  await sleep(4500)
  client.session.settings({ initialWindowSize: 1_000_000 })
  const times: number[] = []
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop()!
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (data !== undefined) times.push((JSON.parse(data) as Stats).time)
    }
    if (times.length >= 2) break
  }
  t.ok(times[1]! - times[0]! > 2500, `${times[1]! - times[0]!} ms between what was under way and the next`)
})

t.test('the stream ends when its token does, and when the hub drains', async t => {
  const hub = await startHub(t, { jwtKey: SECRET })
  const brief = await EventReader.open(
    hub,
    '/inspector/api/stats',
    bearer(await mint({ admin: true, expiresIn: 2 })),
  )
  t.same(JSON.parse((await farewell(brief))!), { reason: 'expired' })
  const long = await EventReader.open(hub, '/inspector/api/stats', bearer(await mint({ admin: true })))
  await nextStats(long)
  const ended = farewell(long)
  await hub.server.close()
  t.same(JSON.parse((await ended)!), { reason: 'drain' })
})

t.test('a page that reads nothing is cut off when its token expires', async t => {
  const hub = await startHub(t, { jwtKey: SECRET, maxStreamsPerConnection: 1 })
  const client = new Http2Client(t, hub, { settings: { initialWindowSize: 10 } })
  const token = (expiresIn: number): Promise<string> =>
    mint({ admin: true, receive: ['a'], sub: 'ann', expiresIn })
  await client.listen('/inspector/api/stats', bearer(await token(2)))
  const another = bearer(await token(60))
  const statuses: number[] = []
  while (statuses.at(-1) !== 200 && statuses.length < 80) {
    const stream = client.open('/feed?topic=a', another)
    statuses.push((await headOf(stream)).status)
    stream.destroy()
    await sleep(100)
  }
  t.equal(statuses[0], 429, 'it counts while it is open')
  t.equal(statuses.at(-1), 200)
})

t.test('however many topics there are, so many are tracked, and large events are not held', async t => {
  const log = new MemoryLog(ROOMY)
  t.teardown(() => log.close())
  const rates = new TopicRates(log)
  t.teardown(() => rates.stop())
  const publish = (topic: string, data: string): Promise<unknown> => log.append([{ topic, data }])
  for (let at = 0; at < 5000; at++) await publish(`t/${at}`, 'x')
  t.equal(rates.size, MAX_TRACKED_TOPICS + MAX_NEW_TOPICS)
  t.equal(rates.take(1).length, MAX_TOLD_TOPICS)
  t.equal(rates.size, MAX_TRACKED_TOPICS)
  for (let at = 0; at < 10; at++) await publish('busy', 'y'.repeat(100_000))
  const [busiest] = rates.take(1)
  t.match(busiest, { topic: 'busy', rate: 10, events: 10 }, 'a topic that is new finds room')
  t.equal(busiest!.lastData.length, 200)
  await log.append([{ topic: '.well-known/mercure/x', data: 'z' }])
  t.notOk(rates.take(1).some(({ topic }) => topic.startsWith('.well-known/')))
  t.equal(
    (await log.read(0, selectorOf(['busy']), { through: log.head(), maxEvents: 1, maxBytes: 1 })).events
      .length,
    1,
  )
})

async function openStats(
  t: Test,
  hub: Reachable,
  headers: Record<string, string> = {},
): Promise<EventReader> {
  const reader = await EventReader.open(hub, '/inspector/api/stats', headers)
  t.teardown(() => reader.close())
  return reader
}

async function nextStats(reader: EventReader): Promise<Stats> {
  const event = await reader.next()
  if (event?.event !== 'stats') throw new Error(`${event?.event} came`)
  return JSON.parse(event.data) as Stats
}

/** The data of the `millrace:bye` that the stream ends with. */
async function farewell(reader: EventReader): Promise<string | undefined> {
  let last: string | undefined
  for (let event = await reader.next(); event !== undefined; event = await reader.next()) {
    if (event.event === 'millrace:bye') last = event.data
  }
  return last
}
