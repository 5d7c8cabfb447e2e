// Publishing and reading with the client.

import t from 'tap'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub } from '../support/hub.ts'
import { connectOver, connectTo, fetchOver, Received, until } from './support.ts'

t.test('text stays text and everything else is JSON', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  const published: unknown[] = ['text', '{"looks":"like JSON"}', { a: [1, null] }, 3, false, null, '']
  for (const data of published) await client.publish('größe/1', data, { type: 'größe' })
  const page = await client.history('größe/1')
  t.same(
    page.events.map(({ data }) => data),
    published,
  )
  t.match(page.events[0], { type: 'größe', topic: 'größe/1', id: /-/ })
  await t.rejects(client.publish('a', undefined), { name: 'TypeError' })
})

t.test('a state is set, and the newest one is what a new subscription gets', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  await client.publish('lamp', 'on', { state: true })
  const { id } = await client.publish('lamp', 'off', { state: true })
  t.match(await client.history('lamp'), { state: { id, data: 'off' } })
  t.same(await new Received(client, 'lamp').take(1), ['off'])
})

t.test('pages of history and the list of topics', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  for (const number of [1, 2, 3]) await client.publish(`t/${number}`, number)
  for (const number of [4, 5, 6]) await client.publish('t/1', number)
  const first = await client.history<number>('t/1', { limit: 2 })
  t.same(
    first.events.map(({ data }) => data),
    [1, 4],
  )
  const second = await client.history<number>('t/1', { after: first.cursor })
  t.same(
    second.events.map(({ data }) => data),
    [5, 6],
  )
  t.same(
    (await client.topics({ match: 't/*', limit: 2 })).map(({ topic }) => topic),
    ['t/1', 't/2'],
  )
  t.same(
    (await client.topics({ after: 't/2' })).map(({ topic }) => topic),
    ['t/3'],
  )
})

t.test('what is refused rejects at once, with the code of the hub', async t => {
  const hub = await startHub(t, { anonymousPublish: ['open/*'], maxBodyBytes: 100 })
  const { client } = connectTo(t, hub)
  await t.rejects(client.publish('secret', 'x'), {
    name: 'MillraceError',
    code: 'MILLRACE_FORBIDDEN',
    status: 403,
  })
  await t.rejects(client.publish('open/*', 'x'), { code: 'MILLRACE_TOPIC_INVALID', detail: /\*/ })
  await t.rejects(client.publish('open/1', 'x'.repeat(200)), { code: 'MILLRACE_BODY_TOO_LARGE', status: 413 })
  await t.rejects(client.history('nothing', { after: 'rubbish' }), { code: 'MILLRACE_ID_INVALID' })
})

t.test('a topic leads to no other path than its own', async t => {
  const hub = await startHub(t)
  const paths: string[] = []
  const { client } = connectTo(t, hub, {
    fetch: async (input, init) => {
      paths.push(new URL(input instanceof Request ? input.url : input).pathname)
      return fetchOver(hub.agent)(input, init)
    },
  })
  for (const topic of ['../healthz', 'a/../b', '..', '.', 'a/./b']) {
    const refusal = { name: 'MillraceError', code: 'MILLRACE_TOPIC_INVALID', status: 400 }
    await t.rejects(client.publish(topic, 'x'), refusal)
    await t.rejects(client.history(topic), refusal)
  }
  t.same(paths, [], 'nothing was asked for')
  for (const topic of ['%2e%2e/a', '.../a', '..\\a', 'a?b#c']) {
    t.match(await client.publish(topic, 'x'), { topic })
    t.match(await client.history(topic), { topic })
  }
})

t.test('a publish is kept once, however often it takes to hear that', async t => {
  const hub = await startHub(t, { retryMs: 5 })
  const relay = await CuttingRelay.open(t, hub)
  const { client } = connectOver(t, relay)
  const waiting = Array.from({ length: 30 }, (_, number) => client.publish(`t/${number % 3}`, number))
  for (let cut = 0; cut < 5; cut++) {
    await new Promise(resolve => setTimeout(resolve, 20))
    relay.cut()
  }
  relay.goDown()
  const late = client.publish('t/3', 'late')
  const given = new AbortController()
  const givenUp = client.publish('t/4', 'given up', { signal: given.signal })
  await new Promise(resolve => setTimeout(resolve, 50))
  given.abort()
  await t.rejects(givenUp, { name: 'AbortError' })
  relay.comeBack()
  const ids = new Set((await Promise.all([...waiting, late])).map(({ id }) => id))
  t.equal(ids.size, 31)
  const pages = await Promise.all([0, 1, 2, 3].map(number => client.history(`t/${number}`)))
  t.same(new Set(pages.flatMap(({ events }) => events.map(({ id }) => id))), ids)
  t.equal(
    pages.reduce((sum, { events }) => sum + events.length, 0),
    31,
  )
})

t.test('publishing faster than the hub allows waits as long as it says', async t => {
  const hub = await startHub(t, { maxPublishRate: 20 })
  const { client } = connectTo(t, hub)
  const all = Array.from({ length: 30 }, (_, number) => client.publish('t', number))
  await Promise.all(all)
  t.equal((await client.history('t')).events.length, 30)
})

t.test('closing ends what waits', async t => {
  const hub = await startHub(t)
  const relay = await CuttingRelay.open(t, hub)
  const { client } = connectOver(t, relay)
  relay.goDown()
  const waiting = client.publish('t', 1)
  const received = new Received(client, 't')
  await until(() => client.status.state === 'waiting')
  client.close()
  await t.rejects(waiting, { message: /closed/ })
  t.equal(client.status.state, 'closed')
  t.ok(received.subscription.isClosed)
  t.ok(client.subscribe('t', () => {}).isClosed)
})
