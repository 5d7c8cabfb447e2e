// Whatever is refused, and wherever, is refused with a problem of the catalogue.

import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { Http1Client } from '../support/http1-client.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'

t.test('a path that no route has is not found', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  for (const path of ['/nothing', '/topicsx', '/feed/', '/Topics/a', '/events/x', '//', '/%2e%2e/']) {
    const answer = await client.get(path)
    await expectProblem(t, answer, 'MILLRACE_NOT_FOUND')
  }
  await expectProblem(t, await client.post('/nothing', 'x'), 'MILLRACE_NOT_FOUND')
  const plain = await Http1Client.connect(t, hub)
  plain.send('GET /nothing')
  await expectProblem(t, await plain.answer(), 'MILLRACE_NOT_FOUND')
})

t.test('a method that a path does not take is answered with those that it does', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  for (const [method, path, allow] of [
    ['PATCH', '/topics/a', ['DELETE', 'GET', 'HEAD', 'POST', 'PUT']],
    ['POST', '/topics', ['GET']],
    ['GET', '/events', ['POST']],
    ['POST', '/feed?topic=a', ['GET']],
    ['DELETE', '/healthz', ['GET']],
    ['PUT', '/', ['GET']],
    ['TRACE', '/topics/a', ['DELETE', 'GET', 'HEAD', 'POST', 'PUT']],
    ['QUERY', '/metrics', ['GET']],
  ] as const) {
    const answer = await client.post(path, '', { ':method': method, 'content-type': 'text/plain' })
    await expectProblem(t, answer, 'MILLRACE_METHOD_NOT_ALLOWED')
    t.same(String(answer.headers.allow).split(', ').sort(), allow, `${method} ${path}`)
  }
})

t.test("a request that Fastify itself refuses is the client's fault, not ours", async t => {
  const hub = await startHub(t)
  const answer = await new Http2Client(t, hub).post('/metrics', 'x', { ':method': 'QUERY' })
  await expectProblem(t, answer, 'MILLRACE_REQUEST_INVALID')
})

t.test('what HTTP/1.1 cannot parse is a problem too, and the connection ends', async t => {
  const hub = await startHub(t)
  for (const request of [
    'nonsense\r\n\r\n',
    'GET / HTTP/1.1\r\nbad header\r\n\r\n',
    'BREW / HTTP/1.1\r\n\r\n',
  ]) {
    const client = await Http1Client.connect(t, hub)
    client.socket.write(request)
    const answer = await client.answer()
    await expectProblem(t, answer, 'MILLRACE_REQUEST_INVALID')
    t.equal(answer.headers.connection, 'close')
  }
})

t.test('a problem names its request, and its type is explained at /errors', async t => {
  const hub = await startHub(t)
  const response = await hub.fetch('/nothing')
  const problem = (await response.json()) as { type: string; requestId: string }
  t.match(problem.requestId, /\S/)
  t.equal(response.headers.get('cache-control'), 'no-store')
  const [path, anchor] = problem.type.split('#')
  t.match(await (await hub.fetch(path!)).text(), `id="${anchor}"`)
})

t.test('a refused connection ends, even if the peer leaves its side open', async t => {
  const hub = await startHub(t, { tls: false })
  const { port } = new URL(hub.url)
  const socket = connectTcp({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  socket.write('NONSENSE\r\n\r\n')
  socket.resume()
  await once(socket, 'end')
  const open = async (): Promise<string | undefined> => {
    const metrics = await (await fetch(`${hub.url}/metrics`)).text()
    return /^millrace_connections (\d+)$/m.exec(metrics)?.[1]
  }
  // The one that asks.
  while ((await open()) !== '1') await turn()
  t.pass('it is no longer counted')
})
