// Clients that begin and do not go on: handshakes, heads and bodies, over HTTP/2 and HTTP/1.1. Each is ended after the
// time that its option gives it; a body that goes on, however slowly, is not.

import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { Http1Client } from '../support/http1-client.ts'
import { startHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'
import { CODE, FLAG, FRAME, frame, RawHttp2, requestBlock } from '../support/raw-http2.ts'
import { servesOthers, startVictim, survives, type Victim } from '../support/victim.ts'

const NDJSON = [['content-type', 'application/x-ndjson']] as const

const LIMIT_MS = 400

const quick = (t: Test, ...flags: string[]): Promise<Victim> =>
  startVictim(t, [
    `--head-timeout-ms=${LIMIT_MS}`,
    `--body-timeout-ms=${LIMIT_MS}`,
    '--ping-interval-ms=200',
    '--ping-timeout-ms=400',
    ...flags,
  ])

/** What the topic holds. */
async function dataOf(hub: Victim, topic: string): Promise<unknown[]> {
  const page = (await (await hub.fetch(`/topics/${topic}`)).json()) as { events: { data: unknown }[] }
  return page.events.map(event => event.data)
}

const text = (id: number, body: string, flags = 0): Buffer => frame(FRAME.data, flags, id, Buffer.from(body))

async function isClosed(t: Test, name: string, socket: Socket): Promise<void> {
  socket.on('error', () => {}).resume()
  t.teardown(() => socket.destroy())
  const startedAt = performance.now()
  if (!socket.closed) await once(socket, 'close')
  const tookMs = performance.now() - startedAt
  t.ok(tookMs < 5000, `${name} is closed after ${Math.round(tookMs)} ms`)
}

t.test('headTimeoutMs, pingTimeoutMs: connections on which nothing is asked', async t => {
  const hub = await quick(t)
  const port = Number(new URL(hub.url).port)
  const tls = { port, host: 'localhost', servername: 'localhost', ca: hub.ca }
  await survives(t, hub, async () => {
    const begun = await RawHttp2.connect(t, hub, { answers: false })
    begun.send(frame(FRAME.headers, 0, 1, requestBlock('/')))
    const trickling = await RawHttp2.connect(t, hub, { answers: false })
    trickling.send(frame(FRAME.headers, 0, 1, requestBlock('/')))
    const drops = setInterval(() => trickling.send(frame(FRAME.continuation, 0, 1, Buffer.of(0))), 150)
    const half = await Http1Client.connect(t, hub)
    half.socket.write('GET / HTTP/1.1\r\nhost: local')
    await Promise.all([
      isClosed(t, 'a connection without a handshake', connectTcp({ port, host: '127.0.0.1' })),
      isClosed(
        t,
        'a handshake that stops',
        connectTcp({ port, host: '127.0.0.1' })
          .setNoDelay()
          .on('connect', function (this: Socket) {
            this.write(Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]))
          }),
      ),
      isClosed(t, 'HTTP/2 without a preface', connectTls({ ...tls, ALPNProtocols: ['h2'] })),
      isClosed(t, 'HTTP/1.1 without a request', connectTls({ ...tls, ALPNProtocols: ['http/1.1'] })),
      isClosed(t, 'half a head over HTTP/2', begun.socket),
      isClosed(t, 'a head that comes byte by byte over HTTP/2', trickling.socket),
      isClosed(t, 'half a head over HTTP/1.1', half.socket),
    ])
    clearInterval(drops)
    await metricIs(hub, 'millrace_abuse_total{reason="late"}', 4)
  })
})

t.test('headTimeoutMs: a head that comes byte by byte over HTTP/1.1, first or second', async t => {
  const hub = await quick(t)
  await survives(t, hub, async () => {
    for (const before of [0, 1]) {
      const client = await Http1Client.connect(t, hub)
      for (let number = 0; number < before; number++) {
        client.send('GET /healthz')
        t.equal((await client.answer()).status, 200)
      }
      client.socket.write('GET /healthz HTTP/1.1\r\nx: ')
      const drops = setInterval(() => client.socket.write('y'), 20)
      const answer = await client.answer()
      clearInterval(drops)
      await expectProblem(t, answer, 'MILLRACE_REQUEST_TIMEOUT')
      await isClosed(t, 'it', client.socket)
    }
    t.equal(await metric(hub, 'millrace_abuse_total{reason="late"}'), 2)
  })
})

t.test('headTimeoutMs, bodyTimeoutMs: the same without TLS', async t => {
  const hub = await startHub(t, { tls: false, headTimeoutMs: LIMIT_MS, bodyTimeoutMs: LIMIT_MS })
  const [head, body] = [await Http1Client.connect(t, hub), await Http1Client.connect(t, hub)]
  head.socket.write('GET /healthz HTTP/1.1\r\nx: ')
  body.send('POST /topics/a', ['content-length: 100'])
  body.socket.write('half')
  for (const client of [head, body]) {
    await expectProblem(t, await client.answer(), 'MILLRACE_REQUEST_TIMEOUT')
    await isClosed(t, 'it', client.socket)
  }
})

