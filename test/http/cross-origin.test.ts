// Which pages of other origins may use the hub from a browser.

import t from 'tap'
import { dataOf } from '../support/history.ts'
import { Http1Client } from '../support/http1-client.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'

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
