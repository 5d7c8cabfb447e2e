// Silence: streams on which nothing happens are kept open, and peers that are gone without a word are freed.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import t from 'tap'
import { Http1Client } from '../support/http1-client.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHubProcess } from '../support/hub-process.ts'
import { startHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { FLAG, FRAME, frame, RawHttp2 } from '../support/raw-http2.ts'
import { startRelay } from '../support/relay.ts'

t.test('a silent stream gets a bare comment every heartbeatMs', async t => {
  const hub = await startHub(t, { heartbeatMs: 50 })
  const client = new Http2Client(t, hub)
  const stream = await client.listen('/topics/a')
  let text = ''
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (text.endsWith('\n\n:\n:\n:\n')) break
  }
  await hub.publish('a', 'x')
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    text += String(chunk)
    if (text.includes('data: x')) break
  }
  t.match(text, /^event: millrace:open\n[^]*\n\n(:\n){3,}data: x\nid: [^\n]+\n\n/)
  const plain = await Http1Client.connect(t, hub)
  plain.send('GET /topics/b', ['accept: text/event-stream'])
  t.match(await plain.bodyUntil(':\n\r\n'), 'millrace:open')
})

t.test('pingIntervalMs, pingTimeoutMs: an HTTP/2 peer that vanished is freed', async t => {
  const hub = await startHub(t, { pingIntervalMs: 200, pingTimeoutMs: 200 })
  const relay = await startRelay(t, hub)
  const client = new Http2Client(t, relay.hub, { servername: 'localhost' })
  await client.listen('/topics/a')
  await client.listen('/feed?topic=a')
  const steady = new Http2Client(t, hub)
  await steady.listen('/topics/a')
  await metricIs(hub, 'millrace_streams', 3)
  // What is measured is seen by asking, which takes its time on a machine that is busy.
  const askedAt = performance.now()
  for (let round = 0; round < 5; round++) await metric(hub, 'millrace_streams')
  const askingMs = performance.now() - askedAt
  relay.freeze()
  const frozenAt = performance.now()
  await metricIs(hub, 'millrace_closes_total{reason="vanished"}', 2)
  const tookMs = performance.now() - frozenAt
  t.ok(tookMs > 150 && tookMs < 400 + 1000 + askingMs, `it took ${tookMs} ms, asking ${askingMs}`)
  t.equal(await metric(hub, 'millrace_streams'), 1)
  await metricIs(hub, 'millrace_connections', 2)
  t.equal((await steady.get('/healthz')).status, 200, 'a peer that answers stays')
})

t.test('pingTimeoutMs: a peer that vanished with much under way is freed as well', async t => {
  const hub = await startHub(t, { pingIntervalMs: 50, pingTimeoutMs: 200 })
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
  await metricIs(hub, 'millrace_closes_total{reason="vanished"}', 1)
  await metricIs(hub, 'millrace_connections', 1)
})

t.test('pingTimeoutMs: a peer whose answer waits while the hub stands still has not vanished', async t => {
  const hub = await startHubProcess(t, ['--ping-interval-ms=200', '--ping-timeout-ms=500'])
  const raw = await RawHttp2.connect(t, { ...hub, ca: readFileSync(hub.caFile, 'utf8') }, { answers: false })
  const ping = await raw.find(each => each.type === FRAME.ping)
  hub.child.kill('SIGSTOP')
  raw.send(frame(FRAME.settings, FLAG.ack, 0), frame(FRAME.ping, FLAG.ack, 0, ping.payload))
  await sleep(800)
  hub.child.kill('SIGCONT')
  raw.request(1, '/healthz')
  t.equal(await raw.status(1), 200)
})

t.test('pingTimeoutMs: a peer that answers after what it was sending has not vanished', async t => {
  const hub = await startHub(t, { pingIntervalMs: 2000, pingTimeoutMs: 500 })
  const raw = await RawHttp2.connect(t, hub, { answers: false })
  raw.send(frame(FRAME.settings, FLAG.ack, 0))
  const lines = [['content-type', 'application/x-ndjson']] as const
  raw.request(1, '/topics/a', 'POST', [...lines, ['content-length', '2']])
  const ping = await raw.find(each => each.type === FRAME.ping)
  await sleep(250)
  raw.send(frame(FRAME.data, 0, 1, Buffer.from('1\n')))
  await sleep(500)
  raw.send(frame(FRAME.ping, FLAG.ack, 0, ping.payload), frame(FRAME.data, FLAG.endStream, 1))
  t.equal(await raw.status(1), 201)
  const mute = await RawHttp2.connect(t, hub, { answers: false })
  mute.request(1, '/topics/a', 'POST', lines)
  const pieces = setInterval(() => mute.send(frame(FRAME.data, 0, 1, Buffer.from('1\n'))), 50)
  await mute.closed
  clearInterval(pieces)
})

t.test('idleTimeoutMs: a connection that carries nothing is closed, one with a stream stays', async t => {
  const hub = await startHub(t, { idleTimeoutMs: 300, pingIntervalMs: 100 })
  const steady = new Http2Client(t, hub)
  await steady.listen('/topics/a')
  const idle = new Http2Client(t, hub)
  await idle.get('/healthz')
  const plain = await Http1Client.connect(t, hub)
  plain.send('GET /healthz')
  const startedAt = performance.now()
  await Promise.all([once(idle.session, 'close'), once(plain.socket, 'close')])
  const tookMs = performance.now() - startedAt
  t.ok(tookMs > 250, `after ${tookMs} ms`)
  t.notOk(steady.session.closed)
  t.equal((await steady.get('/healthz')).status, 200)
})

t.test('an open stream holds on to none of what its request was made of', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  const streams = await Promise.all(Array.from({ length: 20 }, () => client.listen('/topics/a')))
  // Collects first. Some others may belong to requests that have just been answered.
  t.ok(queryObjects(Http2ServerRequest, { format: 'count' }) < 10)
  t.ok(queryObjects(Http2ServerResponse, { format: 'count' }) < 10)
  t.ok(streams.every(stream => !stream.closed))
  streams[0]!.close()
  await metricIs(hub, 'millrace_streams', 19)
})
