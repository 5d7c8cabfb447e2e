// Which pages of other origins may use the hub from a browser.

import { once } from 'node:events'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Writable } from 'node:stream'
import t from 'tap'
import type { Config } from '../../src/config/schema.ts'
import { dataOf } from '../support/history.ts'
import { Http1Client, type Http1Answer } from '../support/http1-client.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'
import { SECRET } from '../support/tokens.ts'

const APP = 'https://app.example.org'

t.test('a page of an allowed origin may read, publish, and see our headers', async t => {
  const hub = await startHub(t, { corsOrigin: [APP] })
  const client = new Http2Client(t, hub)
  for (const answer of [
    await client.post('/topics/a', 'x', { origin: APP }),
    await client.get('/topics/a', { origin: APP }),
    await client.get('/topics/a', { ':method': 'HEAD', origin: APP }),
    await client.get('/nothing', { origin: APP }),
  ]) {
    t.equal(answer.headers['access-control-allow-origin'], APP)
    t.match(answer.headers.vary, /origin/i)
    const exposed = String(answer.headers['access-control-expose-headers']).split(', ')
    for (const name of ['link', 'etag', 'retry-after', 'millrace-last', 'idempotent-replayed']) {
      t.ok(exposed.includes(name), name)
    }
  }
  const stream = client.open('/topics/a', { accept: 'text/event-stream', origin: APP })
  const headers = await new Promise<object>(resolve => void stream.once('response', resolve))
  t.match(headers, { ':status': 200, 'access-control-allow-origin': APP })
})

t.test('a preflight is answered for what the page asks', async t => {
  const hub = await startHub(t, { corsOrigin: [APP] })
  const client = new Http2Client(t, hub)
  const ask = (path: string, method: string, headers: string, origin = APP) =>
    client.get(path, {
      ':method': 'OPTIONS',
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': headers,
    })
  for (const [path, method, headers] of [
    ['/topics/a/b', 'PUT', 'content-type,idempotency-key'],
    ['/topics/a', 'DELETE', 'x-anything'],
    ['/feed?topic=a', 'GET', 'last-event-id'],
    ['/events', 'POST', 'content-type'],
  ] as const) {
    const answer = await ask(path, method, headers)
    t.equal(answer.status, 204, path)
    t.equal(answer.headers['access-control-allow-origin'], APP)
    t.match(answer.headers['access-control-allow-methods'], method)
    t.equal(answer.headers['access-control-allow-headers'], headers)
    t.match(answer.headers['access-control-max-age'], /^\d+$/)
  }
  const foreign = await ask('/topics/a', 'PUT', 'content-type', 'https://evil.example')
  await expectProblem(t, foreign, 'MILLRACE_ORIGIN_FORBIDDEN')
  t.notOk('access-control-allow-origin' in foreign.headers)
})

t.test('a page of a foreign origin may neither read nor publish', async t => {
  const hub = await startHub(t, { corsOrigin: [APP] })
  const client = new Http2Client(t, hub)
  await hub.publish('a', 'ours')
  for (const origin of [
    'https://evil.example',
    'http://app.example.org',
    'https://app.example.org:8443',
    'https://app.example.org.evil.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'null',
    '',
  ]) {
    for (const answer of [
      await client.post('/topics/a', 'theirs', { origin }),
      await client.post('/events', '{"topic":"a","data":1}', {
        origin,
        'content-type': 'application/x-ndjson',
      }),
      await client.get('/topics/a', { origin }),
      await client.get('/feed?topic=a', { origin, accept: 'text/event-stream' }),
      await client.get('/topics', { origin }),
      await client.get('/topics/a', { origin, ':method': 'DELETE' }),
    ]) {
      await expectProblem(t, answer, 'MILLRACE_ORIGIN_FORBIDDEN')
      t.notOk('access-control-allow-origin' in answer.headers)
    }
  }
  t.same(await dataOf(hub, 'a'), ['ours'])
})

t.test('pages from this machine may use a hub that only this machine reaches', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  for (const origin of [
    'http://localhost:5173',
    'https://127.0.0.1',
    'http://[::1]:8080',
    'http://app.localhost',
  ]) {
    const answer = await client.get('/topics', { origin })
    t.equal(answer.status, 200, origin)
    t.equal(answer.headers['access-control-allow-origin'], origin)
  }
  t.equal((await client.get('/topics', { origin: hub.url })).status, 200, 'its own pages, too')
  await expectProblem(t, await client.get('/topics', { origin: APP }), 'MILLRACE_ORIGIN_FORBIDDEN')
})

t.test('a name that is made to point to this machine does not lead to the hub (DNS rebinding)', async t => {
  const hub = await startHub(t, { tls: false })
  const { port } = new URL(hub.url)
  const client = await Http1Client.connect(t, hub)
  const origin = `http://evil.example:${port}`
  client.socket.write(
    `POST /topics/a HTTP/1.1\r\nhost: evil.example:${port}\r\norigin: ${origin}\r\ncontent-length: 1\r\n\r\nx`,
  )
  const { status, text } = await client.answer()
  t.equal(status, 403)
  t.match(text, 'MILLRACE_HOST_FORBIDDEN')
  // A page's own GET has no Origin, and by such a name it could read the answer.
  const reader = await Http1Client.connect(t, hub)
  reader.socket.write(`GET /topics/a HTTP/1.1\r\nhost: evil.example:${port}\r\n\r\n`)
  t.match(await reader.answer(), { status: 403, text: 'MILLRACE_HOST_FORBIDDEN' })
})

