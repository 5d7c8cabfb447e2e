// Which event streams are compressed, what each of their parts looks like on the wire, and how they end.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { acceptsGzip } from '../../src/http/content-coding.ts'
import { GzipFollower } from '../support/gzip-follower.ts'
import { Http1Client } from '../support/http1-client.ts'
import { headOf, Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'

// Whatever there is, is compressed.
const ALWAYS = { compressionMinReaders: 1, compressionMinBytes: 0 }

function price(number: number): string {
  return JSON.stringify({
    symbol: 'ACME',
    number,
    price: 100 + (number % 17) / 8,
    currency: 'EUR',
    venue: 'XETR',
  })
}

async function publishPrices(hub: TestHub, topic: string, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number++) await hub.publish(topic, price(number))
}

/** Publishes so many events of so many bytes at once; returns the id of the last. */
async function flood(hub: TestHub, topic: string, events: number, bytes: number): Promise<string> {
  const body = `"${'x'.repeat(bytes)}"\n`.repeat(events)
  const headers = { 'content-type': 'application/x-ndjson' }
  const response = await hub.fetch(`/topics/${topic}`, { method: 'POST', body, headers })
  if (response.status !== 201) throw new Error(await response.text())
  return ((await response.json()) as { id: string }).id
}

t.test('accept-encoding says whether a stream may be gzip', async t => {
  const accepted = [
    'gzip',
    'gzip, deflate, br, zstd',
    'br;q=1.0, GZIP;q=0.5',
    'x-gzip',
    '*',
    'gzip;q=0.001',
    'identity;q=0.5, gzip;q=0.5',
    'gzip ; q=1',
    'deflate, *;q=0.1',
  ]
  for (const header of accepted) t.equal(acceptsGzip(header), true, header)
  const refused = [
    undefined,
    '',
    'identity',
    'br, deflate',
    'gzip;q=0',
    'gzip; q=0.000, *',
    '*;q=0',
    'gzip;q=0.5, identity',
    'identity;q=1, *;q=0.5',
    'gzip;q=2',
    'gzip;q=yes',
    'gzipped',
  ]
  for (const header of refused) t.equal(acceptsGzip(header), false, String(header))
})

t.test(
  'only event streams are compressed, for those who accept it, and all say what they depend on',
  async t => {
    const hub = await startHub(t)
    await hub.publish('a', 'hello')
    const client = new Http2Client(t, hub)
    const head = async (path: string, headers: object) => {
      const stream = client.open(path, { accept: 'text/event-stream', ...headers })
      const { status, headers: answer } = await headOf(stream)
      stream.close()
      return {
        status,
        coding: answer['content-encoding'],
        vary: answer.vary,
        cached: answer['cache-control'],
      }
    }
    const gzip = { 'accept-encoding': 'gzip, deflate, br' }
    const cached = 'no-store, no-transform'
    for (const path of ['/topics/a', '/feed?topic=a']) {
      t.match(await head(path, gzip), { status: 200, coding: 'gzip', vary: /accept-encoding/, cached })
      const plain = await head(path, { 'accept-encoding': 'gzip;q=0, identity' })
      t.match(plain, { status: 200, coding: undefined, vary: /accept-encoding/, cached })
      t.match(await head(path, {}), { coding: undefined, vary: /accept-encoding/ })
    }
    const foreign = await head('/topics/a', { ...gzip, origin: 'http://localhost:1' })
    t.match(foreign, { vary: /origin/i, coding: 'gzip' })
    t.match(foreign, { vary: /accept-encoding/ })
    const json = await client.get('/topics/a', { accept: 'application/json', ...gzip })
    t.equal(json.headers['content-encoding'], undefined)
    t.match(JSON.parse(json.text), { events: [{ data: 'hello' }] })
    const summary = await client.get('/topics/a', { ':method': 'HEAD', ...gzip })
    t.match(summary, { status: 200, text: '' })
    t.equal(summary.headers['content-encoding'], undefined)
  },
)

t.test(
  'compression and compressionExclude: streams that may carry such topics are left as they are',
  async t => {
    const off = await startHub(t, { compression: false })
    await t.rejects(GzipFollower.open(new Http2Client(t, off), '/topics/a'), /not compressed/)
    const hub = await startHub(t, { compressionExclude: ['accounts/**', '*/private'] })
    const client = new Http2Client(t, hub)
    for (const path of [
      '/topics/accounts/1',
      '/feed?topic=b&topic=accounts/*',
      '/feed?topic=**',
      '/feed?topic=a/*',
    ]) {
      await t.rejects(GzipFollower.open(client, path), /not compressed/, path)
    }
    for (const path of ['/topics/account', '/feed?topic=b/*/c&topic=a']) {
      t.ok(await GzipFollower.open(client, path), path)
    }
  },
)

t.test('each event is there before the next is published, in less than half of its bytes', async t => {
  const hub = await startHub(t, ALWAYS)
  const client = new Http2Client(t, hub)
  const followers = await Promise.all([1, 2, 3].map(() => GzipFollower.open(client, '/topics/prices')))
  await metricIs(hub, 'millrace_subscribers_live', 3)
  for (let number = 0; number < 100; number++) {
    await hub.publish('prices', price(number))
    for (const { events } of followers) {
      t.equal((await events.take(number + 2)).at(-1)!.data, price(number))
    }
  }
  const [first] = followers as [GzipFollower]
  t.ok(first.bytes < first.text.length * 0.5, `${first.bytes} of ${first.text.length} bytes`)
  const sent = followers.reduce((sum, follower) => sum + follower.bytes, 0)
  t.equal(await metric(hub, 'millrace_gzip_sent_bytes_total'), sent)
  t.equal(
    await metric(hub, 'millrace_gzip_plain_bytes_total'),
    followers.reduce((sum, follower) => sum + follower.text.length, 0),
  )
})

