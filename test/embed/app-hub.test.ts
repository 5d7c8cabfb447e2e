// `app.hub`: publishing and subscribing without a request.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { AppGap, ReceivedEvent } from '../../src/index.ts'
import { Inbox } from '../support/inbox.ts'
import { startEmbedded, OPEN } from '../support/embedded.ts'
import { EventReader } from '../support/event-reader.ts'

t.test('text is published as text, anything else as JSON, as a request would', async t => {
  const hub = await startEmbedded(t)
  for (const data of ['text', '{"a":1}', { a: [1] }, 7, true, null, ['x']]) {
    const { id } = await hub.app.hub.publish('a', data)
    const { events } = (await (await hub.fetch('/push/topics/a')).json()) as { events: object[] }
    t.match(events.at(-1), { id, topic: 'a' })
    t.same((events.at(-1) as { data: unknown }).data, data)
    t.equal(hub.app.hub.head, id)
  }
  const dated = await hub.app.hub.publish('b', new Date(0))
  t.match(await (await hub.fetch('/push/topics/b')).json(), {
    events: [{ id: dated.id, data: '1970-01-01T00:00:00.000Z' }],
  })
})

t.test('a state is handed to each new subscriber', async t => {
  const hub = await startEmbedded(t)
  await hub.app.hub.publish('a', { lights: 'on' }, { state: true, type: 'lights' })
  const reader = await EventReader.open(hub, '/push/topics/a')
  t.equal((await reader.next())?.event, 'millrace:open')
  t.match(await reader.next(), { event: 'lights', data: '{"lights":"on"}', id: undefined })
  reader.close()
})

t.test('what is published again under its key is kept once', async t => {
  const { app, publish } = await startEmbedded(t)
  const first = await app.hub.publish('a', 'x', { key: 'order-1' })
  t.same(await app.hub.publish('a', 'x', { key: 'order-1' }), first)
  t.equal(app.hub.head, first.id)
  await t.rejects(app.hub.publish('a', 'y', { key: 'order-1' }), { code: 'MILLRACE_KEY_REUSED' })
  await t.rejects(app.hub.publish('a', 'y', { key: 'ä' }), { code: 'MILLRACE_REQUEST_INVALID' })
  t.not(await publish('a', 'x', { 'idempotency-key': 'order-1' }), first.id, 'keys of clients are their own')
})

const FAULTS: readonly [code: string, topic: string, data: unknown, options?: object][] = [
  ['MILLRACE_TOPIC_INVALID', 'a/*', 'x'],
  ['MILLRACE_TOPIC_INVALID', '', 'x'],
  ['MILLRACE_TOPIC_INVALID', '.well-known/mercure', 'x'],
  ['MILLRACE_TYPE_INVALID', 'a', 'x', { type: 'two\nlines' }],
  ['MILLRACE_TYPE_INVALID', 'a', 'x', { type: 'millrace:bye' }],
  ['MILLRACE_JSON_INVALID', 'a', undefined],
  ['MILLRACE_JSON_INVALID', 'a', () => {}],
  ['MILLRACE_JSON_INVALID', 'a', 1n],
  ['MILLRACE_NOT_UTF8', 'a', '\ud800'],
  ['MILLRACE_BODY_TOO_LARGE', 'a', 'x'.repeat(2 ** 20 + 1)],
]

t.test('what cannot be published is refused, with the errors of a request, and nothing is kept', async t => {
  const { app } = await startEmbedded(t)
  const before = app.hub.head
  for (const [code, topic, data, options] of FAULTS) {
    await t.rejects(app.hub.publish(topic, data, options), { code }, `${code} ${topic}`)
  }
  t.equal(app.hub.head, before)
})

t.test('many events are kept all or none, next to each other', async t => {
  const hub = await startEmbedded(t)
  const many = [
    { topic: 'a', data: 1 },
    { topic: 'b', data: 'two', type: 'second' },
    { topic: 'a', data: 3 },
  ]
  const { id, published } = await hub.app.hub.publishMany(many, { key: 'k' })
  t.equal(published, 3)
  t.same(await hub.app.hub.publishMany(many, { key: 'k' }), { id, published })
  t.equal(hub.app.hub.head, id)
  await t.rejects(hub.app.hub.publishMany([...many, { topic: '*', data: 4 }]), {
    code: 'MILLRACE_TOPIC_INVALID',
  })
  await t.rejects(hub.app.hub.publishMany([]), { code: 'MILLRACE_REQUEST_INVALID' })
  t.equal(hub.app.hub.head, id)
})

t.test('a subscription gets what comes, from requests and from the app, in order', async t => {
  const hub = await startEmbedded(t)
  await hub.publish('a', 'before')
  const inbox = new Inbox<ReceivedEvent>()
  const subscription = hub.app.hub.subscribe(['a', 'b/**'], event => inbox.push(event))
  const first = await hub.publish('a', 'text')
  await hub.publish('other', 'not wanted')
  const second = await hub.app.hub.publish('b/c', { json: true }, { type: 'kind' })
  const [text, event] = (await inbox.take(2)) as [ReceivedEvent, ReceivedEvent]
  t.match(text, { id: first, topic: 'a', type: undefined, data: 'text' })
  t.match(event, { id: second.id, topic: 'b/c', type: 'kind', data: { json: true } })
  t.ok(Math.abs(event.time.getTime() - Date.now()) < 60_000)
  subscription.close()
  await subscription.closed
  await hub.publish('a', 'after')
  await sleep(50)
  t.equal(inbox.items.length, 2)
})

