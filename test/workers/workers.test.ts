// A hub with workers over real sockets: it is one hub to its clients, whichever worker has their connection.

import { once } from 'node:events'
import type { ClientHttp2Stream } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import pino from 'pino'
import t, { type Test } from 'tap'
import { DEFAULTS } from '../../src/config/schema.ts'
import { startServer } from '../../src/server.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'
import { clientOfEach, crashWorker, terminateWorker, workerIsBack } from '../support/workers.ts'

t.setTimeout(120_000)

const TWO = ['worker-1', 'worker-2'] as const
const THREE = [...TWO, 'worker-3'] as const

t.test('all workers deliver one order, that of the log', async t => {
  const hub = await startHub(t, { workers: 3 })
  const clients = await clientOfEach(t, hub, THREE)
  const feeds = await Promise.all(clients.map(client => client.listen('/feed?topic=**')))
  const received = feeds.map(feed => lines(feed.setEncoding('utf8'), 600))
  await Promise.all(
    clients.map(async (client, lane) => {
      for (let round = 0; round < 40; round++) {
        const posts = Array.from({ length: 5 }, (_, at) => client.post(`/topics/t/${at}`, `${lane} ${round}`))
        for (const { status } of await Promise.all(posts)) if (status !== 201) throw new Error(`${status}`)
      }
    }),
  )
  const [one, ...others] = await Promise.all(received)
  t.equal(new Set(one).size, 600, 'each once')
  t.same(one, one!.toSorted(), 'in the order of the ids')
  for (const other of others) t.same(other, one)
})

t.test('what one worker has answered, every other one has at once', async t => {
  const hub = await startHub(t, { workers: 2 })
  const [one, other] = await clientOfEach(t, hub, TWO)
  for (let round = 0; round < 100; round++) {
    const { id } = JSON.parse((await one.post('/topics/a', `${round}`)).text) as { id: string }
    const [page, resumed] = await Promise.all([
      other.get('/topics/a?limit=1000'),
      other.listen('/topics/a', { 'last-event-id': id }),
    ])
    const { events } = JSON.parse(page.text) as { events: { id: string }[] }
    t.equal(events.at(-1)?.id, id, 'the history has it')
    const until = reader(resumed)
    t.match(await until('millrace:open'), `id: ${id}`, 'it is no unknown id')
    await one.post('/topics/a', 'next')
    t.notMatch(await until('data: next'), /millrace:gap|data: \d/)
    resumed.close()
  }
})

t.test('a state that one worker has set is the first that subscribers of another get', async t => {
  const hub = await startHub(t, { workers: 2 })
  const [one, other] = await clientOfEach(t, hub, TWO)
  for (let round = 0; round < 50; round++) {
    await one.post(`/topics/s/${round}`, 'set', { ':method': 'PUT' })
    const stream = await other.listen(`/topics/s/${round}`)
    t.match(await reader(stream)('data: set'), /millrace:open/)
    stream.close()
  }
})

t.test('an Idempotency-Key holds on all workers', async t => {
  const hub = await startHub(t, { workers: 2 })
  const clients = await clientOfEach(t, hub, TWO)
  const key = { 'idempotency-key': 'k' }
  const answers = await Promise.all(clients.map(client => client.post('/topics/a', 'x', key)))
  t.equal(answers[0]!.text, answers[1]!.text)
  t.equal(answers.filter(({ headers }) => headers['idempotent-replayed'] === 'true').length, 1)
  await expectProblem(t, await clients[0].post('/topics/a', 'y', key), 'MILLRACE_KEY_REUSED')
})

t.test('maxPublishRate holds for an address, whichever workers it publishes to', async t => {
  const hub = await startHub(t, { workers: 2, maxPublishRate: 4 })
  const clients = await clientOfEach(t, hub, TWO)
  const posts = Array.from({ length: 10 }, (_, at) => clients[at % 2]!.post('/topics/a', 'x'))
  const kept = (await Promise.all(posts)).filter(({ status }) => status === 201)
  t.ok(kept.length >= 4 && kept.length <= 6, `${kept.length} of 10 at once`)
})

t.test('maxConnections holds for all workers, and what an ended one had is given back', async t => {
  const hub = await startHub(t, { workers: 2, maxConnections: 8 })
  const [one, other] = await clientOfEach(t, hub, TWO)
  await metricIs(hub, 'millrace_connections', 3)
  const more = await connections(t, hub, 5)
  await metricIs(hub, 'millrace_connections', 8)
  const [excess] = (await connections(t, hub, 1)) as [Http2Client]
  await expectProblem(t, await excess.get('/healthz'), 'MILLRACE_TOO_MANY_CONNECTIONS')
  await crashWorker('worker-1')
  await gone(one)
  await workerIsBack(hub, 'worker-1')
  const left = (): number => [other, ...more].filter(({ session }) => !session.destroyed).length
  // The agent has one too.
  while ((await metric(hub, 'millrace_connections')) !== left() + 1) await sleep(5)
  const free = 8 - (left() + 1)
  t.ok(free >= 1)
  for (const client of await connections(t, hub, free)) t.equal((await client.get('/healthz')).status, 200)
  const [again] = (await connections(t, hub, 1)) as [Http2Client]
  await expectProblem(t, await again.get('/healthz'), 'MILLRACE_TOO_MANY_CONNECTIONS')
})

