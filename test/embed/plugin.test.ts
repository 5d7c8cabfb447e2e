// A hub inside somebody's Fastify app works as one with a server of its own does, under its prefix, until the app closes.

import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify from 'fastify'
import t from 'tap'
import millrace, { type MillraceOptions } from '../../src/index.ts'
import { OPEN, startEmbedded, type Protocol } from '../support/embedded.ts'
import { EventReader } from '../support/event-reader.ts'
import { expectProblem } from '../support/problem.ts'
import { Http1Client } from '../support/http1-client.ts'

const PROTOCOLS: readonly Protocol[] = ['HTTP/1.1', 'HTTP/1.1 over TLS', 'HTTP/2 over TLS']

for (const protocol of PROTOCOLS) {
  t.test(`events reach streams under the prefix over ${protocol}, and who comes back resumes`, async t => {
    const hub = await startEmbedded(t, { protocol })
    const reader = await EventReader.open(hub, '/push/feed?topic=orders/*')
    t.equal((await reader.next())?.event, 'millrace:open')
    const { id, topic } = await hub.app.hub.publish('orders/1', { state: 'paid' }, { type: 'changed' })
    t.equal(topic, 'orders/1')
    const event = await reader.next()
    t.equal(event?.id, id)
    t.match(JSON.parse(event!.data), { topic, type: 'changed', data: { state: 'paid' } })
    const second = await hub.publish('orders/2', 'by a request')
    t.equal((await reader.next())?.id, second)
    reader.close()

    const third = await hub.app.hub.publish('orders/1', 'while away')
    const resumed = await EventReader.open(hub, '/push/topics/orders/1', { 'last-event-id': second })
    t.equal((await resumed.next())?.event, 'millrace:open')
    t.match(await resumed.next(), { id: third.id, data: 'while away' })
    resumed.close()
  })

  t.test(`the app closes while streams are open over ${protocol}, and they are told`, async t => {
    const hub = await startEmbedded(t, { protocol })
    const readers = await Promise.all([1, 2, 3].map(() => EventReader.open(hub, '/push/feed?topic=a')))
    for (const reader of readers) t.equal((await reader.next())?.event, 'millrace:open')
    const closed = hub.app.close()
    for (const reader of readers) {
      const bye = await reader.next()
      t.equal(bye?.event, 'millrace:bye')
      t.same(JSON.parse(bye!.data), { reason: 'drain' })
      t.equal(await reader.next(), undefined)
    }
    await closed
  })

  t.test(`HEAD opens no stream over ${protocol}`, async t => {
    const hub = await startEmbedded(t, { protocol })
    await hub.publish('a', 'one')
    t.equal((await hub.fetch('/push/feed?topic=a', { method: 'HEAD' })).status, 405)
    const head = await hub.fetch('/push/topics/a', { method: 'HEAD' })
    t.equal(head.status, 200)
    t.equal(head.headers.get('millrace-events'), '1')
  })
}

for (const protocol of PROTOCOLS) {
  // An EventSource tries again when it finds nobody, and gives up when it is refused.
  t.test(`whoever comes back while the app closes finds nobody over ${protocol}`, async t => {
    const hub = await startEmbedded(t, { protocol, options: { ...OPEN, drainMs: 1000 } })
    const reader = await EventReader.open(hub, '/push/topics/a')
    t.equal((await reader.next())?.event, 'millrace:open')
    const upload = new PassThrough()
    const headers = { 'content-type': 'application/x-ndjson' }
    const uploaded = hub.fetch('/push/topics/a', { method: 'POST', body: upload, duplex: 'half', headers })
    upload.write('1\n')
    t.equal((await reader.next())?.data, '1')
    const closed = hub.app.close()
    t.equal((await reader.next())?.event, 'millrace:bye')
    t.equal(await reader.next(), undefined)
    await t.rejects(hub.fetch('/push/topics/a'), { cause: { code: 'ECONNREFUSED' } })
    upload.end('2\n')
    t.equal((await uploaded).status, 201, 'what had begun has the time to end')
    await closed
  })
}

t.test('paths that the hub names have the prefix', async t => {
  const hub = await startEmbedded(t)
  for (const text of ['one', 'two', 'three']) await hub.app.hub.publish('a b/c', text)
  await hub.app.hub.publish('z', 'one')
  const page = await hub.fetch('/push/topics/a%20b/c?limit=1')
  t.match(page.headers.get('link'), /^<\/push\/topics\/a%20b\/c\?after=\S+&limit=1>; rel="next"$/)
  const next = /<(.*)>/.exec(page.headers.get('link')!)![1]!
  t.match(await (await hub.fetch(next)).json(), { events: [{ data: 'two' }] })
  const newest = await hub.fetch('/push/topics/a%20b/c?limit=1&before=latest')
  t.match(newest.headers.get('link'), /^<\/push\/topics\/a%20b\/c\?before=\S+&limit=1>; rel="prev"$/)
  const topics = await hub.fetch('/push/topics?limit=1')
  t.match(topics.headers.get('link'), /^<\/push\/topics\?match/)
  const missing = (await (await hub.fetch('/push/nothing')).json()) as { type: string }
  t.equal(missing.type, '/push/errors#MILLRACE_NOT_FOUND')
  t.match(await (await hub.fetch('/push/errors')).text(), 'id="MILLRACE_NOT_FOUND"')
  const wrong = await hub.fetch('/push/feed', { method: 'PUT' })
  t.equal(wrong.status, 405)
  const described = (await (await hub.fetch('/push/openapi.json')).json()) as { paths: object }
  t.ok('/push/topics/{topic}' in described.paths, Object.keys(described.paths).join())
})