t.test('a slow subscriber is waited for, and gets each event once, in order', async t => {
  const { app } = await startEmbedded(t)
  const got: unknown[] = []
  let running = 0
  const done = Promise.withResolvers<void>()
  app.hub.subscribe('a', async ({ data }) => {
    t.equal(++running, 1, 'one at a time')
    await sleep(1)
    running--
    got.push(data)
    if (data === 299) done.resolve()
  })
  for (let at = 0; at < 300; at++) await app.hub.publish('a', at)
  await done.promise
  t.same(
    got,
    Array.from({ length: 300 }, (_, at) => at),
  )
})

t.test('a subscription goes on after an id, or from the earliest event', async t => {
  const { app } = await startEmbedded(t)
  const ids: string[] = []
  for (const data of [0, 1, 2]) ids.push((await app.hub.publish('a', data)).id)
  const after = async (cursor: string, count: number): Promise<unknown[]> => {
    const inbox = new Inbox<ReceivedEvent>()
    const ended = new AbortController()
    app.hub.subscribe('a', event => inbox.push(event), { after: cursor, signal: ended.signal })
    const events = await inbox.take(count)
    ended.abort()
    return events.map(({ data }) => data)
  }
  t.same(await after(ids[0]!, 2), [1, 2])
  t.same(await after('earliest', 3), [0, 1, 2])
})

t.test('what is gone is told before anything newer', async t => {
  const options = { ...OPEN, logMaxTopicEvents: 2 }
  const { app } = await startEmbedded(t, { options })
  const ids: string[] = []
  for (const data of [0, 1, 2, 3]) ids.push((await app.hub.publish('a', data)).id)
  const followed = async (after: string): Promise<unknown[]> => {
    const inbox = new Inbox<unknown>()
    const onGap = (gap: AppGap): void => inbox.push(gap)
    const { close } = app.hub.subscribe('a', ({ data }) => inbox.push(data), { after, onGap })
    const told = await inbox.take(3)
    close()
    return told
  }
  t.same(await followed(ids[0]!), [{ reason: 'expired', lostThrough: ids[1] }, 2, 3])
  const foreign = '0000000zzzz-00000000001'
  t.same(await followed(foreign), [{ reason: 'unknown', lostThrough: undefined }, 2, 3])
})

t.test('a subscriber that throws ends its own subscription, and no other', async t => {
  const { app } = await startEmbedded(t)
  const inbox = new Inbox<unknown>()
  const failing = app.hub.subscribe('a', () => {
    throw new Error('on purpose')
  })
  app.hub.subscribe('a', ({ data }) => inbox.push(data))
  await app.hub.publish('a', 1)
  await t.rejects(failing.closed, { message: 'on purpose' })
  await app.hub.publish('a', 2)
  t.same(await inbox.take(2), [1, 2])
})

t.test('what cannot be followed is refused at once', async t => {
  const { app } = await startEmbedded(t)
  const follow = (topics: string | string[], after?: string) => () =>
    app.hub.subscribe(topics, () => {}, { after })
  t.throws(follow('a/**/b'), { code: 'MILLRACE_PATTERN_INVALID' })
  t.throws(follow([]), { code: 'MILLRACE_PATTERN_INVALID' })
  t.throws(follow('/a'), { code: 'MILLRACE_TOPIC_INVALID' })
  t.throws(follow('a', 'yesterday'), { code: 'MILLRACE_ID_INVALID' })
  const many = Array.from({ length: 1001 }, (_, at) => `t${at}`)
  t.throws(follow(many), { code: 'MILLRACE_TOO_MANY_PATTERNS' })
})

t.test('who calls without types is told what is wrong', async t => {
  const { app } = await startEmbedded(t)
  const hub = app.hub as unknown as {
    publish(topic: unknown, data: unknown, options?: object): Promise<unknown>
    subscribe(topics: unknown, onEvent: () => void, options?: object): unknown
  }
  for (const odd of [5, null, undefined, {}]) {
    const topic = { code: 'MILLRACE_TOPIC_INVALID', message: /^A topic is text, not / }
    await t.rejects(hub.publish(odd, 'x'), topic)
    t.throws(() => hub.subscribe(odd, () => {}), topic)
    t.throws(() => hub.subscribe(['a', odd], () => {}), topic)
  }
  await t.rejects(hub.publish('a', 'x', { type: 5 }), { code: 'MILLRACE_TYPE_INVALID' })
  t.throws(() => hub.subscribe('a', () => {}, { after: 5 }), { code: 'MILLRACE_ID_INVALID' })
})

t.test('nothing is published once the app has closed', async t => {
  const { app } = await startEmbedded(t)
  await app.close()
  await t.rejects(app.hub.publish('a', 'x'), { code: 'MILLRACE_DRAINING' })
})

t.test('subscriptions end when the app closes', async t => {
  const { app } = await startEmbedded(t)
  const { closed } = app.hub.subscribe('a', () => {})
  await app.close()
  await closed
})

t.test('requests that the app injects are answered, and nothing watches their bodies', async t => {
  const { app } = await startEmbedded(t, { options: { ...OPEN, bodyTimeoutMs: 100 } })
  const published = await app.inject({ method: 'POST', url: '/push/topics/a', payload: 'x' })
  t.equal(published.statusCode, 201)
  const page = await app.inject('/push/topics/a')
  t.match(page.json(), { events: [{ data: 'x' }] })
  t.equal((await app.inject({ method: 'POST', url: '/push/topics/*', payload: 'x' })).statusCode, 400)
  // What a body that does not end would be cut after.
  await sleep(200)
  t.equal((await app.inject('/push/topics/a')).statusCode, 200)
})