t.test('/metrics of any worker is that of the hub, and no counter goes back', async t => {
  const hub = await startHub(t, { workers: 2 })
  const clients = await clientOfEach(t, hub, TWO)
  const streams = await Promise.all(clients.map(client => client.listen('/topics/a')))
  for (const stream of streams) stream.resume()
  for (const client of clients) for (let at = 0; at < 5; at++) await client.post('/topics/a', 'x')
  await metricIs(hub, 'millrace_delivered_events_total', 20)
  for (const client of clients) {
    const all = (await client.get('/metrics')).text
    t.match(all, /^millrace_published_events_total 10$/m)
    t.match(all, /^millrace_append_seconds_count 10$/m)
    t.match(all, /^millrace_log_events 10$/m)
    t.match(all, /^millrace_streams 2$/m)
    t.match(all, /^millrace_connections 3$/m)
    t.equal(all.match(/^process_start_time_seconds \d+$/gm)?.length, 1)
    for (const thread of ['main', ...TWO]) {
      t.match(all, `nodejs_eventloop_lag_p99_seconds{thread="${thread}"}`)
      t.match(all, `nodejs_heap_size_used_bytes{thread="${thread}"}`)
    }
  }
  await crashWorker('worker-2')
  await workerIsBack(hub, 'worker-2')
  t.equal(await metric(hub, 'millrace_published_events_total'), 10)
  t.equal(await metric(hub, 'millrace_delivered_events_total'), 20)
  t.equal(await metric(hub, 'millrace_append_seconds_count'), 10)
  await metricIs(hub, 'millrace_subscribers_live', 1)
})

t.test('a port that a hub with workers has is taken, and one that another has too', async t => {
  for (const first of [2, 1]) {
    const hub = await startHub(t, { workers: first })
    for (const workers of [1, 2]) {
      const config = { ...DEFAULTS, log: 'memory:', port: Number(new URL(hub.url).port), tls: false, workers }
      await t.rejects(startServer(config, pino({ level: 'silent' })), { code: 'MILLRACE_PORT_TAKEN' })
    }
    t.equal((await hub.fetch('/healthz')).status, 200)
  }
})

t.test('a worker that ends again and again is given more and more time, and others serve', async t => {
  const reports: { msg: string; delayMs?: number; thread?: string }[] = []
  const logTo = { write: (line: string) => void reports.push(JSON.parse(line) as (typeof reports)[number]) }
  const hub = await startHub(t, { workers: 2 }, logTo)
  for (let death = 0; death < 3; death++) {
    await (death === 0 ? terminateWorker('worker-1') : crashWorker('worker-1'))
    t.equal((await hub.fetch('/healthz')).status, 200)
    await workerIsBack(hub, 'worker-1')
  }
  const ends = reports.filter(({ msg }) => msg === 'a worker ended and is replaced')
  t.same(
    ends.map(({ delayMs }) => delayMs),
    [100, 200, 400],
  )
  t.ok(
    ends.every(({ thread }) => thread === 'worker-1'),
    'the log says which',
  )
  t.ok(
    reports.filter(({ msg, thread }) => msg.startsWith('listening') && thread === 'worker-1').length === 4,
    "its own lines come through the main thread's log",
  )
  t.ok(reports.filter(({ msg }) => msg.startsWith('an error that nobody foresaw')).length >= 2, 'and why')
})

async function connections(t: Test, hub: TestHub, count: number): Promise<Http2Client[]> {
  const clients: Http2Client[] = []
  while (clients.length < count) {
    const client = new Http2Client(t, hub)
    await client.roundTrip()
    clients.push(client)
  }
  return clients
}

async function gone({ session }: Http2Client): Promise<void> {
  if (!session.destroyed) await once(session, 'close')
}

/** Returns what resolves with all of the stream's text, as soon as this is in it. */
function reader(stream: ClientHttp2Stream): (wanted: string) => Promise<string> {
  const chunks = stream.setEncoding('utf8')[Symbol.asyncIterator]() as AsyncIterator<string, void>
  let all = ''
  return async wanted => {
    while (!all.includes(wanted)) {
      const { value } = await chunks.next()
      if (value === undefined) throw new Error(`the stream ended without '${wanted}': ${all}`)
      all += value
    }
    return all
  }
}

/** So many events of a feed, id and data. */
async function lines(stream: AsyncIterable<unknown>, count: number): Promise<string[]> {
  let all = ''
  for await (const chunk of stream) {
    all += String(chunk)
    const blocks = all.split('\n\n').slice(0, -1)
    const events = blocks.filter(block => block.includes('"topic"'))
    if (events.length >= count) return events.map(idFirst)
  }
  throw new Error('the stream ended')
}

function idFirst(block: string): string {
  const [, id] = /^id: (.+)$/m.exec(block)!
  return `${id} ${block}`
}