t.test(
  'compressionMinReaders and compressionMinBytes: what costs more than it saves is sent as it is',
  async t => {
    const hub = await startHub(t, { compressionMinReaders: 3, compressionMinBytes: 3000 })
    const client = new Http2Client(t, hub)
    const [first, second] = [
      await GzipFollower.open(client, '/topics/t'),
      await GzipFollower.open(client, '/topics/t'),
    ]
    await metricIs(hub, 'millrace_subscribers_live', 2)
    const grows = async (bytes: number): Promise<number> => {
      const before = first.bytes
      const count = first.events.items.length
      await hub.publish('t', 'x'.repeat(bytes))
      await first.events.take(count + 1)
      await second.events.take(count + 1)
      return first.bytes - before
    }
    t.ok((await grows(5000)) > 5000, 'two are too few')
    const third = await GzipFollower.open(client, '/topics/t')
    await metricIs(hub, 'millrace_subscribers_live', 3)
    t.ok((await grows(900)) > 900, '2,900 bytes are too few')
    t.ok((await grows(1100)) < 200, '3,500 bytes are not')
    third.stream.close()
    await metricIs(hub, 'millrace_subscribers_live', 2)
    t.ok((await grows(5000)) > 5000, 'two are too few again')
  },
)

t.test('a reader that falls behind goes on with the same gzip stream when it reads again', async t => {
  const hub = await startHub(t, ALWAYS)
  const client = new Http2Client(t, hub)
  const [steady, slow] = [
    await GzipFollower.open(client, '/topics/t'),
    await GzipFollower.open(new Http2Client(t, hub), '/topics/t'),
  ]
  await metricIs(hub, 'millrace_subscribers_live', 2)
  for (let round = 1; round <= 3; round++) {
    await publishPrices(hub, 't', round * 100, round * 100 + 20)
    slow.stream.pause()
    // Noise does not get smaller: only so does the backlog fill.
    while ((await metric(hub, 'millrace_fell_behind_total')) < round) {
      await hub.publish(
        't',
        Buffer.from(Array.from({ length: 50_000 }, () => Math.random() * 256)).toString('base64'),
      )
    }
    await publishPrices(hub, 't', round * 100 + 20, round * 100 + 40)
    slow.stream.resume()
    const last = await hub.publish('t', `round ${round}`)
    await Promise.all([steady, slow].map(({ events }) => events.find(({ id }) => id === last)))
    await metricIs(hub, 'millrace_subscribers_live', 2)
  }
  t.equal(slow.text.slice(slow.text.indexOf('\n\n')), steady.text.slice(steady.text.indexOf('\n\n')))
})

t.test('history is compressed for those who come back together', async t => {
  const hub = await startHub(t, { compressionMinReaders: 3, compressionMinBytes: 0 })
  const last = await flood(hub, 't', 500, 1000)
  const client = new Http2Client(t, hub)
  const followers: GzipFollower[] = []
  for (let number = 0; number < 6; number++) {
    const follower = await GzipFollower.open(client, '/topics/t?after=earliest')
    await follower.events.find(({ id }) => id === last)
    followers.push(follower)
  }
  const shares = followers.map(({ bytes, text }) => bytes / text.length)
  t.ok(shares[0]! > 1, 'the first gets it as it is')
  t.ok(shares[5]! < 0.2, `the last gets ${shares[5]} of it`)
  for (const { text } of followers) t.equal(text.length, followers[0]!.text.length)
})

t.test('a silent stream gets comments, a busy one something that brings nothing', async t => {
  const hub = await startHub(t, { ...ALWAYS, heartbeatMs: 400 })
  const client = new Http2Client(t, hub)
  const follower = await GzipFollower.open(client, '/topics/t')
  const comments = (): number => follower.text.split('\n').filter(line => line === ':').length
  while (comments() < 2) await once(follower.stream, 'data')
  const before = comments()
  const until = performance.now() + 1300
  let published = 0
  while (performance.now() < until) {
    await hub.publish('t', price(published++))
    await sleep(20)
  }
  t.ok(comments() <= before + 1, `${comments() - before} comments while there were events`)
  const empty = Buffer.from([0, 0, 0, 0xff, 0xff])
  t.ok(follower.received.filter(chunk => chunk.equals(empty)).length >= 2, 'empty blocks instead')
  while (comments() < before + 3) await once(follower.stream, 'data')
})

t.test('a stream that the hub ends is a whole gzip file, checksum and all', async t => {
  for (const options of [ALWAYS, {}]) {
    const hub = await startHub(t, options)
    const client = new Http2Client(t, hub)
    const follower = await GzipFollower.open(client, '/topics/t')
    await metricIs(hub, 'millrace_subscribers_live', 1)
    await publishPrices(hub, 't', 0, 30)
    await follower.events.take(31)
    const whole = once(follower.stream, 'end')
    await hub.server.close()
    await whole
    await follower.ended
    t.equal(gunzipSync(Buffer.concat(follower.received)).toString(), follower.text)
    t.match(follower.events.items.at(-1), { event: 'millrace:bye' })
  }
})

t.test('over HTTP/1.1 it is the same stream', async t => {
  const hub = await startHub(t, ALWAYS)
  const client = await Http1Client.connect(t, hub)
  client.send('GET /topics/t', ['accept: text/event-stream', 'accept-encoding: gzip'])
  const { headers } = await client.head()
  t.match(headers, { 'content-encoding': 'gzip', 'transfer-encoding': 'chunked', vary: 'accept-encoding' })
})
