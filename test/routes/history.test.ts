// A topic's history as pages of JSON, and long polling.

import { once } from 'node:events'
import t from 'tap'
import type { RequestInit } from 'undici'
import { EventReader } from '../support/event-reader.ts'
import { pageOf, type HistoryEvent, type Page } from '../support/history.ts'
import { Http1Client } from '../support/http1-client.ts'
import { answerTo, Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'

const nextOf = (link: string | null): string | undefined => /^<([^>]+)>; rel="next"$/.exec(link ?? '')?.[1]

async function publishMany(hub: TestHub, topic: string, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let number = 0; number < count; number++) ids.push(await hub.publish(topic, `event ${number}`))
  return ids
}

t.test('the links lead through the whole history, once', async t => {
  const hub = await startHub(t)
  const topic = 'böden/a b?'
  const path = `/topics/${topic.split('/').map(encodeURIComponent).join('/')}`
  const ids: string[] = []
  for (let number = 0; number < 25; number++) {
    ids.push(await hub.publish(path.slice('/topics/'.length), `event ${number}`))
    if (number % 3 === 0) await hub.publish('another', 'x')
  }
  for (const limit of [1, 7, 25, 100]) {
    const found: HistoryEvent[] = []
    let next: string | undefined = `${path}?limit=${limit}`
    while (next !== undefined) {
      const response = await hub.fetch(next)
      t.equal(response.status, 200)
      const { events } = (await response.json()) as Page
      t.ok(events.length <= limit)
      found.push(...events)
      next = nextOf(response.headers.get('link'))
    }
    t.same(
      found.map(({ id }) => id),
      ids,
      `in pages of ${limit}`,
    )
  }
})

t.test('a page begins after the id that is given, or with the earliest event', async t => {
  const hub = await startHub(t)
  const [first, second, third] = await publishMany(hub, 'a', 3)
  const idsAfter = async (query: string, headers: Record<string, string> = {}) => {
    const response = await hub.fetch(`/topics/a${query}`, { headers })
    return ((await response.json()) as Page).events.map(({ id }) => id)
  }
  t.same(await idsAfter(''), [first, second, third])
  t.same(await idsAfter('?after=earliest'), [first, second, third])
  t.same(await idsAfter(`?after=${first}`), [second, third])
  t.same(await idsAfter(`?after=${third}`), [])
  t.same(await idsAfter('', { 'last-event-id': second! }), [third])
  t.same(await idsAfter(`?after=${first}`, { 'last-event-id': second! }), [third], 'the header comes first')
  t.same(await idsAfter(`?after=${first}&limit=1`), [second])
  const { cursor } = await pageOf(hub, 'a')
  t.same(await idsAfter(`?after=${cursor}`), [])
  const fourth = await hub.publish('a', 'more')
  t.same(await idsAfter(`?after=${cursor}`), [fourth])
  const unheard = await pageOf(hub, 'never-heard-of')
  t.match(unheard, { topic: 'never-heard-of', events: [] })
})

t.test('a cursor that no hub issues, and values out of range, are refused', async t => {
  const hub = await startHub(t)
  for (const query of ['after=', 'after=7', 'after=now', 'after=0000000000a-00000000ZZZ']) {
    await expectProblem(t, await hub.fetch(`/topics/a?${query}`), 'MILLRACE_ID_INVALID')
  }
  for (const query of [
    'limit=0',
    'limit=-1',
    'limit=x',
    'limit=1.5',
    'wait=-1',
    'wait=x',
    'after=a&after=b',
  ]) {
    await expectProblem(t, await hub.fetch(`/topics/a?${query}`), 'MILLRACE_REQUEST_INVALID')
  }
})

t.test('a page tells of a gap', async t => {
  const hub = await startHub(t, { logMaxTopicEvents: 2 })
  const ids = await publishMany(hub, 'a', 5)
  const { gap, events } = await pageOf(hub, 'a', `after=${ids[0]}`)
  t.same(gap, { reason: 'expired', resumesAfter: ids[0], lostThrough: ids[2] })
  t.same(
    events.map(({ id }) => id),
    ids.slice(3),
  )
  t.equal((await pageOf(hub, 'a', `after=${ids[2]}`)).gap, undefined)
  t.equal((await pageOf(hub, 'a')).gap, undefined, 'whoever asks for what there is misses nothing')
  const foreign = '00000000000-00000000001'
  t.match(await pageOf(hub, 'a', `after=${foreign}`), { gap: { reason: 'unknown' }, events: { length: 2 } })
})

