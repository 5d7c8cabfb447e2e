// Subscriptions of the client against a real hub: one stream for all of them, each event once and in order.

import t from 'tap'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { connectOver, connectTo, fetchOver, numbers, Received } from './support.ts'

t.test('an event is handed out with its id, topic, type, time and data', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  const orders = new Received(client, 'orders/*')
  await orders.ready
  const id = await hub.publish('orders/1?type=paid', '{"sum":3}', { 'content-type': 'application/json' })
  const text = await hub.publish('orders/2', 'text')
  const [json, plain] = await orders.events.take(2)
  t.match(json, { id, topic: 'orders/1', type: 'paid', time: /^\d{4}-.*Z$/, data: { sum: 3 } })
  t.match(plain, { id: text, topic: 'orders/2', type: undefined, data: 'text' })
})

t.test('200 subscriptions that come and go share one stream', async t => {
  const hub = await startHub(t)
  const { client, statuses } = connectTo(t, hub)
  const all = Array.from({ length: 100 }, (_, number) => new Received(client, `rooms/${number}`))
  await Promise.all(all.map(({ ready }) => ready))
  const more = Array.from({ length: 100 }, (_, number) => new Received(client, `rooms/${100 + number}`))
  await Promise.all(more.map(({ ready }) => ready))
  t.equal(await metric(hub, 'millrace_streams'), 1)
  for (const { subscription } of all) subscription.close()
  const next = new Received(client, ['rooms/0', 'rooms/150'])
  await next.ready
  for (const number of [0, 1, 150, 199]) await hub.publish(`rooms/${number}`, String(number))
  t.same(await next.take(2), ['0', '150'])
  t.same(await more[99]!.take(1), ['199'])
  t.same(await more[50]!.take(1), ['150'])
  t.same(all[0]!.data, [], 'nothing for those that are closed')
  t.equal(await metric(hub, 'millrace_streams'), 1)
  t.same(
    statuses.map(({ state }) => state),
    ['connecting', 'open'],
  )
  for (const { subscription } of [...more, next]) subscription.close()
  await metricIs(hub, 'millrace_streams', 0)
  t.equal(client.status.state, 'idle')
})

t.test('a subscription begins with the states of its topics, wherever others of the stream are', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  await client.publish('lamps/1', 'on', { state: true })
  const first = new Received(client, 'lamps/*')
  await first.ready
  t.same(await first.take(1), ['on'])
  t.equal(first.events.items[0]?.id, undefined)
  await client.publish('lamps/2', 'off', { state: true })
  const others = [new Received(client, 'lamps/2'), new Received(client, 'lamps/*')]
  await Promise.all(others.map(({ ready }) => ready))
  t.same(others[0]!.data, ['off'])
  t.same(new Set(others[1]!.data), new Set(['off', 'on']))
  await client.publish('lamps/2', 'flicker')
  t.same(await first.take(3), ['on', 'off', 'flicker'], 'those that were there get nothing twice')
  t.same(await others[0]!.take(2), ['off', 'flicker'])
  t.equal(await metric(hub, 'millrace_streams'), 1)
})

t.test('a subscription can begin behind an id or with the earliest event', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  const ids: string[] = []
  for (const data of ['a', 'b', 'c']) ids.push(await hub.publish('log', data))
  const live = new Received(client, 'other')
  await live.ready
  const late = new Received(client, 'log', { after: ids[0]! })
  const all = new Received(client, ['log', 'other'], { after: 'earliest' })
  const fresh = new Received(client, 'log')
  await Promise.all([late, all, fresh].map(({ ready }) => ready))
  await hub.publish('log', 'd')
  t.same(await late.take(3), ['b', 'c', 'd'])
  t.same(await all.take(4), ['a', 'b', 'c', 'd'])
  t.same(
    all.events.items.slice(0, 3).map(({ id }) => id),
    ids,
  )
  t.same(await fresh.take(1), ['d'])
  t.equal(await metric(hub, 'millrace_streams'), 1)
})