t.test('a hub on loopback answers to the names that it was given', async t => {
  const hub = await startHub(t, { tls: false, allowedHost: ['hub.example.org'] })
  for (const [host, expected] of [
    ['Hub.Example.org:8443', 200],
    ['hub.example.org', 200],
    ['[::1]:9443', 200],
    ['127.0.0.1', 200],
    ['app.localhost', 200],
    ['other.example.org', 403],
    ['hub.example.org.evil.example', 403],
    ['localhost.evil.example', 403],
  ] as const) {
    const client = await Http1Client.connect(t, hub)
    client.socket.write(`GET /topics HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
    t.match(await client.answer(), { status: expected }, host)
  }
})

t.test('off loopback, a hub that was given names answers to those, and to its address', async t => {
  const options = { tls: false, host: '0.0.0.0' }
  const named = await startHub(t, { ...options, allowedHost: ['Hub.example.org'] })
  const unnamed = await startHub(t, options)
  const status = async (hub: TestHub, host: string): Promise<number> => {
    const client = await Http1Client.connect(t, hub)
    client.socket.write(`GET /topics HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
    return (await client.answer()).status
  }
  for (const [host, expected] of [
    ['hub.example.org:8443', 200],
    ['localhost', 200],
    ['127.0.0.1:9443', 200],
    ['192.0.2.1', 403],
    ['evil.example', 403],
    ['hub.example.org.evil.example', 403],
  ] as const) {
    t.equal(await status(named, host), expected, host)
    t.equal(await status(unnamed, host), 200, `${host}, where no name was given`)
  }
  const secure = await startHub(t, { ...options, tls: true, allowedHost: ['hub.example.org'] })
  const client = new Http2Client(t, { ...secure, url: secure.url.replace('0.0.0.0', 'localhost') })
  for (const [host, expected] of [
    ['hub.example.org', 200],
    ['192.0.2.1', 403],
    ['evil.example', 403],
  ] as const) {
    t.equal((await client.get('/topics', { ':authority': host })).status, expected, `${host}, by HTTP/2`)
  }
  const address = ownAddress()
  if (address === undefined) return
  const socket = connect({ host: address, port: Number(new URL(named.url).port) })
  t.teardown(() => socket.destroy())
  socket.write(`GET /topics HTTP/1.1\r\nhost: ${address}\r\n\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.match(answer.toString(), /^HTTP\/1.1 200 /)
})

t.test('a hub that any page can reach by a name of its own says so at the start', async t => {
  const warnings = async (options: Partial<Config>): Promise<number> => {
    const lines: string[] = []
    const logTo = new Writable({
      write: (line: Buffer, _encoding, done) => (lines.push(line.toString()), done()),
    })
    await startHub(t, options, logTo)
    return lines.filter(line => line.includes('--allowed-host')).length
  }
  const nothing = { anonymousPublish: [], anonymousReceive: [], anonymousMetrics: false }
  const reachable = { host: '0.0.0.0', tls: false, ...nothing }
  t.equal(await warnings({ ...reachable, anonymousReceive: ['a'] }), 1)
  t.equal(await warnings({ ...reachable, anonymousPublish: ['a'], workers: 2 }), 1)
  t.equal(await warnings(reachable), 0, 'nothing is open')
  t.equal(await warnings({ ...reachable, anonymousReceive: ['a'], allowedHost: ['a.example'] }), 0)
  t.equal(await warnings({ ...reachable, anonymousReceive: ['a'], host: '127.0.0.1' }), 0)
  t.equal(await warnings({ ...reachable, anonymousReceive: ['a'], tls: true }), 0)
})

function ownAddress(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address
}

t.test('behind a proxy the hub is where it was told that clients reach it', async t => {
  const publicUrl = 'https://hub.example.org'
  const hub = await startHub(t, {
    tls: false,
    publicUrl,
    allowedHost: ['hub.example.org'],
    jwtKey: SECRET,
    anonymousReceive: ['a'],
    anonymousPublish: ['a'],
  })
  const ask = async (path: string, origin = publicUrl): Promise<Http1Answer> => {
    const client = await Http1Client.connect(t, hub)
    client.socket.write(`GET ${path} HTTP/1.1\r\nhost: hub.example.org\r\norigin: ${origin}\r\n\r\n`)
    return client.answer()
  }
  t.equal((await ask('/topics/a')).status, 200, 'its own pages')
  t.equal((await ask('/topics/a', 'https://else.example.org')).status, 403)
  const challenged = await ask('/.well-known/mercure?topic=a')
  t.match(
    challenged.headers['www-authenticate'],
    `resource_metadata="${publicUrl}/.well-known/oauth-protected-resource/.well-known/mercure"`,
  )
  const metadata = await ask('/.well-known/oauth-protected-resource/.well-known/mercure')
  t.match(JSON.parse(metadata.text), { resource: `${publicUrl}/.well-known/mercure` })
})