t.test('a page that did not change is not sent again', async t => {
  const hub = await startHub(t)
  await publishMany(hub, 'a', 3)
  const first = await hub.fetch('/topics/a')
  const etag = first.headers.get('etag')!
  t.match(etag, /^"[\w-]+"$/)
  await first.text()
  await hub.publish('b', 'another topic moves the head, not this page')
  for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const again = await hub.fetch('/topics/a', { headers: { 'if-none-match': known } })
    t.equal(again.status, 304, known)
    t.equal(again.headers.get('etag'), etag)
    t.equal(await again.text(), '')
  }
  await hub.publish('a', 'new')
  const changed = await hub.fetch('/topics/a', { headers: { 'if-none-match': etag } })
  t.equal(changed.status, 200)
  t.not(changed.headers.get('etag'), etag)
  t.match(changed.headers.get('vary'), /accept/)
})

t.test('no cache that others share keeps what a token was needed for', async t => {
  const hub = await startHub(t, {
    jwtKey: SECRET,
    anonymousPublish: [],
    anonymousReceive: ['open'],
  })
  const headers = bearer(await mint({ publish: ['**'], receive: ['**'] }))
  for (const topic of ['open', 'secret']) await hub.publish(topic, 'x', headers)
  const rules = async (path: string, init: RequestInit): Promise<(string | null)[]> => {
    const response = await hub.fetch(path, init)
    await response.body?.cancel()
    return [`${response.status}`, response.headers.get('cache-control'), response.headers.get('vary')]
  }
  const page = 'Origin, authorization, cookie, accept, last-event-id'
  t.same(await rules('/topics/secret', { headers }), ['200', 'private, no-cache', page])
  t.same(await rules('/topics/open', {}), ['200', 'no-cache', page])
  const head = 'Origin, authorization, cookie'
  t.same(await rules('/topics/secret', { method: 'HEAD', headers }), ['200', 'private, no-cache', head])
  t.same(await rules('/topics/open', { method: 'HEAD' }), ['200', 'no-cache', head])
  t.same(await rules('/topics', { headers }), ['200', 'private, no-cache', head])
  t.same(await rules('/topics', {}), ['200', 'private, no-cache', head])
  const etag = (await hub.fetch('/topics/secret', { headers })).headers.get('etag')!
  const known = { headers: { ...headers, 'if-none-match': etag } }
  t.same(await rules('/topics/secret', known), ['304', 'private, no-cache', page])
})

t.test('wait= answers as soon as there is an event', async t => {
  const hub = await startHub(t)
  const cursor = await hub.publish('a', 'before')
  const startedAt = performance.now()
  const waiting = pageOf(hub, 'a', `after=${cursor}&wait=30`)
  await metricIs(hub, 'millrace_subscribers_live', 1)
  await hub.publish('b', 'not this one')
  const id = await hub.publish('a', 'this one')
  t.match(await waiting, { events: [{ id, data: 'this one' }], cursor: id })
  t.ok(performance.now() - startedAt < 10_000)
  await metricIs(hub, 'millrace_closes_total{reason="done"}', 1)
  t.equal(await metric(hub, 'millrace_subscribers_live'), 0)
  t.match(await pageOf(hub, 'a', 'wait=30'), { events: { length: 2 } }, 'what is there needs no waiting')
})

t.test('wait= answers with an empty page when the time is up', async t => {
  const hub = await startHub(t)
  const cursor = await hub.publish('a', 'before')
  const startedAt = performance.now()
  t.match(await pageOf(hub, 'a', `after=${cursor}&wait=0.2`), { events: [], cursor })
  t.ok(performance.now() - startedAt >= 190)
  await metricIs(hub, 'millrace_closes_total{reason="done"}', 1)
})

t.test('maxWaitMs bounds how long a request waits', async t => {
  const hub = await startHub(t, { maxWaitMs: 100 })
  const startedAt = performance.now()
  t.match(await pageOf(hub, 'a', 'wait=1e9'), { events: [] })
  const waited = performance.now() - startedAt
  t.ok(waited >= 95 && waited < 10_000, `${waited} ms`)
})

t.test('waiting ends with the client', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  const stream = client.open('/topics/a?wait=60')
  const plain = await Http1Client.connect(t, hub)
  plain.send('GET /topics/a?wait=60')
  await metricIs(hub, 'millrace_subscribers_live', 2)
  stream.close(8)
  await metricIs(hub, 'millrace_subscribers_live', 1)
  plain.socket.destroy()
  await metricIs(hub, 'millrace_subscribers_live', 0)
})