t.test('bodyTimeoutMs: a body that stops is refused; of its lines, those that came are kept', async t => {
  const hub = await quick(t)
  await survives(t, hub, async () => {
    const raw = await RawHttp2.connect(t, hub)
    raw.request(1, '/topics/whole', 'POST')
    raw.send(text(1, 'half'))
    raw.request(3, '/topics/lines', 'POST', NDJSON)
    raw.send(text(3, '1\n2\n3'))
    raw.request(5, '/topics/nothing', 'POST')
    for (const id of [1, 3, 5]) t.equal(await raw.status(id), 408)
    for (const id of [1, 3, 5]) t.equal(await raw.resetCode(id), CODE.noError)
    for (const topic of ['whole', 'nothing'])
      t.equal((await hub.fetch(`/topics/${topic}`, { method: 'HEAD' })).status, 404)
    t.same(await dataOf(hub, 'lines'), [1, 2])
    t.equal(raw.isClosed, false)
    raw.cut()

    const plain = await Http1Client.connect(t, hub)
    plain.send('POST /topics/plain', ['content-type: application/x-ndjson', 'content-length: 100'])
    plain.socket.write('1\n2\n3')
    const problem = await expectProblem(t, await plain.answer(), 'MILLRACE_REQUEST_TIMEOUT')
    t.match(problem, { line: 3, published: 2 })
    await isClosed(t, 'it', plain.socket)
    t.same(await dataOf(hub, 'plain'), [1, 2])
  })
})

t.test('bodyTimeoutMs: an upload that trickles on, or rests between two lines, is left alone', async t => {
  const hub = await quick(t)
  const raw = await RawHttp2.connect(t, hub)
  raw.request(1, '/topics/slow', 'POST', NDJSON)
  for (const piece of ['0\n', '"a', 'b', '"', '\n2\n']) {
    raw.send(text(1, piece))
    await sleep(piece.endsWith('\n') ? LIMIT_MS * 2 : LIMIT_MS / 4)
  }
  raw.send(text(1, '', FLAG.endStream))
  t.equal(await raw.status(1), 201)
  t.same(await dataOf(hub, 'slow'), [0, 'ab', 2])
})

t.test('bodyTimeoutMs: a refused body that goes on is read no longer than that', async t => {
  const hub = await quick(t, '--max-body-bytes=1000')
  await survives(t, hub, async () => {
    const raw = await RawHttp2.connect(t, hub)
    const plain = await Promise.all(['/topics/large', '/nothing'].map(() => Http1Client.connect(t, hub)))
    raw.request(1, '/topics/large', 'POST')
    raw.request(3, '/nothing', 'POST')
    plain[0]!.send('POST /topics/large', ['content-length: 1000000000'])
    plain[1]!.send('POST /nothing', ['content-length: 1000000000'])
    const drops = setInterval(() => {
      raw.send(text(1, 'x'.repeat(600)), text(3, 'x'))
      for (const { socket } of plain) socket.write('x'.repeat(600))
    }, 20)
    t.equal(await raw.status(1), 413)
    t.equal(await raw.status(3), 404)
    for (const id of [1, 3]) t.equal(await raw.resetCode(id), CODE.noError)
    t.equal((await plain[0]!.answer()).status, 413)
    t.equal((await plain[1]!.answer()).status, 404)
    for (const { socket } of plain) await isClosed(t, 'it', socket)
    clearInterval(drops)
    raw.cut()
  })
})

t.test('hundreds of slow clients at once', async t => {
  // On a busy machine Node does not learn of every connection that is cut while it writes to it: then a PING tells.
  const pings = ['--ping-interval-ms=1000', '--ping-timeout-ms=1000']
  const hub = await startVictim(t, ['--head-timeout-ms=2000', '--body-timeout-ms=2000', ...pings])
  await survives(t, hub, async () => {
    const heads = await Promise.all(Array.from({ length: 150 }, () => Http1Client.connect(t, hub)))
    const bodies = await Promise.all(Array.from({ length: 50 }, () => RawHttp2.connect(t, hub)))
    for (const { socket } of heads) socket.write('GET / HTTP/1.1\r\n')
    for (const raw of bodies) {
      for (let id = 1; id < 200; id += 2) raw.request(id, '/topics/slow', 'POST')
    }
    t.ok((await servesOthers(hub)) < 2000)
    await Promise.all(heads.map(({ socket }) => isClosed(t, 'a head', socket)))
    await Promise.all(bodies.map(raw => raw.status(199)))
    for (const raw of bodies) raw.cut()
    await metricIs(hub, 'millrace_abuse_total{reason="late"}', 150 + 50 * 100)
    t.ok(hub.logged.length < 20, `${hub.logged.length} lines were logged`)
  })
})
