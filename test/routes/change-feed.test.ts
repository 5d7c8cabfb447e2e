// PATCH /feed/{feed}: what an open stream follows changes, and its cursor stays.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { EventReader } from '../support/event-reader.ts'
import { Http2Client } from '../support/http2-client.ts'
import { onOwnConnection, startHub, type Reachable } from '../support/hub.ts'
import { metric } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'

interface Changed {
  readonly feed: string
  readonly topics: readonly string[]
  readonly from: string
}

interface OpenFeed {
  readonly stream: EventReader
  readonly feed: string
}

async function openFeed(
  t: Test,
  hub: Reachable,
  query: string,
  headers: Record<string, string> = {},
): Promise<OpenFeed> {
  const stream = await EventReader.open(hub, `/feed?${query}`, headers)
  t.teardown(() => stream.close())
  const open = await stream.next()
  return { stream, feed: (JSON.parse(open!.data) as { feed: string }).feed }
}

function patch(
  hub: Reachable,
  feed: string,
  change: unknown,
  headers: Record<string, string> = {},
): ReturnType<Reachable['fetch']> {
  return hub.fetch(`/feed/${feed}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof change === 'string' ? change : JSON.stringify(change),
  })
}

async function changed(
  hub: Reachable,
  feed: string,
  change: object,
  headers: Record<string, string> = {},
): Promise<Changed> {
  const answer = await patch(hub, feed, change, headers)
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Changed
}

/** What events say, in short: control events by their names, others by topic and data. */
async function told(stream: EventReader, count: number): Promise<string[]> {
  return (await stream.take(count)).map(({ event, data, id }) => {
    if (event !== undefined) return event
    const {
      topic,
      data: value,
      ...own
    } = JSON.parse(data) as {
      topic: string
      data: unknown
      id?: string
      added?: boolean
    }
    const mark =
      own.added === true
        ? 'added state '
        : own.id !== undefined
          ? 'earlier '
          : id === undefined
            ? 'state '
            : ''
    return `${mark}${topic}: ${String(value)}`
  })
}

for (const workers of [1, 2]) {
  t.test(`topics are added and removed, whichever thread holds the stream (${workers} workers)`, async t => {
    const hub = await startHub(t, { workers })
    const { stream, feed } = await openFeed(t, hub, 'topic=a')
    for (let round = 0; round < 4; round++) {
      const asker = onOwnConnection(t, hub)
      const last = await hub.publish('a', `${round}`)
      t.same(await told(stream, 1), [`a: ${round}`])
      const added = await changed(asker, feed, { add: ['b/*', 'c'] })
      t.same(added, { feed, topics: ['a', 'c', 'b/*'], from: added.from })
      t.ok(added.from >= last, 'it counts from where the stream is')
      await asker.publish('b/1', 'new')
      await asker.publish('c', 'new')
      const [change] = await stream.take(1)
      t.equal(change?.event, 'millrace:topics')
      t.equal(change?.id, added.from)
      t.same(JSON.parse(change!.data), { topics: added.topics, added: ['b/*', 'c'], removed: [] })
      t.same(await told(stream, 2), ['b/1: new', 'c: new'])
      await changed(asker, feed, { remove: ['c', 'b/*'] })
      await asker.publish('c', 'unseen')
      await asker.publish('a', 'seen')
      t.same(await told(stream, 2), ['millrace:topics', 'a: seen'])
    }
    t.equal(await metric(hub, 'millrace_feed_changes_total'), 8)
  })
}

t.test(
  'while events pour in, nothing of what stays is lost or repeated, and what comes counts from the change',
  async t => {
    const hub = await startHub(t)
    const { stream, feed } = await openFeed(t, hub, 'topic=stays')
    const topics = ['stays', 'comes']
    const publishers = new AbortController()
    const sent: Record<string, string[]> = { stays: [], comes: [] }
    const publishing = topics.map(async topic => {
      while (!publishers.signal.aborted) sent[topic]!.push(await hub.publish(topic, 'x'))
    })
    const spans: { from: string; to: string }[] = []
    const changing = (async () => {
      for (let round = 0; round < 40; round++) {
        const { from } = await changed(hub, feed, { add: ['comes'] })
        await sleep(5)
        const { from: to } = await changed(hub, feed, { remove: ['comes'] })
        spans.push({ from, to })
      }
      publishers.abort()
      await Promise.all(publishing)
      await hub.publish('stays', 'last')
    })()
    const seen: Record<string, string[]> = { stays: [], comes: [] }
    for (;;) {
      const { id, data, event } = (await stream.next())!
      if (event !== undefined) continue
      const { topic, data: value } = JSON.parse(data) as { topic: string; data: string }
      if (value === 'last') break
      seen[topic]!.push(id!)
    }
    await changing
    t.same(seen['stays'], sent['stays'])
    const counted = sent['comes']!.filter(id => spans.some(({ from, to }) => id > from && id <= to))
    t.same(seen['comes'], counted)
    t.ok(counted.length > 0 && counted.length < sent['comes']!.length)
  },
)

t.test('the states of added topics come first, once', async t => {
  const hub = await startHub(t)
  const put = async (topic: string, body: string): Promise<void> => {
    await (await hub.fetch(`/topics/${topic}`, { method: 'PUT', body })).text()
  }
  await put('rooms/1', 'light')
  await put('rooms/2', 'dark')
  const { stream, feed } = await openFeed(t, hub, 'topic=a')
  t.same(await told(stream, 1), ['millrace:ready'])
  await changed(hub, feed, { add: ['rooms/1'] })
  t.same(await told(stream, 2), ['added state rooms/1: light', 'millrace:topics'])
  await changed(hub, feed, { add: ['rooms/1'] })
  await changed(hub, feed, { add: ['rooms/1', 'rooms/2'], remove: ['nothing', 'rooms/1'] })
  t.same(await told(stream, 2), ['added state rooms/2: dark', 'millrace:topics'])
  await put('rooms/1', 'off')
  t.same(await told(stream, 1), ['rooms/1: off'], 'what was added and removed at once stays')
})

t.test('topics that are there already hand over their states `again`, if that is asked for', async t => {
  const hub = await startHub(t)
  await (await hub.fetch('/topics/rooms/1', { method: 'PUT', body: 'light' })).text()
  const { stream, feed } = await openFeed(t, hub, 'topic=rooms/*')
  t.same(await told(stream, 2), ['state rooms/1: light', 'millrace:ready'])
  const before = await changed(hub, feed, { add: ['rooms/*'], again: true })
  t.same(before.topics, ['rooms/*'])
  t.same(await told(stream, 2), ['added state rooms/1: light', 'millrace:topics'])
  await hub.publish('rooms/1', 'flicker')
  t.same(await told(stream, 1), ['rooms/1: flicker'], 'its events come once')
})

t.test('`after` hands over what added topics had, without moving the cursor', async t => {
  const hub = await startHub(t)
  const ids: string[] = []
  for (const data of ['1', '2', '3']) ids.push(await hub.publish('b', data))
  const { stream, feed } = await openFeed(t, hub, 'topic=a')
  const first = await changed(hub, feed, { add: ['b'], after: ids[0] })
  t.same(await told(stream, 3), ['earlier b: 2', 'earlier b: 3', 'millrace:topics'])
  t.equal(stream.lastId, first.from)
  await changed(hub, feed, { add: ['b'], after: 'earliest' })
  t.same(await told(stream, 4), ['earlier b: 1', 'earlier b: 2', 'earlier b: 3', 'millrace:topics'])
  await changed(hub, feed, { add: ['b'], after: first.from })
  await hub.publish('b', '4')
  t.same(await told(stream, 2), ['millrace:topics', 'b: 4'])
})

t.test('what is gone of added topics is announced, and who it concerns', async t => {
  const hub = await startHub(t, { retention: ['b events=2'] })
  const ids: string[] = []
  for (const data of ['1', '2', '3', '4']) ids.push(await hub.publish('b', data))
  const { stream, feed } = await openFeed(t, hub, 'topic=a')
  const lastId = stream.lastId
  await changed(hub, feed, { add: ['b'], after: ids[0] })
  const [gap] = await stream.take(1)
  t.equal(gap?.event, 'millrace:gap')
  t.equal(gap?.id, undefined)
  t.same(JSON.parse(gap!.data), {
    reason: 'expired',
    resumesAfter: ids[0],
    lostThrough: ids[1],
    topics: ['b'],
  })
  t.equal(stream.lastId, lastId)
  t.same(await told(stream, 3), ['earlier b: 3', 'earlier b: 4', 'millrace:topics'])
  await changed(hub, feed, { add: ['b'], after: '00000000000-00000000001' })
  const [unknown] = await stream.take(1)
  t.match(JSON.parse(unknown!.data), { reason: 'unknown', topics: ['b'] })
  t.same(await told(stream, 3), ['earlier b: 3', 'earlier b: 4', 'millrace:topics'])
})

t.test('a stream that catches up takes added topics from its own cursor on', async t => {
  const hub = await startHub(t)
  const first = await hub.publish('a', '1')
  const between = await hub.publish('b', '2')
  await hub.publish('a', '3')
  const { stream, feed } = await openFeed(t, hub, `topic=a&after=${first}`)
  // Whether it has read the third event by now or not: what it has not is from there on.
  const { from } = await changed(hub, feed, { add: ['b'] })
  await hub.publish('a', 'last')
  const seen: string[] = []
  while (seen.at(-1) !== 'a: last') seen.push(...(await told(stream, 1)))
  t.ok(from >= first)
  t.equal(seen.includes('b: 2'), between > from)
  t.ok(seen.includes('millrace:topics'))
})

t.test('changes need a grant for what they add, of whoever opened the stream', async t => {
  const closed = { jwtKey: SECRET, anonymousPublish: ['**'], anonymousReceive: [], anonymousMetrics: true }
  const hub = await startHub(t, closed)
  const ann = bearer(await mint({ receive: ['a', 'b'], sub: 'ann' }))
  const more = bearer(await mint({ receive: ['**'], sub: 'ann' }))
  const bob = bearer(await mint({ receive: ['**'], sub: 'bob' }))
  const { stream, feed } = await openFeed(t, hub, 'topic=a', ann)
  await changed(hub, feed, { add: ['b'] }, ann)
  await expectProblem(t, await patch(hub, feed, { add: ['c'] }, ann), 'MILLRACE_FORBIDDEN')
  await expectProblem(t, await patch(hub, feed, { add: ['b'] }, bob), 'MILLRACE_FORBIDDEN')
  await expectProblem(t, await patch(hub, feed, { remove: ['b'] }, bob), 'MILLRACE_FORBIDDEN')
  await expectProblem(t, await patch(hub, feed, { add: ['b'] }), 'MILLRACE_TOKEN_MISSING')
  await expectProblem(t, await patch(hub, feed, { remove: ['b'] }), 'MILLRACE_FORBIDDEN')
  const refused = await expectProblem(t, await patch(hub, feed, { add: ['c'] }, more), 'MILLRACE_FORBIDDEN')
  t.match(refused.detail, /renew/)
  t.equal((await hub.fetch(`/feed/${feed}/token`, { method: 'POST', headers: more })).status, 204)
  await changed(hub, feed, { add: ['c'] }, more)
  await hub.publish('c', '1')
  t.same(await told(stream, 3), ['millrace:topics', 'millrace:topics', 'c: 1'])
})

t.test('what cannot be done is said, and changes nothing', async t => {
  const hub = await startHub(t, { maxPatternsPerFeed: 3, compressionExclude: ['secret/*'] })
  const { stream, feed } = await openFeed(t, hub, 'topic=a', { 'accept-encoding': 'identity' })
  const refusals = [
    ['{', 'MILLRACE_JSON_INVALID'],
    ['[]', 'MILLRACE_REQUEST_INVALID'],
    [{ topics: ['a'] }, 'MILLRACE_REQUEST_INVALID'],
    [{ add: 'b' }, 'MILLRACE_REQUEST_INVALID'],
    [{ remove: [1] }, 'MILLRACE_REQUEST_INVALID'],
    [{ add: ['b'], after: 1 }, 'MILLRACE_REQUEST_INVALID'],
    [{ add: ['b'], again: 'yes' }, 'MILLRACE_REQUEST_INVALID'],
    [{ add: ['b'], after: 'yesterday' }, 'MILLRACE_ID_INVALID'],
    [{ add: ['b', '/'] }, 'MILLRACE_TOPIC_INVALID'],
    [{ add: ['**/b'] }, 'MILLRACE_PATTERN_INVALID'],
    [{ add: ['b', 'c', 'd'] }, 'MILLRACE_TOO_MANY_PATTERNS'],
    [{ remove: ['a'] }, 'MILLRACE_REQUEST_INVALID'],
  ] as const
  for (const [change, code] of refusals) await expectProblem(t, await patch(hub, feed, change), code)
  await expectProblem(
    t,
    await patch(hub, feed, {}, { 'content-type': 'text/plain' }),
    'MILLRACE_MEDIA_TYPE_UNSUPPORTED',
  )
  await expectProblem(t, await patch(hub, 'unknown', { add: ['b'] }), 'MILLRACE_NOT_FOUND')
  t.same((await changed(hub, feed, {})).topics, ['a'])
  await hub.publish('b', 'unseen')
  await hub.publish('a', 'seen')
  t.same(await told(stream, 1), ['a: seen'])

  const ofTopic = await EventReader.open(hub, '/topics/a')
  const open = JSON.parse((await ofTopic.next())!.data) as { feed: string }
  await expectProblem(t, await patch(hub, open.feed, { add: ['b'] }), 'MILLRACE_FEED_FIXED')
  ofTopic.close()
  const compressed = await openFeed(t, hub, 'topic=a', { 'accept-encoding': 'gzip' })
  await expectProblem(t, await patch(hub, compressed.feed, { add: ['secret/1'] }), 'MILLRACE_FEED_FIXED')
  await changed(hub, feed, { add: ['secret/1'] })
  t.same(await told(stream, 1), ['millrace:topics'], 'a stream that is not compressed takes it')
})

t.test('a feed that is full is exchanged for another as large in one request', async t => {
  const hub = await startHub(t, { maxPatternsPerFeed: 3 })
  const { feed } = await openFeed(t, hub, 'topic=a&topic=b&topic=c')
  const { topics } = await changed(hub, feed, { add: ['d', 'e', 'f'], remove: ['a', 'b', 'c'] })
  t.same(topics, ['d', 'e', 'f'])
})

t.test('a compressed stream changes too', async t => {
  const hub = await startHub(t, { compressionMinReaders: 1, compressionMinBytes: 0 })
  const { stream, feed } = await openFeed(t, hub, 'topic=a', { 'accept-encoding': 'gzip' })
  t.equal(stream.header('content-encoding'), 'gzip')
  for (let round = 0; round < 20; round++) {
    await hub.publish('a', `round ${round} of a stream that is compressed`)
    await changed(hub, feed, round % 2 === 0 ? { add: ['b'] } : { remove: ['b'] })
    await hub.publish('b', `round ${round}`)
    await hub.publish('a', 'end')
    const expected = [
      `a: round ${round} of a stream that is compressed`,
      'millrace:topics',
      ...(round % 2 === 0 ? [`b: round ${round}`] : []),
      'a: end',
    ]
    t.same(await told(stream, expected.length), expected)
  }
})

t.test('changes that a client does not read are bounded, and done when it reads', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  const stream = await client.listen('/feed?topic=a')
  const [opening] = (await once(stream.setEncoding('utf8'), 'data')) as [string]
  const feed = /"feed":"([\w-]+)"/.exec(opening)![1]!
  stream.pause()
  const large = 'x'.repeat(500_000)
  for (let at = 0; at < 6; at++) await hub.publish('a', large)
  let done = 0
  let answer = await patch(hub, feed, { add: [`t/${done}`] })
  // The first ones find room while the large events are on their way.
  for (; answer.status === 200 && done < 100; answer = await patch(hub, feed, { add: [`t/${done}`] })) done++
  await expectProblem(t, answer, 'MILLRACE_TOO_MANY_CHANGES')
  t.equal(answer.headers.get('retry-after'), '1')
  t.ok(done >= 8)
  let text = ''
  stream.on('data', (chunk: string) => (text += chunk)).resume()
  while (text.split('event: millrace:topics').length <= done) await once(stream, 'data')
  await changed(hub, feed, { add: ['at/last'] })
  await hub.publish('at/last', 'seen')
  while (!text.includes('"data":"seen"')) await once(stream, 'data')
  t.equal(text.split(large).length, 7, 'and the events that stood before it')
  stream.close()
})

t.test('changes that wait count among what a connection may make the hub hold', async t => {
  const hub = await startHub(t, { maxHeldBytesPerConnection: 1_000_000 })
  const client = new Http2Client(t, hub, { settings: { initialWindowSize: 400 } })
  const streams = await Promise.all([1, 2].map(() => client.listen('/feed?topic=a')))
  const feeds = await Promise.all(
    streams.map(async stream => {
      const [opening] = (await once(stream.setEncoding('utf8'), 'data')) as [string]
      stream.pause()
      return /"feed":"([\w-]+)"/.exec(opening)![1]!
    }),
  )
  let before = ['a']
  const swap = async (feed: string, round: number): Promise<Response> => {
    const add = Array.from({ length: 200 }, (_, at) => `${round}/${at}/`.padEnd(250, 'x'))
    const answer = await patch(hub, feed, { add, remove: before })
    if (answer.status === 200) before = add
    return answer
  }
  // The first ones find room, as far as they are sent.
  for (const feed of feeds) {
    before = ['a']
    t.equal((await swap(feed, 0)).status, 200)
  }
  let done = 0
  let answer = await swap(feeds[1]!, 1)
  for (; answer.status === 200; answer = await swap(feeds[1]!, done + 1)) done++
  await expectProblem(t, answer, 'MILLRACE_CONNECTION_FULL')
  t.ok(done > 0 && done < 5, `${done} changes of 300 KB`)
  client.session.settings({ initialWindowSize: 10_000_000 })
  let text = ''
  streams[0]!.resume()
  streams[1]!.on('data', (chunk: string) => (text += chunk)).resume()
  while (text.split('event: millrace:topics').length <= done + 1) await once(streams[1]!, 'data')
  t.equal((await swap(feeds[1]!, 100)).status, 200, 'what was read counts no more')
})

t.test('presence is told of the topics that the stream follows by then', async t => {
  const hub = await startHub(t, { presenceIntervalMs: 50 })
  const { stream, feed } = await openFeed(t, hub, 'topic=a&presence=true')
  const topicOf = async (): Promise<unknown> => {
    for (;;) {
      const { event, data } = (await stream.next())!
      if (event === 'millrace:presence') return JSON.parse(data)
    }
  }
  t.match(await topicOf(), { topic: 'a', count: 1 })
  await changed(hub, feed, { add: ['b'], remove: ['a'] })
  t.match(await topicOf(), { topic: 'b', count: 1 })
  const other = await openFeed(t, hub, 'topic=a&topic=b')
  t.match(await topicOf(), { topic: 'b', count: 2 }, 'and of no other')
  other.stream.close()
  const tooMany = Array.from({ length: 101 }, (_, at) => `t/${at}`)
  await expectProblem(t, await patch(hub, feed, { add: tooMany }), 'MILLRACE_TOO_MANY_PATTERNS')
})

t.test('presence is told of the topics that a change names, first who is there', async t => {
  const hub = await startHub(t, { presenceIntervalMs: 20 })
  const { stream, feed } = await openFeed(t, hub, 'topic=a&topic=b')
  const presence = async (): Promise<string> => {
    for (;;) {
      const { event, data } = (await stream.next())!
      if (event !== 'millrace:presence') continue
      const { topic, count } = JSON.parse(data) as { topic: string; count: number }
      return `${topic} ${count}`
    }
  }
  await changed(hub, feed, { add: ['c', 'c/*'], presence: ['c'] })
  t.equal(await presence(), 'c 1')
  await changed(hub, feed, { add: ['d'], presence: ['c', 'a'] })
  t.equal(await presence(), 'a 1', 'of what was there already too, and not of d')
  await changed(hub, feed, { add: ['c'], again: true, presence: ['a', 'c'] })
  t.equal(await presence(), 'c 1', 'again')
  await changed(hub, feed, { presence: ['a'] })
  const other = await openFeed(t, hub, 'topic=a&topic=b&topic=c&topic=d')
  t.equal(await presence(), 'a 2', 'of no other any more')
  other.stream.close()
  t.equal(await presence(), 'a 1')
  await changed(hub, feed, { presence: [] })
  await changed(hub, feed, { add: ['g'] })
  const watching = await openFeed(t, hub, 'topic=g&presence=true')
  t.match(await watching.stream.next(), { data: '{"topic":"g","count":2}' })
  watching.stream.close()
  await changed(hub, feed, { add: ['h'], presence: ['h'] })
  t.equal(await presence(), 'h 1', 'and of none, until it is asked for again')
  const tooMany = Array.from({ length: 101 }, (_, at) => `t/${at}`)
  const refused = [
    [{ add: tooMany, presence: tooMany }, 'MILLRACE_TOO_MANY_PATTERNS'],
    [{ add: ['e'], presence: ['f'] }, 'MILLRACE_REQUEST_INVALID'],
    [{ presence: 'a' }, 'MILLRACE_REQUEST_INVALID'],
  ] as const
  for (const [change, code] of refused) await expectProblem(t, await patch(hub, feed, change), code)
})