t.test('waiting ends when the hub shuts down', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  const waiting = answerTo(client.open('/topics/a?wait=60'))
  await metricIs(hub, 'millrace_subscribers_live', 1)
  const startedAt = performance.now()
  const closed = hub.server.close()
  const answer = await waiting
  t.equal(answer.status, 200)
  t.match(JSON.parse(answer.text), { events: [] })
  await closed
  t.ok(performance.now() - startedAt < 5000)
})

t.test('HEAD tells what is kept and opens no stream', async t => {
  const hub = await startHub(t)
  const ids = await publishMany(hub, 'a', 3)
  const client = new Http2Client(t, hub)
  for (const accept of ['text/event-stream', 'application/json', '*/*']) {
    const stream = client.open('/topics/a?wait=60', { ':method': 'HEAD', accept })
    const answer = await answerTo(stream)
    t.match(answer, {
      status: 200,
      text: '',
      headers: {
        'millrace-events': '3',
        'millrace-bytes': /^\d+$/,
        'millrace-first': ids[0],
        'millrace-last': ids[2],
        'last-modified': /GMT$/,
      },
    })
    t.notOk('millrace-state' in answer.headers)
  }
  t.equal(await metric(hub, 'millrace_streams'), 0)
  t.equal((await client.get('/topics/unheard', { ':method': 'HEAD' })).status, 404)
})

t.test('history, a stream from the earliest event, and HEAD agree', async t => {
  const hub = await startHub(t)
  const ids = await publishMany(hub, 'unheard', 300)
  const { events } = await pageOf(hub, 'unheard')
  const reader = await EventReader.open(hub, '/topics/unheard?after=earliest')
  const [, ...streamed] = await reader.take(301)
  const head = await hub.fetch('/topics/unheard', { method: 'HEAD' })
  t.same(
    events.map(({ id }) => id),
    ids,
  )
  t.same(
    streamed.map(({ id, data }) => ({ id, data })),
    events.map(({ id, data }) => ({ id, data })),
  )
  t.same(
    ['events', 'first', 'last'].map(name => head.headers.get(`millrace-${name}`)),
    ['300', ids[0], ids[299]],
  )
  reader.close()
})

t.test('what the client accepts decides between a page and a stream', async t => {
  const hub = await startHub(t)
  await hub.publish('a', 'x')
  const client = new Http2Client(t, hub)
  for (const [accept, served] of [
    [undefined, 'application/json'],
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['application/*', 'application/json'],
    ['application/json', 'application/json'],
    ['text/event-stream', 'text/event-stream'],
    ['TEXT/EVENT-STREAM', 'text/event-stream'],
    ['text/*', 'text/event-stream'],
    ['text/html, text/event-stream;q=0.9, application/json;q=0.8', 'text/event-stream'],
    ['application/json;q=0.1, text/event-stream;q=0.2', 'text/event-stream'],
    ['application/json, text/event-stream', 'application/json'],
    ['text/event-stream, */*;q=0.1', 'text/event-stream'],
    ['application/json;q=0, */*', 'text/event-stream'],
  ] as const) {
    const stream = client.open('/topics/a', accept === undefined ? {} : { accept })
    const [headers] = (await once(stream, 'response')) as [Record<string, string>]
    t.match(headers, { ':status': 200, 'content-type': new RegExp(`^${served}`) }, `accept: ${accept}`)
    stream.close(8)
  }
  for (const accept of ['text/html', 'image/*', 'application/json;q=0', 'text/event-stream;q=x']) {
    await expectProblem(t, await client.get('/topics/a', { accept }), 'MILLRACE_NOT_ACCEPTABLE')
  }
  await metricIs(hub, 'millrace_streams', 0)
})

t.test('anonymousReceive: what is not granted is not told', async t => {
  const hub = await startHub(t, { anonymousReceive: ['open/**'] })
  await hub.publish('closed/a', 'secret')
  await hub.publish('open/a', 'x')
  const client = new Http2Client(t, hub)
  for (const accept of ['application/json', 'text/event-stream']) {
    await expectProblem(t, await client.get('/topics/closed/a', { accept }), 'MILLRACE_FORBIDDEN')
    await expectProblem(t, await client.get('/topics/closed/unheard', { accept }), 'MILLRACE_FORBIDDEN')
  }
  t.equal((await client.get('/topics/closed/a', { ':method': 'HEAD' })).status, 403)
  t.equal((await client.get('/topics/open/a')).status, 200)
})
