// Each limit by its option's name: what is just allowed, what is refused, and that the rest goes on.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ConnectionCounts } from '../../src/http/connection-counts.ts'
import { Rates } from '../../src/http/rates.ts'
import { Http1Client } from '../support/http1-client.ts'
import { headOf, Http2Client } from '../support/http2-client.ts'
import { startHub } from '../support/hub.ts'
import { metricIs } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'

const SSE = { accept: 'text/event-stream' }

t.test('maxStreamsPerConnection: one more stream is refused, other requests are not', async t => {
  const hub = await startHub(t, { maxStreamsPerConnection: 3 })
  const client = new Http2Client(t, hub)
  const streams = [
    await client.listen('/topics/a'),
    await client.listen('/feed?topic=b'),
    await client.listen('/topics/a'),
  ]
  for (const path of ['/topics/a', '/feed?topic=a']) {
    const refused = await client.get(path, SSE)
    await expectProblem(t, refused, 'MILLRACE_TOO_MANY_STREAMS')
    t.match(refused.headers['retry-after'], /^\d+$/)
  }
  t.equal((await client.post('/topics/a', 'x')).status, 201)
  t.equal((await client.get('/topics/a')).status, 200)
  await new Http2Client(t, hub).listen('/topics/a')
  streams[0]!.close()
  await metricIs(hub, 'millrace_streams', 3)
  await client.listen('/topics/a')
})

t.test('maxStreamsPerConnection: full of streams, a connection has room for plain requests', async t => {
  const hub = await startHub(t, { maxStreamsPerConnection: 100 })
  const client = new Http2Client(t, hub)
  await Promise.all(Array.from({ length: 100 }, () => client.listen('/topics/a')))
  const answers = await Promise.all(Array.from({ length: 200 }, () => client.post('/topics/b', 'x')))
  t.ok(answers.every(({ status }) => status === 201))
})

t.test('maxConnections: one more is told so and closed; then there is room again', async t => {
  const hub = await startHub(t, { maxConnections: 11 })
  // The agent's own connection is one of them.
  await metricIs(hub, 'millrace_connections', 1)
  const clients = Array.from({ length: 10 }, () => new Http2Client(t, hub))
  for (const client of clients) t.equal((await client.get('/healthz')).status, 200)
  await metricIs(hub, 'millrace_connections', 11)

  const excess = new Http2Client(t, hub)
  const refused = await excess.get('/healthz')
  await expectProblem(t, refused, 'MILLRACE_TOO_MANY_CONNECTIONS')
  t.match(refused.headers['retry-after'], /^\d+$/)
  if (!excess.session.closed) await once(excess.session, 'close')

  const plain = await Http1Client.connect(t, hub)
  plain.send('GET /topics/a', ['accept: text/event-stream'])
  const answer = await plain.answer()
  await expectProblem(t, answer, 'MILLRACE_TOO_MANY_CONNECTIONS')
  t.equal(answer.headers.connection, 'close')

  t.equal((await clients[0]!.get('/healthz')).status, 200, 'those that are there stay')
  clients[1]!.session.close()
  await metricIs(hub, 'millrace_connections', 10)
  t.equal((await new Http2Client(t, hub).get('/healthz')).status, 200)
})

t.test('maxConnectionsPerAddress: one more is told so and closed; other addresses have theirs', async t => {
  // The agent of the test has one.
  const hub = await startHub(t, { maxConnectionsPerAddress: 3 })
  await metricIs(hub, 'millrace_connections', 1)
  const [first, second] = [new Http2Client(t, hub), new Http2Client(t, hub)]
  for (const client of [first, second]) t.equal((await client.get('/healthz')).status, 200)
  const excess = new Http2Client(t, hub)
  await expectProblem(t, await excess.get('/healthz'), 'MILLRACE_ADDRESS_CONNECTIONS')
  if (!excess.session.closed) await once(excess.session, 'close')
  const neighbour = new Http2Client(t, hub, { localAddress: '127.0.0.2' })
  t.equal((await neighbour.get('/healthz')).status, 200)
  await second.close()
  await metricIs(hub, 'millrace_connections', 3)
  t.equal((await new Http2Client(t, hub).get('/healthz')).status, 200)
})

