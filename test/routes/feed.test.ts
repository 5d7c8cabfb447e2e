// Many topics and patterns on one stream.

import t from 'tap'
import { EventReader } from '../support/event-reader.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub } from '../support/hub.ts'
import { metricIs } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'

t.test('a feed carries what any of its topics and patterns match, once, in order', async t => {
  const hub = await startHub(t)
  const query = ['a', 'orders/*', 'logs/**', 'orders/1', 'a'].map(name => `topic=${name}`).join('&')
  const reader = await EventReader.open(hub, `/feed?${query}`)
  const [open] = await reader.take(1)
  t.match(JSON.parse(open?.data ?? ''), { topics: ['a', 'orders/1', 'logs/**', 'orders/*'] })
  const ids: string[] = []
  for (const topic of ['a', 'orders/1', 'orders/1/x', 'logs', 'logs/x/y', 'b']) {
    ids.push(await hub.publish(topic, `to ${topic}`, { 'content-type': 'text/plain' }))
  }
  const events = await reader.take(4)
  t.same(
    events.map(({ id }) => id),
    [ids[0], ids[1], ids[3], ids[4]],
  )
  t.match(
    events.map(({ data }) => JSON.parse(data) as object),
    [
      { topic: 'a', data: 'to a', time: /Z$/ },
      { topic: 'orders/1' },
      { topic: 'logs' },
      { topic: 'logs/x/y', data: 'to logs/x/y' },
    ],
  )
  reader.close()
})

t.test('one cursor resumes all of a feed', async t => {
  const hub = await startHub(t)
  const query = '/feed?topic=a&topic=b/*'
  const reader = await EventReader.open(hub, query)
  await reader.take(1)
  await hub.publish('a', '1')
  await reader.take(1)
  reader.close()
  await metricIs(hub, 'millrace_streams', 0)
  for (const topic of ['b/1', 'c', 'a', 'b/2']) await hub.publish(topic, topic)
  for (const [path, headers] of [
    [query, { 'last-event-id': reader.lastId! }],
    [`${query}&after=${reader.lastId}`, {}],
    [`${query}&lastEventId=${reader.lastId}`, {}],
  ] as const) {
    const resumed = await EventReader.open(hub, path, { ...headers })
    const [, ...events] = await resumed.take(4)
    t.same(
      events.map(({ data }) => (JSON.parse(data) as { topic: string }).topic),
      ['b/1', 'a', 'b/2'],
    )
    resumed.close()
  }
})

t.test('a type travels in the envelope, where a pattern cannot be listened to', async t => {
  const hub = await startHub(t)
  const reader = await EventReader.open(hub, '/feed?topic=a')
  await reader.take(1)
  await hub.fetch('/topics/a?type=update', { method: 'POST', body: '' })
  const [event] = await reader.take(1)
  t.equal(event?.event, undefined)
  t.match(JSON.parse(event?.data ?? ''), { topic: 'a', type: 'update', data: '' })
  reader.close()
})

t.test('a feed is refused with the reason', async t => {
  const hub = await startHub(t, { anonymousReceive: ['open/**'] })
  const client = new Http2Client(t, hub)
  for (const [query, code] of [
    ['', 'MILLRACE_REQUEST_INVALID'],
    ['?topics=a', 'MILLRACE_REQUEST_INVALID'],
    ['?topic=', 'MILLRACE_TOPIC_INVALID'],
    ['?topic=open/a&topic=', 'MILLRACE_TOPIC_INVALID'],
    ['?topic=%00', 'MILLRACE_TOPIC_INVALID'],
    ['?topic=a*', 'MILLRACE_PATTERN_INVALID'],
    ['?topic=**/a', 'MILLRACE_PATTERN_INVALID'],
    ['?topic=***', 'MILLRACE_PATTERN_INVALID'],
    [`?topic=*/${'x'.repeat(256)}`, 'MILLRACE_PATTERN_INVALID'],
    ['?topic=closed', 'MILLRACE_FORBIDDEN'],
    ['?topic=open/a&topic=closed', 'MILLRACE_FORBIDDEN'],
    ['?topic=*', 'MILLRACE_FORBIDDEN'],
    ['?topic=**', 'MILLRACE_FORBIDDEN'],
    ['?topic=*/a', 'MILLRACE_FORBIDDEN'],
    ['?topic=open/a&after=x', 'MILLRACE_ID_INVALID'],
  ] as const) {
    await expectProblem(t, await client.get(`/feed${query}`, { accept: 'text/event-stream' }), code)
  }
  const json = await client.get('/feed?topic=open/a', { accept: 'application/json' })
  await expectProblem(t, json, 'MILLRACE_NOT_ACCEPTABLE')
  for (const query of ['?topic=open/a', '?topic=open/*', '?topic=open/**', '?topic=open']) {
    t.equal((await client.listen(`/feed${query}`)).closed, false, query)
  }
})

t.test('an id that this hub never issued is announced, and so is everything that is kept', async t => {
  const hub = await startHub(t)
  const id = await hub.publish('a', 'x')
  for (const foreign of [
    '00000000000-00000000007',
    '42',
    'x'.repeat(2000),
    `${id.slice(0, -1)}z`,
    'urn:uuid:7',
  ]) {
    const reader = await EventReader.open(hub, '/feed?topic=a', { 'last-event-id': foreign })
    const [open, gap, event] = await reader.take(3)
    t.match(open, { event: 'millrace:open', id: undefined })
    t.match(gap, { event: 'millrace:gap', data: /"reason":"unknown"/ }, foreign.slice(0, 40))
    t.equal(event?.id, id)
    reader.close()
  }
})

t.test('a stream tells caches, proxies and clients how to treat it', async t => {
  const hub = await startHub(t, { retryMs: 1234 })
  const client = new Http2Client(t, hub)
  for (const path of ['/feed?topic=a', '/topics/a']) {
    const reader = await EventReader.open(hub, path)
    t.equal(reader.header('content-type'), 'text/event-stream')
    t.match(reader.header('cache-control'), /no-store/)
    t.equal(reader.header('x-accel-buffering'), 'no')
    reader.close()
    const stream = await client.listen(path)
    const [first] = (await stream.iterator({ destroyOnReturn: false }).next()).value.toString().split('\n\n')
    t.match(first, /^event: millrace:open\nretry: 1234\ndata: [^\n]+\nid: [^\n]+$/)
    stream.close(8)
  }
})
