// What operators and tools ask for: health, metrics, the interface's own description, the errors.

import t from 'tap'
import { ERRORS } from '../../src/errors.ts'
import { EventReader } from '../support/event-reader.ts'
import { startHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'

t.test('a hub that runs is alive and ready', async t => {
  const hub = await startHub(t)
  for (const [path, status] of [
    ['/healthz', 'ok'],
    ['/readyz', 'ready'],
  ] as const) {
    const response = await hub.fetch(path)
    t.equal(response.status, 200)
    t.same(await response.json(), { status })
  }
})

t.test('/metrics is in the format of Prometheus', async t => {
  const hub = await startHub(t)
  const response = await hub.fetch('/metrics')
  t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  const lines = (await response.text()).trimEnd().split('\n')
  const sample = /^[a-z_:][a-z0-9_:]*(\{[^}]*\})? (-?[0-9.e+-]+|\+Inf|NaN)$/i
  t.same(
    lines.filter(line => line !== '' && !line.startsWith('# ') && !sample.test(line)),
    [],
  )
  t.ok(lines.some(line => line.startsWith('process_resident_memory_bytes ')))
})

t.test('the metrics follow what happens', async t => {
  const hub = await startHub(t, { logMaxTopicEvents: 5 })
  const readers = await Promise.all([1, 2].map(() => EventReader.open(hub, '/topics/a')))
  await metricIs(hub, 'millrace_subscribers_live', 2)
  t.equal(await metric(hub, 'millrace_streams'), 2)
  t.ok((await metric(hub, 'millrace_connections')) >= 1)
  const first = await hub.publish('a', 'x'.repeat(1000))
  for (let number = 0; number < 9; number++) await hub.publish('a', 'x'.repeat(1000))
  await hub.fetch('/topics/b', { method: 'PUT', body: 'state' })
  for (const reader of readers) await reader.take(11)
  t.equal(await metric(hub, 'millrace_published_events_total'), 11)
  t.equal(await metric(hub, 'millrace_delivered_events_total'), 20)
  t.ok((await metric(hub, 'millrace_writes_total')) >= 2)
  t.ok((await metric(hub, 'millrace_flush_seconds_count')) >= 1)
  t.equal(await metric(hub, 'millrace_log_topics'), 2)
  t.equal(await metric(hub, 'millrace_log_events'), 6)
  t.ok((await metric(hub, 'millrace_log_bytes')) > 5000)
  t.ok((await metric(hub, 'millrace_state_bytes')) > 0)
  const late = await EventReader.open(hub, '/topics/a', { 'last-event-id': first })
  await late.take(2)
  t.equal(await metric(hub, 'millrace_gaps_total'), 1)
  for (const reader of [...readers, late]) reader.close()
  await metricIs(hub, 'millrace_closes_total{reason="client"}', 3)
  for (const name of ['streams', 'subscribers_live', 'subscribers_behind']) {
    await metricIs(hub, `millrace_${name}`, 0)
  }
})

interface Operation {
  readonly responses: Record<string, { content?: Record<string, object>; description?: string }>
  readonly parameters?: { name: string; in: string; required?: boolean; schema: object }[]
  readonly requestBody?: { content: Record<string, object> }
  readonly summary?: string
}

t.test('nothing that was published is taken for a page or a script', async t => {
  const hub = await startHub(t)
  await hub.publish('a', '<script>alert(1)</script>')
  for (const accept of ['application/json', 'text/event-stream']) {
    const response = await hub.fetch('/topics/a?after=earliest', { headers: { accept } })
    t.equal(response.headers.get('x-content-type-options'), 'nosniff')
    await response.body?.cancel()
  }
  const problem = await hub.fetch('/topics/%3Cscript%3E*')
  t.equal(problem.headers.get('x-content-type-options'), 'nosniff')
})

t.test('/openapi.json describes every route', async t => {
  const hub = await startHub(t)
  const response = await hub.fetch('/openapi.json')
  t.match(response.headers.get('content-type'), /^application\/json/)
  const { openapi, info, paths } = (await response.json()) as {
    openapi: string
    info: object
    paths: Record<string, Record<string, Operation>>
  }
  t.match(openapi, /^3\.1\.\d$/)
  t.match(info, { title: 'Millrace', version: /^\d+\.\d+\.\d+/ })
  t.same(
    Object.entries(paths)
      .flatMap(([path, operations]) => Object.keys(operations).map(method => `${method} ${path}`))
      .sort(),
    [
      'delete /inspector/api/streams/{feed}',
      'delete /session',
      'delete /topics/{topic}',
      'get /.well-known/mercure',
      'get /.well-known/mercure/subscriptions',
      'get /.well-known/mercure/subscriptions/{rest}',
      'get /.well-known/oauth-protected-resource/.well-known/mercure',
      'get /errors',
      'get /feed',
      'get /healthz',
      'get /inspector/api/stats',
      'get /inspector/api/streams',
      'get /metrics',
      'get /openapi.json',
      'get /readyz',
      'get /topics',
      'get /topics/{topic}',
      'head /.well-known/mercure',
      'head /.well-known/oauth-protected-resource/.well-known/mercure',
      'head /topics/{topic}',
      'patch /feed/{feed}',
      'post /.well-known/mercure',
      'post /events',
      'post /feed/{feed}/token',
      'post /inspector/api/token',
      'post /topics/{topic}',
      'put /session',
      'put /topics/{topic}',
    ],
  )
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { responses, parameters = [], summary }] of Object.entries(operations)) {
      const title = `${method} ${path}`
      t.type(summary, 'string', title)
      t.ok(Object.keys(responses).length > 0, title)
      for (const [status, each] of Object.entries(responses)) {
        t.match(status, /^([1-5]\d\d|[1-5]XX|default)$/, title)
        t.type(each.description, 'string', title)
      }
      for (const [, name] of path.matchAll(/\{(.+?)\}/g)) {
        t.match(
          parameters.find(parameter => parameter.in === 'path'),
          { name, required: true, schema: { type: 'string' } },
          title,
        )
      }
    }
  }
  t.same(Object.keys(paths['/topics/{topic}']!.post!.requestBody!.content), [
    'text/plain',
    'application/json',
    'application/x-ndjson',
  ])
  t.same(Object.keys(paths['/events']!.post!.requestBody!.content), ['application/x-ndjson'])
  t.ok('text/event-stream' in paths['/feed']!.get!.responses['200']!.content!)
})

t.test('/errors explains the whole catalogue', async t => {
  const hub = await startHub(t)
  const response = await hub.fetch('/errors')
  t.match(response.headers.get('content-type'), /^text\/html/)
  const text = await response.text()
  for (const [code, { status, title }] of Object.entries(ERRORS)) {
    t.ok(text.includes(`id="${code}"`) && text.includes(`(${status})`) && text.includes(title), code)
  }
})

t.test('the welcome page runs no script but its own', async t => {
  const hub = await startHub(t)
  const response = await hub.fetch('/')
  t.equal(response.status, 200)
  t.match(response.headers.get('content-security-policy'), /^default-src 'none'/)
  t.notMatch(await response.text(), /<(script|link|img)[^>]+(src|href)="https?:/)
})