t.test('Mercure is spoken under the prefix', async t => {
  const hub = await startEmbedded(t)
  const path = '/push/.well-known/mercure'
  const reader = await EventReader.open(hub, `${path}?topic=https%3A%2F%2Fexample.org%2Fbooks%2F1`)
  t.equal(reader.header('link'), `<${path}>; rel="mercure"`)
  const body = new URLSearchParams({ topic: 'https://example.org/books/1', data: 'sold' })
  t.equal((await hub.fetch(path, { method: 'POST', body })).status, 200)
  t.match(await reader.next(), { data: 'sold' })
  reader.close()
  const own = new URLSearchParams({ topic: `${path}/subscriptions/x`, data: '' })
  t.equal((await hub.fetch(path, { method: 'POST', body: own })).status, 400, "the hub's own topics")
  const metadata = await hub.fetch(`/push/.well-known/oauth-protected-resource/.well-known/mercure`)
  t.match(await metadata.json(), { resource: `${hub.url}${path}` })
})

t.test('streams are counted by HTTP/2 connection', async t => {
  const options = { ...OPEN, maxStreamsPerConnection: 2 }
  const hub = await startEmbedded(t, { protocol: 'HTTP/2 over TLS', options })
  const readers = await Promise.all([1, 2].map(() => EventReader.open(hub, '/push/topics/a')))
  const headers = { accept: 'text/event-stream' }
  await expectProblem(t, await hub.fetch('/push/topics/a', { headers }), 'MILLRACE_TOO_MANY_STREAMS')
  for (const reader of readers) reader.close()
})

t.test('two hubs have a scope each', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  const add = (prefix: string): unknown =>
    app.register(async scope => {
      await scope.register(millrace, { prefix, log: 'memory:', ...OPEN })
      await scope.hub.publish('a', prefix)
    })
  await add('/one')
  await add('/two')
  for (const prefix of ['/one', '/two']) {
    const answer = await app.inject(`${prefix}/topics/a`)
    t.match(answer.json(), { events: [{ data: prefix }] })
  }
  t.notOk(app.hasDecorator('hub'))
})

t.test('a scope with a prefix has the hub under it', async t => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(
    async scope => {
      await scope.register(millrace, { prefix: '/push', log: 'memory:', ...OPEN })
      await scope.hub.publish('a', 'one')
    },
    { prefix: '/api' },
  )
  const answer = await app.inject('/api/push/topics?limit=1')
  t.match(answer.headers.link, '</api/push/topics?')
})

t.test('an upload that goes on is cut when the app closes', async t => {
  const hub = await startEmbedded(t)
  const client = await Http1Client.connect(t, hub)
  client.send('POST /push/topics/a', ['content-type: application/x-ndjson', 'transfer-encoding: chunked'])
  client.socket.write('4\r\n"a"\n\r\n')
  while (
    (await hub.fetch('/push/topics/a').then(answer => answer.json() as Promise<{ events: unknown[] }>)).events
      .length === 0
  );
  const ended = once(client.socket, 'close')
  await Promise.all([hub.app.close(), ended])
})

t.test('a log on disk is free again when the app has closed', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const options: Partial<MillraceOptions> = { ...OPEN, log: `sqlite:${directory}` }
  const first = await startEmbedded(t, { options })
  const { id } = await first.app.hub.publish('a', 'kept')
  const taken = fastify()
  await t.rejects(async () => taken.register(millrace, { prefix: '/push', ...options }), {
    code: 'MILLRACE_LOG_IN_USE',
  })
  await taken.close()
  await first.app.close()
  const second = await startEmbedded(t, { options })
  t.equal(second.app.hub.head, id)
  t.match(await (await second.fetch('/push/topics/a')).json(), { events: [{ id, data: 'kept' }] })
})

t.test('an app that fails to start can be closed, and the log is free', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const options = { prefix: '/push', log: `sqlite:${directory}`, ...OPEN }
  const app = fastify()
  app.get('/push/feed', async () => 'here before')
  await t.rejects(async () => app.register(millrace, options), { code: 'FST_ERR_DUPLICATED_ROUTE' })
  await app.close()
  const other = fastify()
  await other.register(millrace, options)
  await other.close()
})