t.test('a gap is told to those whom it concerns', async t => {
  const hub = await startHub(t, { logMaxTopicEvents: 2 })
  const { client } = connectTo(t, hub)
  const live = new Received(client, 'other')
  await live.ready
  const first = await hub.publish('log', '0')
  for (const data of ['1', '2', '3', '4']) await hub.publish('log', data)
  const late = new Received(client, 'log', { after: first })
  await late.ready
  t.match(late.gaps, [{ reason: 'expired', resumesAfter: first, topics: ['log'] }])
  t.same(await late.take(2), ['3', '4'])
  t.same(live.gaps, [])
})

t.test('a topic that is deleted is told of', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  const lamps = new Received(client, 'lamps/*')
  const others = new Received(client, 'others/*')
  await Promise.all([lamps.ready, others.ready])
  await hub.publish('lamps/1', 'on')
  await hub.fetch('/topics/lamps/1', { method: 'DELETE' })
  await hub.publish('lamps/1', 'new')
  await lamps.take(2)
  t.same(lamps.resets, ['lamps/1'])
  t.same(others.resets, [])
})

t.test('a subscription is ready when it has what there was', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  const sent = numbers(1, 2000)
  const first = await hub.publish('a', 'first')
  await hub.fetch('/events', {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: sent.map(data => JSON.stringify({ topic: 'a', data })).join('\n'),
  })
  await hub.publish('b', 'last of all')
  const opening = new Received(client, 'a', { after: 'earliest' })
  const atReady: number[] = []
  const readers = [
    opening,
    // They are added to the stream while it catches up.
    new Received(client, 'a', { after: first }),
    new Received(client, 'a', { after: 'earliest' }),
  ]
  await Promise.all(
    readers.map(async (reader, at) => reader.ready.then(() => (atReady[at] = reader.data.length))),
  )
  t.same(atReady, [2001, 2000, 2001])
  const late = new Received(client, 'a', { after: first })
  await late.ready
  t.same(late.data, sent)
  const nothing = new Received(client, 'nothing', { after: first })
  await nothing.ready
})

t.test('what was deleted before is no news to who reads from the earliest on', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  const before = await hub.publish('a', 'old')
  await hub.fetch('/topics/a', { method: 'DELETE' })
  await hub.publish('a', 'new')
  const all = new Received(client, 'a', { after: 'earliest' })
  const since = new Received(client, 'a', { after: before })
  await Promise.all([all.ready, since.ready])
  t.same([all.data, all.resets], [['new'], []])
  t.same([since.data, since.resets], [['new'], ['a']])
  await hub.fetch('/topics/a', { method: 'DELETE' })
  await hub.publish('a', 'newer')
  await Promise.all([all.take(2), since.take(2)])
  t.same([all.resets, since.resets], [['a'], ['a', 'a']])
})

t.test('one that may not be received ends alone, with the reason', async t => {
  const hub = await startHub(t, { anonymousReceive: ['open/**'] })
  const { client } = connectTo(t, hub)
  const all = Array.from(
    { length: 20 },
    (_, number) => new Received(client, number === 7 ? 'secret' : `open/${number}`),
  )
  const [error] = await all[7]!.errors.take(1)
  t.match(error, { code: 'MILLRACE_FORBIDDEN', status: 403, detail: /secret/ })
  t.ok(all[7]!.subscription.isClosed)
  await Promise.all(all.filter((_, at) => at !== 7).map(({ ready }) => ready))
  const later = new Received(client, ['open/1', 'bad//'])
  const forbidden = new Received(client, 'secret/2')
  const good = new Received(client, 'open/21')
  t.match(await later.errors.take(1), [{ code: 'MILLRACE_TOPIC_INVALID', status: 400 }])
  t.match(await forbidden.errors.take(1), [{ code: 'MILLRACE_FORBIDDEN' }])
  await good.ready
  for (const number of [0, 19, 21]) await hub.publish(`open/${number}`, 'hi').catch(() => {})
  t.equal(await metric(hub, 'millrace_streams'), 1)
  t.equal(client.status.state, 'open')
})

