// Who follows a topic: asked for, and told to streams that want to know.

import t, { type Test } from 'tap'
import { EventReader } from '../support/event-reader.ts'
import { onOwnConnection, startHub, type Reachable, type TestHub } from '../support/hub.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'

const closed = { jwtKey: SECRET, anonymousPublish: [], anonymousReceive: ['open/*'], anonymousMetrics: false }
const fast = { presenceIntervalMs: 100 }

interface Subscribers {
  readonly topic: string
  readonly count: number
  readonly subscribers?: readonly { readonly name: string; readonly streams: number }[]
}

async function subscribersOf(hub: TestHub, topic: string, token?: string): Promise<Subscribers> {
  const answer = await hub.fetch(
    `/topics/${topic}/subscribers`,
    token === undefined ? {} : { headers: bearer(token) },
  )
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Subscribers
}

/** Asks until the count is right: streams that were closed by their clients are gone a moment later. */
async function untilCount(
  t: Test,
  hub: TestHub,
  topic: string,
  token: string,
  count: number,
): Promise<Subscribers> {
  for (let tries = 0; tries < 100; tries++) {
    const answer = await subscribersOf(hub, topic, token)
    if (answer.count === count) return answer
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  t.fail(`the count of '${topic}' never was ${count}`)
  return subscribersOf(hub, topic, token)
}

async function open(hub: Reachable, path: string, token?: string): Promise<EventReader> {
  const stream = await EventReader.open(hub, path, token === undefined ? {} : bearer(token))
  await stream.next()
  return stream
}

async function presenceOf(stream: EventReader): Promise<Record<string, unknown>> {
  const event = await stream.next()
  if (event?.event !== 'millrace:presence') throw new Error(`not presence: ${JSON.stringify(event)}`)
  if (event.id !== undefined) throw new Error('presence moves the cursor')
  return JSON.parse(event.data) as Record<string, unknown>
}

for (const workers of [1, 2]) {
  t.test(`streams and feeds that get a topic's events are its subscribers (${workers} workers)`, async t => {
    const hub = await startHub(t, { ...closed, workers })
    const ann = await mint({ receive: ['rooms/**'], sub: 'ann' })
    const bob = await mint({ receive: ['rooms/**'], presence: ['rooms/*'], sub: 'bob' })
    t.same(await subscribersOf(hub, 'rooms/1', bob), { topic: 'rooms/1', count: 0, subscribers: [] })
    const streams = [
      await open(onOwnConnection(t, hub), '/topics/rooms/1', ann),
      await open(onOwnConnection(t, hub), '/feed?topic=rooms/1&topic=rooms/*', ann),
      await open(onOwnConnection(t, hub), '/feed?topic=rooms/**', bob),
      await open(hub, '/topics/rooms/2', bob),
      await open(hub, '/topics/rooms/1', await mint({ receive: ['**'] })),
    ]
    const { count, subscribers } = await subscribersOf(hub, 'rooms/1', bob)
    t.equal(count, 4, 'each stream once')
    t.same(
      [...subscribers!].sort((one, other) => (one.name < other.name ? -1 : 1)),
      [
        { name: 'ann', streams: 2 },
        { name: 'bob', streams: 1 },
      ],
    )
    t.same(
      await subscribersOf(hub, 'rooms/1', ann),
      { topic: 'rooms/1', count: 4 },
      'names are granted apart',
    )
    for (const stream of streams) stream.close()
    t.match(await untilCount(t, hub, 'rooms/1', bob, 0), { subscribers: [] })
  })
}

t.test('who may not receive a topic is not told who does', async t => {
  const hub = await startHub(t, closed)
  const status = async (topic: string, token?: string): Promise<number> =>
    (await hub.fetch(`/topics/${topic}/subscribers`, token === undefined ? {} : { headers: bearer(token) }))
      .status
  t.equal(await status('rooms/1'), 401)
  t.equal(await status('open/1'), 200)
  t.equal(await status('rooms/1', await mint({ receive: ['other'], presence: ['**'] })), 403)
  t.equal(await status('.well-known/mercure', await mint({ receive: ['**'], presence: ['**'] })), 400)
})

t.test('a topic can have a name that ends in subscribers', async t => {
  const hub = await startHub(t)
  await hub.publish('rooms/subscribers', 'mine')
  const history = await hub.fetch('/topics/rooms%2Fsubscribers')
  t.match(await history.json(), { topic: 'rooms/subscribers', events: [{ data: 'mine' }] })
  t.match(await (await hub.fetch('/topics/subscribers')).json(), { topic: 'subscribers', events: [] })
  const stream = await EventReader.open(hub, '/topics/rooms/subscribers?after=earliest')
  t.match((await stream.take(2))[1], { data: 'mine' })
  stream.close()
})

for (const workers of [1, 2]) {
  t.test(`a stream that asks is told who comes and goes (${workers} workers)`, async t => {
    const hub = await startHub(t, { ...closed, ...fast, workers })
    const ann = await mint({
      receive: ['rooms/**'],
      publish: ['rooms/**'],
      presence: ['rooms/*'],
      sub: 'ann',
    })
    const bob = await mint({ receive: ['rooms/**'], sub: 'bob' })
    const watching = await open(hub, '/topics/rooms/1?presence=true', ann)
    t.same(await presenceOf(watching), { topic: 'rooms/1', count: 1, present: ['ann'] })
    const joining = await open(onOwnConnection(t, hub), '/feed?topic=rooms/*', bob)
    t.same(await presenceOf(watching), { topic: 'rooms/1', count: 2, joined: ['bob'], left: [] })
    await hub.publish('rooms/1', 'hello', bearer(ann))
    t.match(await watching.next(), { data: 'hello' }, 'events come between')
    joining.close()
    t.same(await presenceOf(watching), { topic: 'rooms/1', count: 1, joined: [], left: ['bob'] })
    watching.close()
  })
}

t.test('names come only where the grant shows them, and only changes are told', async t => {
  const hub = await startHub(t, { ...closed, ...fast })
  const stream = await open(hub, '/feed?topic=open/1&topic=open/2&topic=open/*&presence=true')
  const first = [await presenceOf(stream), await presenceOf(stream)]
  t.same(first, [
    { topic: 'open/1', count: 1 },
    { topic: 'open/2', count: 1 },
  ])
  const other = await open(hub, '/topics/open/2', await mint({ receive: ['open/*'], sub: 'bob' }))
  t.same(await presenceOf(stream), { topic: 'open/2', count: 2 })
  other.close()
  stream.close()
})

t.test('one stream is told of so many topics, and no more', async t => {
  const hub = await startHub(t)
  const feed = (count: number): string =>
    `/feed?presence=true&${Array.from({ length: count }, (_, n) => `topic=a/${n}`).join('&')}`
  t.match(await (await hub.fetch(feed(101))).json(), { code: 'MILLRACE_TOO_MANY_PATTERNS' })
  const stream = await EventReader.open(hub, feed(100))
  t.equal((await stream.take(101)).filter(({ event }) => event === 'millrace:presence').length, 100)
  stream.close()
})

t.test('a feed can ask for the presence of some of its topics', async t => {
  const hub = await startHub(t, fast)
  const many = Array.from({ length: 101 }, (_, n) => `topic=a/${n}`).join('&')
  const stream = await open(hub, `/feed?${many}&topic=b/*&presence=a/7&presence=a/8`)
  t.same(
    [await presenceOf(stream), await presenceOf(stream)],
    [
      { topic: 'a/7', count: 1 },
      { topic: 'a/8', count: 1 },
    ],
  )
  const other = await open(hub, '/feed?topic=a/6&topic=a/8&presence=false')
  t.same(await presenceOf(stream), { topic: 'a/8', count: 2 })
  other.close()
  stream.close()
  const answer = await hub.fetch('/feed?topic=a&presence=b')
  t.match([answer.status, await answer.json()], [400, { detail: /'b'|"b"/ }])
  const pattern = await hub.fetch('/feed?topic=a&topic=b/*&presence=a&presence=b/*')
  t.match([pattern.status, await pattern.json()], [400, { detail: /"b\/\*"/ }])
})

t.test('a topic that is named twice, or as a word of the query, is a topic', async t => {
  const hub = await startHub(t, fast)
  const stream = await open(hub, '/feed?topic=false&topic=a&presence=false')
  t.same(await presenceOf(stream), { topic: 'false', count: 1 })
  const twice = await open(hub, `/feed?topic=b${'&presence=b'.repeat(101)}`)
  t.same(await presenceOf(twice), { topic: 'b', count: 1 })
  for (const each of [stream, twice]) each.close()
})

t.test('whoever is shown names from now on is told who is there', async t => {
  const hub = await startHub(t, { ...closed, ...fast })
  const receive = ['rooms/*']
  const mine = { receive, sub: 'ann' }
  const stream = await EventReader.open(
    hub,
    '/feed?topic=rooms/1&topic=rooms/2&presence=true',
    bearer(await mint(mine)),
  )
  const { feed } = JSON.parse((await stream.next())!.data) as { feed: string }
  const counts = [
    { topic: 'rooms/1', count: 1 },
    { topic: 'rooms/2', count: 1 },
  ]
  t.same([await presenceOf(stream), await presenceOf(stream)], counts)
  const renew = async (presence: string[]): Promise<void> => {
    const headers = bearer(await mint({ ...mine, presence }))
    t.equal((await hub.fetch(`/feed/${feed}/token`, { method: 'POST', headers })).status, 204)
  }
  await renew(['rooms/1'])
  t.same(await presenceOf(stream), { topic: 'rooms/1', count: 1, present: ['ann'] })
  await renew(['rooms/1'])
  const bob = await open(hub, '/feed?topic=rooms/1', await mint({ receive, sub: 'bob' }))
  t.same(await presenceOf(stream), { topic: 'rooms/1', count: 2, joined: ['bob'], left: [] }, 'once')
  await renew([])
  t.same(await presenceOf(stream), { topic: 'rooms/1', count: 2 }, 'and no names any more')
  for (const each of [bob, stream]) each.close()
})

t.test('presence of patterns alone is refused', async t => {
  const hub = await startHub(t)
  const answer = await hub.fetch('/feed?topic=a/*&presence=true')
  t.equal(answer.status, 400)
  t.match(await answer.json(), { code: 'MILLRACE_REQUEST_INVALID', detail: /name none/ })
})

t.test('a name can be any text', async t => {
  const hub = await startHub(t, closed)
  const token = await mint({ receive: ['a'], presence: ['a'], sub: '__proto__' })
  const stream = await open(hub, '/topics/a', token)
  t.same((await subscribersOf(hub, 'a', token)).subscribers, [{ name: '__proto__', streams: 1 }])
  stream.close()
})