t.test('an address is counted by its network, in all threads, and until its thread ends', async t => {
  const memory = ConnectionCounts.memory(2)
  const [one, other] = [new ConnectionCounts(memory, 0), new ConnectionCounts(memory, 1)]
  one.addConnections(1, '2001:db8:1:2::7')
  one.addConnections(1, '2001:db8:1:2:3:4:5:6')
  other.addConnections(1, '2001:db8:1:2:9::')
  other.addConnections(1, '::ffff:192.0.2.1')
  t.equal(other.connectionsOf('2001:db8:1:2:ffff::1'), 3)
  t.equal(one.connectionsOf('2001:db8:1:3::7'), 0)
  t.equal(one.connectionsOf('192.0.2.1'), 1)
  t.equal(one.connectionsOf('192.0.2.2'), 0)
  one.clear()
  t.equal(other.connectionsOf('2001:db8:1:2::7'), 1)
  other.addConnections(-1, '2001:db8:1:2:9::')
  t.equal(other.connectionsOf('2001:db8:1:2::7'), 0)
  t.equal(other.connections, 1)
})

t.test('maxHeaderBytes: a larger head is refused on both protocols, and the connection goes on', async t => {
  const hub = await startHub(t, { maxHeaderBytes: 4096 })
  const client = new Http2Client(t, hub)
  const plain = await Http1Client.connect(t, hub)
  const answers = [
    (value: string) => client.get('/healthz', { 'x-large': value }),
    (value: string) => client.get(`/healthz?large=${value}`),
    (value: string) => {
      plain.send('GET /healthz', [`x-large: ${value}`])
      return plain.answer()
    },
    (value: string) => {
      plain.send(`GET /healthz?large=${value}`)
      return plain.answer()
    },
  ]
  for (const ask of answers) {
    t.equal((await ask('x'.repeat(3500))).status, 200)
    await expectProblem(t, await ask('x'.repeat(4096)), 'MILLRACE_HEADERS_TOO_LARGE')
    await expectProblem(t, await ask('x'.repeat(16_000)), 'MILLRACE_HEADERS_TOO_LARGE')
    t.equal((await ask('x')).status, 200)
  }
})

t.test(
  'maxHeaderBytes: a head beyond all measure ends the request or the connection, not the hub',
  async t => {
    const hub = await startHub(t, { maxHeaderBytes: 4096 })
    const plain = await Http1Client.connect(t, hub)
    plain.send('GET /healthz', [`x-large: ${'x'.repeat(40_000)}`])
    await expectProblem(t, await plain.answer(), 'MILLRACE_HEADERS_TOO_LARGE')
    const client = new Http2Client(t, hub, { maxSendHeaderBlockLength: 1_000_000 })
    await t.rejects(client.get('/healthz', { 'x-large': 'x'.repeat(200_000) }))
    t.equal((await hub.fetch('/healthz')).status, 200)
  },
)

t.test('maxPatternsPerFeed: one more is refused', async t => {
  const hub = await startHub(t, { maxPatternsPerFeed: 3 })
  const client = new Http2Client(t, hub)
  await client.listen('/feed?topic=a&topic=b/*&topic=c/**')
  const refused = await client.get('/feed?topic=a&topic=b/*&topic=c/**&topic=d', SSE)
  await expectProblem(t, refused, 'MILLRACE_TOO_MANY_PATTERNS')
})