t.test('a handler that throws keeps no other from being called', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  const reported: unknown[] = []
  Object.assign(globalThis, { reportError: (error: unknown) => reported.push(error) })
  t.teardown(() => Reflect.deleteProperty(globalThis, 'reportError'))
  client.subscribe('news', () => {
    throw new Error('at once')
  })
  client.subscribe('news', async () => {
    throw new Error('later')
  })
  const good = new Received(client, 'news')
  await good.ready
  await hub.publish('news', 'one')
  await hub.publish('news', 'two')
  t.same(await good.take(2), ['one', 'two'])
  t.same(reported.map(error => (error as Error).message).toSorted(), ['at once', 'at once', 'later', 'later'])
})

t.test('more topics than fit into a URL share a stream, and come back after a cut', async t => {
  const hub = await startHub(t, { retryMs: 5 })
  const relay = await CuttingRelay.open(t, hub)
  const { client } = connectOver(t, relay)
  const name = 'a-long-name-that-fills-the-url-'.repeat(3)
  const all = Array.from({ length: 300 }, (_, number) => new Received(client, `${name}/${number}`))
  await Promise.all(all.map(({ ready }) => ready))
  for (const data of ['one', 'two', 'three']) {
    for (const at of [0, 150, 299]) await hub.publish(`${name}/${at}`, data)
    if (data === 'one') relay.cut()
  }
  for (const at of [0, 150, 299]) t.same(await all[at]!.take(3), ['one', 'two', 'three'])
  t.equal(await metric(hub, 'millrace_streams'), 1)
})

t.test('topics that a stream cannot take go on another one', async t => {
  const hub = await startHub(t, { maxPatternsPerFeed: 3, compressionExclude: ['secret/*'], retryMs: 5 })
  await hub.fetch('/topics/secret/1', { method: 'PUT', body: 'state' })
  const relay = await CuttingRelay.open(t, hub)
  const { client } = connectOver(t, relay)
  const plain = new Received(client, 'a')
  await plain.ready
  const all = ['b', 'c', 'd', 'secret/1', 'e', 'secret/2'].map(topic => new Received(client, topic))
  await Promise.all(all.map(({ ready }) => ready))
  t.same(all[3]!.data, ['state'])
  t.ok((await metric(hub, 'millrace_streams')) <= 4)
  relay.cut()
  for (const { subscription } of [plain, ...all]) await hub.publish(subscription.topics[0]!, 'event')
  t.same(await plain.take(1), ['event'])
  for (const [at, received] of all.entries()) {
    t.same(await received.take(at === 3 ? 2 : 1), at === 3 ? ['state', 'event'] : ['event'])
  }
})

t.test('a change whose answer is lost loses nothing, and repeats nothing', async t => {
  const hub = await startHub(t)
  const send = fetchOver(hub.agent)
  let lost = 0
  const losing: typeof fetch = async (url, init) => {
    const answer = await send(url, init)
    if (init?.method !== 'PATCH' || lost === 3) return answer
    lost++
    throw new TypeError('the answer is lost')
  }
  const { client } = connectTo(t, hub, { fetch: losing })
  await client.publish('log', 'state', { state: true })
  const ids: string[] = []
  for (const data of ['1', '2', '3']) ids.push(await hub.publish('log', data))
  await new Received(client, 'other').ready
  const late = new Received(client, 'log', { after: ids[0]! })
  const fresh = new Received(client, ['log', 'more'])
  await Promise.all([late, fresh].map(({ ready }) => ready))
  const next = new Received(client, ['more', 'log'], { after: ids[1]! })
  await next.ready
  for (const data of ['4', '5']) await hub.publish('log', data)
  t.same(await late.take(4), ['2', '3', '4', '5'])
  t.same(await fresh.take(3), ['state', '4', '5'])
  t.same(await next.take(3), ['3', '4', '5'])
  t.equal(lost, 3)
  t.equal(await metric(hub, 'millrace_streams'), 1)
})
