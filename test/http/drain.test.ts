// Shutting down: everybody is told when to come back, nothing under way is lost, and nobody can hold it up.

import { once } from 'node:events'
import type { ClientHttp2Stream } from 'node:http2'
import { connect } from 'node:net'
import t from 'tap'
import { Http1Client } from '../support/http1-client.ts'
import { answerTo, Http2Client } from '../support/http2-client.ts'
import { startHub } from '../support/hub.ts'
import { metricIs } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'
import { startRelay } from '../support/relay.ts'

async function textOf(stream: ClientHttp2Stream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

t.test('each stream is said goodbye to, with a time to come back of its own', async t => {
  const hub = await startHub(t, { retryMs: 10_000, drainMs: 300 })
  const client = new Http2Client(t, hub)
  const streams = await Promise.all(Array.from({ length: 20 }, () => client.listen('/feed?topic=a')))
  const texts = Promise.all(streams.map(textOf))
  await hub.server.close()
  const retries = (await texts).map(text => {
    const [, retry] = /\nevent: millrace:bye\nretry: (\d+)\ndata: {"reason":"drain"}\n\n$/.exec(text) ?? []
    if (retry === undefined) t.fail(text)
    return Number(retry)
  })
  t.ok(
    retries.every(retry => retry >= 5000 && retry <= 15_000),
    retries.join(' '),
  )
  t.ok(new Set(retries).size > 10, 'they do not come back all at once')
})

t.test('a stream over HTTP/1.1 is said goodbye to as well', async t => {
  const hub = await startHub(t)
  const client = await Http1Client.connect(t, hub)
  client.send('GET /topics/a', ['accept: text/event-stream'])
  await client.bodyUntil('millrace:open')
  const closed = once(client.socket, 'close')
  await hub.server.close()
  await client.bodyUntil('event: millrace:bye')
  await closed
})

t.test('HTTP/2 clients get GOAWAY, and nobody can connect any more', async t => {
  const hub = await startHub(t, { drainMs: 500 })
  const client = new Http2Client(t, hub)
  const stream = await client.listen('/topics/a')
  const ended = textOf(stream)
  const goaway = once(client.session, 'goaway')
  const closing = hub.server.close()
  const [code] = await goaway
  t.equal(code, 0)
  const socket = connect(Number(new URL(hub.url).port), 'localhost')
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  t.match(error.code ?? (error as unknown as AggregateError).errors, /ECONNREFUSED/)
  await Promise.all([closing, ended])
})

t.test('a publish that is under way finishes; what comes after it is sent elsewhere', async t => {
  const hub = await startHub(t, { drainMs: 500 })
  const client = new Http2Client(t, hub)
  const upload = client.open('/topics/a', { ':method': 'POST' }, false)
  upload.write('half')
  const lines = client.open('/topics/a', { ':method': 'POST', 'content-type': 'application/x-ndjson' }, false)
  lines.write('1\n')
  await client.roundTrip()
  const plains = await Promise.all(
    ['/readyz', '/topics/a', '/healthz'].map(() => Http1Client.connect(t, hub)),
  )
  for (const plain of plains) {
    plain.send('POST /topics/a', ['content-length: 8'])
    plain.socket.write('half')
  }
  await metricIs(hub, 'millrace_connections', 5)
  const goaway = once(client.session, 'goaway')
  const closing = hub.server.close()
  await goaway
  const answers = [answerTo(upload), answerTo(lines)]
  upload.end(' and half')
  lines.end('2\n')
  for (const [at, path] of ['/readyz', '/topics/a', '/healthz'].entries()) {
    plains[at]!.socket.write('half')
    plains[at]!.send(`GET ${path}`)
  }
  t.match(await Promise.all(answers), [{ status: 201 }, { status: 201, text: /"published":2/ }])
  for (const plain of plains) t.equal((await plain.answer()).status, 201)
  for (const plain of plains.slice(0, 2)) {
    const answer = await plain.answer()
    await expectProblem(t, answer, 'MILLRACE_DRAINING')
    t.match(answer.headers, { connection: 'close', 'retry-after': /^\d+$/ })
  }
  t.equal((await plains[2]!.answer()).status, 200, 'the process is alive')
  await closing
})

t.test('a client that does not read cannot hold it up', async t => {
  const hub = await startHub(t, { drainMs: 300 })
  const client = new Http2Client(t, hub)
  const stream = await client.listen('/topics/flood')
  const plain = await Http1Client.connect(t, hub)
  plain.send('GET /topics/flood', ['accept: text/event-stream'])
  await plain.bodyUntil('millrace:open')
  plain.socket.pause()
  for (let number = 0; number < 40; number++) await hub.publish('flood', 'x'.repeat(500_000))
  await metricIs(hub, 'millrace_subscribers_behind', 2)
  const upload = client.open('/topics/flood', { ':method': 'POST' }, false)
  upload.write('never ended')
  const startedAt = performance.now()
  await hub.server.close()
  const tookMs = performance.now() - startedAt
  t.ok(tookMs < 300 + 500 + 1000, `it took ${tookMs} ms`)
  stream.resume()
  if (!client.session.destroyed) await once(client.session, 'close')
})

t.test('a peer that vanished with much under way cannot hold it up either', async t => {
  const hub = await startHub(t, { drainMs: 300 })
  const relay = await startRelay(t, hub)
  // What a browser allows: enough to fill the sockets' buffers.
  const windowBytes = 50_000_000
  const settings = { initialWindowSize: windowBytes }
  const client = new Http2Client(t, relay.hub, { servername: 'localhost', settings })
  client.session.once('connect', () => client.session.setLocalWindowSize(windowBytes))
  await client.listen('/topics/flood')
  await client.roundTrip()
  relay.freeze()
  for (let number = 0; number < 40; number++) await hub.publish('flood', 'x'.repeat(500_000))
  const startedAt = performance.now()
  await hub.server.close()
  const tookMs = performance.now() - startedAt
  t.ok(tookMs < 300 + 500 + 1000, `it took ${tookMs} ms`)
})

t.test('a client that never began its TLS handshake cannot hold it up', async t => {
  const hub = await startHub(t)
  const mute = connect({ port: Number(new URL(hub.url).port), host: '127.0.0.1' })
  t.teardown(() => mute.destroy())
  await once(mute, 'connect')
  const isCut = once(mute, 'close')
  await hub.server.close()
  await isCut
  t.pass('closed')
})

t.test('an idle hub with idle clients closes at once', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  await client.get('/healthz')
  await Http1Client.connect(t, hub)
  const startedAt = performance.now()
  await Promise.all([hub.server.close(), hub.server.close()])
  t.ok(performance.now() - startedAt < 2000)
})