t.test('maxPublishRate: a faster client is refused, and told when to come back', async t => {
  const hub = await startHub(t, { maxPublishRate: 5 })
  const client = new Http2Client(t, hub)
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.post('/topics/a', 'x')))
  const refused = answers.filter(({ status }) => status !== 201)
  t.ok(refused.length >= 10 && refused.length <= 15, `${refused.length} of 20 were refused`)
  for (const answer of refused) await expectProblem(t, answer, 'MILLRACE_PUBLISH_RATE')
  const seconds = Number(refused.at(-1)?.headers['retry-after'])
  t.ok(seconds >= 1 && seconds <= 2)
  t.equal((await client.get('/topics/a')).status, 200, 'reading is not publishing')
  await sleep(seconds * 1000)
  t.equal((await client.post('/topics/a', 'x')).status, 201)
})

t.test('maxPublishRate holds for a token too, wherever it comes from', async t => {
  let now = 0
  const rates = new Rates({ maxPublishRate: 4, maxStreamRate: 1 }, () => now)
  const taken = (address: string, holder: string, amount = 1): boolean =>
    rates.take('publish', [address, holder], amount) === 0
  t.same(
    ['1', '2', '3', '4', '5'].map(address => taken(address, 'ann')),
    [true, true, true, true, false],
    'one token from many addresses',
  )
  t.ok(taken('5', 'bob'), 'what was refused was not taken from the address')
  t.notOk(
    ['a', 'b', 'c', 'd'].every(holder => taken('5', holder)),
    'many tokens from one address',
  )
  t.equal(rates.take('stream', ['1'], 1), 0, 'streams are counted apart')
  t.equal(rates.take('stream', ['1'], 1), 1000)
  now += 1000
  t.ok(taken('1', 'ann'))
})

t.test('maxStreamRate: streams are opened no faster, and other requests are not streams', async t => {
  const hub = await startHub(t, { maxStreamRate: 3 })
  const client = new Http2Client(t, hub)
  const paths = ['/topics/a', '/feed?topic=a', '/topics/b', '/feed?topic=*', '/topics/c', '/topics/d']
  const heads = await Promise.all(paths.map(path => headOf(client.open(path, SSE))))
  t.equal(heads.filter(({ status }) => status === 200).length, 3)
  t.equal(heads.filter(({ status }) => status === 429).length, 3)
  const refused = await client.get('/topics/a', SSE)
  await expectProblem(t, refused, 'MILLRACE_STREAM_RATE')
  t.ok(Number(refused.headers['retry-after']) >= 1)
  t.equal((await client.get('/topics/a')).status, 200, 'a page is no stream')
})

t.test('maxPageEvents: pages are no longer, whatever is asked for', async t => {
  const hub = await startHub(t, { maxPageEvents: 5 })
  for (let number = 0; number < 8; number++) await hub.publish(`topic-${number}`, 'x')
  for (let number = 0; number < 8; number++) await hub.publish('a', 'x')
  for (const query of ['', '?limit=6', '?limit=1000000']) {
    const page = await hub.fetch(`/topics/a${query}`)
    t.equal(((await page.json()) as { events: unknown[] }).events.length, 5)
    t.match(page.headers.get('link'), 'limit=5')
    const list = await hub.fetch(`/topics${query}`)
    t.equal(((await list.json()) as { topics: unknown[] }).topics.length, 5)
  }
})

t.test('maxTopicNameBytes: bytes count, not characters', async t => {
  const hub = await startHub(t, { maxTopicNameBytes: 10 })
  const post = (topic: string) => hub.fetch(`/topics/${topic}`, { method: 'POST', body: 'x' })
  t.equal((await post('0123456789')).status, 201)
  t.equal((await post('üüüüü')).status, 201)
  await expectProblem(t, await post('01234567890'), 'MILLRACE_TOPIC_INVALID')
  await expectProblem(t, await post('üüüüüü'), 'MILLRACE_TOPIC_INVALID')
  const feed = await hub.fetch('/feed?topic=0123456789/*', { headers: SSE })
  await expectProblem(t, feed, 'MILLRACE_PATTERN_INVALID')
})
