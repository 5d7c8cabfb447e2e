// Draft 7 of the Mercure protocol (draft-dunglas-mercure-07), requirement by requirement. Titles begin with the section.

import t, { type Test } from 'tap'
import type { Response } from 'undici'
import type { TestHub } from '../../support/hub.ts'
import { bearer } from '../../support/tokens.ts'
import {
  at,
  attributesOf,
  base64url,
  CLOSED,
  draft7Token,
  draft8Token,
  encoded,
  form,
  HUB,
  may,
  METADATA,
  now,
  post,
  publisherWith,
  refused,
  startMercureHub,
  statusOf,
  SUBSCRIPTIONS,
  unique,
} from './support.ts'
import { UpdateStream, type OpenOptions } from './update-stream.ts'

const APP = 'https://app.example.org'
const CONTEXT = 'https://mercure.rocks/'

// No audience and no issuer: tokens of draft 7 have neither.
const hub = await startMercureHub(t, { corsOrigin: [APP] })
const closedHub = await startMercureHub(t, { ...CLOSED, authQuery: true })

const everything = await draft7Token({ publish: ['*'], subscribe: ['*'] })
const FORGED = await draft7Token(
  { publish: ['*'], subscribe: ['*'] },
  { secret: 'another secret, of more than 32 bytes' },
)
const { publish, post: tryPublish } = publisherWith(hub, everything)

function listen(
  t: Test,
  topic: string | readonly string[],
  options: OpenOptions = {},
  cursor: object = {},
): Promise<UpdateStream> {
  return UpdateStream.open(t, hub, at({ topic, ...cursor }), options)
}

// §2 and §3

t.test('§2 the hub is at /.well-known/mercure, and nowhere near', async t => {
  for (const path of ['/.well-known/mercure/', '/.well-known/mercures', '/mercure', '/.well-known/Mercure']) {
    t.equal(await statusOf(hub, `${path}?topic=a`), 404, path)
  }
  t.equal(await statusOf(hub, `${HUB}?topic=a`), 200)
})

const E = 'https://e.example'

type Row = readonly [selector: string, matched: readonly string[], not: readonly string[]]

const SELECTORS: readonly Row[] = [
  ['*', ['a', `${E}/a/b?c#d`, 'urn:x:1'], []],
  ['a name', ['a name'], ['a  name', 'a name ', 'A name', 'a']],
  [`${E}/a.c`, [`${E}/a.c`], [`${E}/abc`, `${E}/a.cc`, `x${E}/a.c`]],
  // As a string, it matches itself (step 2).
  [`${E}/{id}`, [`${E}/1`, `${E}/a-b._~`, `${E}/%2F`, `${E}/{id}`], [`${E}/a/b`, 'http://e.example/1']],
  [`${E}/{id}`, [], [`${E}/a?b=1`, `${E}/a#b`, 'https://E.example/1', `${E}/{other}/x`]],
  [`${E}/u/{user}/b/{book}`, [`${E}/u/1/b/2`], [`${E}/u/1/b`, `${E}/u/1/c/2`]],
  [`${E}/{+path}`, [`${E}/a/b/c?d=e`, `${E}/a`], ['https://f.example/a']],
  [`${E}/t{#part}`, [`${E}/t#top`, `${E}/t`], [`${E}/t/top`]],
  [`${E}/file{.ext}`, [`${E}/file.json`, `${E}/file`], [`${E}/file/json`]],
  [`${E}/books{/id}`, [`${E}/books/1`, `${E}/books`], [`${E}/books/1/2`, `${E}/booksx`]],
  [`${E}{/path*}`, [`${E}/a/b/c`, `${E}/a`], ['https://e.examplex/a']],
  [`${E}/p{;x}`, [`${E}/p;x=1`], [`${E}/p/x`]],
  [
    `${E}/books{?page,size}`,
    [`${E}/books?page=1&size=2`, `${E}/books?page=1`, `${E}/books`],
    [`${E}/books/1`],
  ],
  [`${E}/?fixed=1{&x}`, [`${E}/?fixed=1&x=2`], [`${E}/?fixed=2&x=2`]],
  // The example of §6.5.
  [`${E}/users/foo/{?topic}`, [`${E}/users/foo/?topic=https%3A%2F%2Fexample.com%2Fbooks%2F1`], []],
  // What is no template is a string.
  [`${E}/{`, [`${E}/{`], [`${E}/`, `${E}/a`]],
  [`${E}/{!id}`, [`${E}/{!id}`], [`${E}/1`]],
  [`${E}/{id}}`, [`${E}/{id}}`], [`${E}/1}`, `${E}/1`]],
]

t.test('§3 a selector matches what is equal to it, and as a URI template what it expands to', async t => {
  for (const [selector, matched, not] of SELECTORS) {
    const end = unique('end')
    const stream = await listen(t, [selector, end])
    for (const topic of [...not, ...matched, end]) await publish({ topic, data: topic })
    t.same(await stream.takeData(matched.length + 1), [...matched, end], selector)
    stream.close()
  }
})

t.test('§3 what the templates of the other hub match beyond that is matched too', async t => {
  const end = unique('end')
  const stream = await listen(t, [`${E}/x/{id}`, `${E}/y{?topic}`, end])
  // An empty value, a list; the name of a variable is not compared.
  const topics = [`${E}/x/`, `${E}/x/1,2`, `${E}/y?other=1`]
  for (const topic of [`${E}/x/a:b`, `${E}/x/é`, `${E}/x/a b`, ...topics, end])
    await publish({ topic, data: topic })
  t.same(await stream.takeData(4), [...topics, end])
})

// §4

t.test('§4 a stream is an event stream that no cache keeps, and begins with a comment', async t => {
  const topic = unique()
  const stream = await listen(t, topic)
  t.match(stream.headers.get('content-type'), /^text\/event-stream(;|$)/)
  t.match(stream.headers.get('cache-control'), /no-store/)
  t.equal(stream.headers.get('x-accel-buffering'), 'no')
  await publish({ topic })
  await stream.next()
  t.match(stream.raw, /^:\n/)
})

t.test('§4 updates of any of the topics come, each once and in order', async t => {
  const [a, b, c] = [unique('a'), unique('b'), unique('c')]
  const stream = await listen(t, [a, 'https://example.com/{x}', b, a])
  for (const topic of [a, 'elsewhere', b, c, a]) await publish({ topic, data: topic })
  t.same(await stream.takeData(4), [a, b, c, a])
})

t.test('§4 a request names topics, and of one draft only', async t => {
  for (const path of [
    HUB,
    `${HUB}?`,
    `${HUB}?lastEventID=earliest`,
    `${HUB}?Topic=a`,
    `${HUB}?topic=a&match=a`,
    `${HUB}?topic=a&match_urlpattern=a`,
    `${HUB}?topic=a&MATCH=a`,
  ]) {
    await refused(t, await hub.fetch(path), 400, 'none', path)
  }
})

t.test('§4 1,000 topics are taken, and no more', async t => {
  const path = (count: number): string => `${HUB}?${Array.from({ length: count }, () => 'topic=a').join('&')}`
  t.equal(await statusOf(hub, path(1000)), 200)
  await refused(t, await hub.fetch(path(1001)), 400)
})

t.test('§4 HEAD is answered like GET, without a stream and without a subscription', async t => {
  const topic = unique()
  const response = await hub.fetch(at({ topic }), { method: 'HEAD' })
  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^text\/event-stream/)
  t.equal(await response.text(), '')
  t.same((await subscriptionsOf(hub, everything, topic)).subscriptions, [])
})

t.test('§4 all fields of an event stream are supported', async t => {
  const topic = unique()
  const stream = await listen(t, topic)
  const id = `urn:x:${topic}`
  await publish({ topic, id, type: 'a type: é', retry: '1500', data: 'a' })
  t.same(await stream.next(), { id, type: 'a type: é', retry: 1500, data: 'a' })
  await publish({ topic })
  t.match(await stream.next(), { type: 'message', retry: undefined, data: '' })
})

t.test('§4 data arrives as it was, but for how its lines end', async t => {
  const topic = unique()
  const stream = await listen(t, topic)
  for (const [data, received = data] of [
    ['a\nb\rc\r\nd', 'a\nb\nc\nd'],
    ['a\n\nb'],
    ['\n\n'],
    ['a\n'],
    [' leading and trailing '],
    ['x\nid: 7\nevent: forged\n\ndata: y'],
    ['x\rid: 7\revent: forged\r\rdata: y', 'x\nid: 7\nevent: forged\n\ndata: y'],
    [': no comment'],
    ['🎶 \u0001\u2028\u0085'],
    ['a&b=c+d%20;e'],
  ] as const) {
    const id = await publish({ topic, data })
    t.same(await stream.next(), { id, type: 'message', data: received, retry: undefined })
  }
})

t.test('§4 private updates do not reach who may not receive them, and public ones reach all', async t => {
  const topic = unique()
  const streams = [
    await listen(t, topic),
    await listen(t, topic, { token: await draft7Token({ publish: ['*'] }) }),
    await listen(t, topic, { token: await draft7Token({ subscribe: [] }) }),
    await listen(t, topic, { token: await draft7Token({ subscribe: [unique('other')] }) }),
    await listen(t, topic, { token: await draft7Token({}) }),
  ]
  await publish({ topic, data: 'private', private: 'on' })
  await publish({ topic, data: 'public' })
  for (const stream of streams) t.equal((await stream.next()).data, 'public')
})

// §5

t.test('§5 updates are sent as a form', async t => {
  const topic = unique()
  for (const [type, body] of [
    ['application/json', JSON.stringify({ topic })],
    ['text/plain', form({ topic })],
    [
      'multipart/form-data; boundary=x',
      `--x\r\ncontent-disposition: form-data; name="topic"\r\n\r\n${topic}\r\n--x--`,
    ],
  ] as const) {
    await refused(
      t,
      await post(hub, body, { ...bearer(everything), 'content-type': type }),
      415,
      'none',
      type,
    )
  }
  const type = 'application/x-www-form-urlencoded; charset=UTF-8'
  const answer = await post(hub, { topic }, { ...bearer(everything), 'content-type': type })
  t.equal(answer.status, 200)
})

t.test(
  '§5 an update goes to subscribers of its canonical topic and of its alternates, once to each',
  async t => {
    const topic = [unique('canonical'), unique('alternate'), unique('alternate')]
    const streams = [...topic, topic, '*'].map(async selector => listen(t, selector))
    await publish({ topic, data: 'all' })
    await publish({ topic, data: 'end' })
    for (const stream of streams) t.same(await (await stream).takeData(2), ['all', 'end'])
  },
)

t.test('§5 an update is private whatever the value of the field', async t => {
  const topic = unique()
  const [anyone, reader] = [await listen(t, topic), await listen(t, topic, { token: everything })]
  for (const value of ['on', '', '0', 'off', 'false', 'no'])
    await publish({ topic, private: value, data: value })
  t.equal((await tryPublish(`topic=${encodeURIComponent(topic)}&private&data=bare`)).status, 200)
  await publish({ topic, data: 'end' })
  t.equal((await anyone.next()).data, 'end')
  t.same(await reader.takeData(8), ['on', '', '0', 'off', 'false', 'no', 'bare', 'end'])
})

t.test('§5 the answer is the id of the update, and nothing else', async t => {
  const topic = unique()
  const stream = await listen(t, topic)
  for (const given of ['an id', `urn:uuid:${crypto.randomUUID()}`, 'id-["a","b"]', '<b>&é🎶%41+', '7']) {
    const response = await tryPublish({ topic, id: given })
    t.equal(response.status, 200)
    t.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8')
    const id = await response.text()
    t.equal(id, given)
    t.equal((await stream.next()).id, given)
  }
})

t.test('§5 the hub names updates that have no id, each with an IRI of its own', async t => {
  const topic = unique()
  const stream = await listen(t, topic)
  const ids = [await publish({ topic }), await publish({ topic, id: '' }), await publish({ topic })]
  t.same(
    (await stream.take(3)).map(({ id }) => id),
    ids,
  )
  t.equal(new Set(ids).size, 3)
  for (const id of ids) t.match(id, /^urn:uuid:[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
})

t.test('§5 an id that starts with # is refused, as is what would forge an event', async t => {
  const topic = unique()
  const stream = await listen(t, topic)
  for (const fields of [
    { topic, id: '#1' },
    { topic, id: '#' },
    { topic, id: 'a\nid: b' },
    { topic, id: 'a\rb' },
    { topic, id: 'a\0b' },
    { topic, type: 'a\ndata: b' },
    { topic, type: 'a\rb' },
    { topic, retry: 'soon' },
    { topic, retry: '-1' },
    { data: 'no topic' },
  ]) {
    await refused(t, await tryPublish(fields), 400, 'none', JSON.stringify(fields))
  }
  await publish({ topic, data: 'end' })
  t.equal((await stream.next()).data, 'end')
})

// §6

const badTokens = async (): Promise<Readonly<Record<string, string>>> => ({
  'another key': FORGED,
  'no signature': `${everything.split('.').slice(0, 2).join('.')}.`,
  'not a JWS': 'a.b.c',
  'not signed': `${base64url({ alg: 'none' })}.${base64url({ mercure: { publish: ['*'], subscribe: ['*'] } })}.`,
  'another algorithm': await draft7Token({ publish: ['*'], subscribe: ['*'] }, { header: { alg: 'HS384' } }),
  expired: await draft7Token({ publish: ['*'], subscribe: ['*'] }, { claims: { exp: now() - 10 } }),
  'not valid yet': await draft7Token({ publish: ['*'], subscribe: ['*'] }, { claims: { nbf: now() + 600 } }),
})

t.test('§6 a bad token is refused wherever it is shown, even where none is needed', async t => {
  for (const [title, token] of Object.entries(await badTokens())) {
    const headers = bearer(token)
    await refused(t, await post(hub, { topic: 'a' }, headers), 401, 'invalid_token', `${title}: publish`)
    await refused(
      t,
      await hub.fetch(`${HUB}?topic=a`, { headers }),
      401,
      'invalid_token',
      `${title}: subscribe`,
    )
    await refused(t, await hub.fetch(SUBSCRIPTIONS, { headers }), 401, 'invalid_token', `${title}: list`)
  }
})

t.test('§6 where a token is needed, none is refused without an error code', async t => {
  await refused(t, await post(hub, { topic: 'a' }), 401, 'no code', 'publish')
  await refused(t, await closedHub.fetch(`${HUB}?topic=a`), 401, 'no code', 'subscribe')
  await refused(t, await hub.fetch(SUBSCRIPTIONS), 401, 'no code', 'list')
})

t.test('§6 a hub that is closed to anonymous subscribers takes any good token', async t => {
  const token = await draft7Token({ publish: ['*'] })
  t.equal(await statusOf(closedHub, `${HUB}?topic=a`, { headers: bearer(token) }), 200)
})

t.test('§6 the header counts before the parameter, and the parameter before the cookie', async t => {
  const [a, b, c, end] = [unique('a'), unique('b'), unique('c'), unique('end')]
  const forA = await draft7Token({ subscribe: [a] })
  const forB = await draft7Token({ subscribe: [b] })
  const forC = await draft7Token({ subscribe: [c] })
  for (const [title, header, parameter, cookie, received] of [
    ['the header alone', forA, undefined, undefined, a],
    ['the parameter alone', undefined, forB, undefined, b],
    ['the cookie alone', undefined, undefined, forC, c],
    ['all', forA, forB, forC, a],
    ['parameter and cookie', undefined, forB, forC, b],
    ['header and cookie', forA, undefined, forC, a],
    ['a bad parameter and a bad cookie', forA, FORGED, FORGED, a],
    ['a bad cookie', undefined, forB, FORGED, b],
    ['a bad header', FORGED, forB, forC, undefined],
    ['a bad parameter', undefined, FORGED, forC, undefined],
  ] as const) {
    const path = at({ topic: [a, b, c, end], ...(parameter !== undefined && { authorization: parameter }) })
    const headers = {
      ...(header !== undefined && bearer(header)),
      ...(cookie !== undefined && { cookie: `other=1; mercureAuthorization=${cookie}; more=2` }),
    }
    if (received === undefined) {
      await refused(t, await closedHub.fetch(path, { headers }), 401, 'invalid_token', title)
      continue
    }
    const stream = await UpdateStream.open(t, closedHub, path, { headers })
    const publisher = publisherWith(closedHub, everything)
    for (const topic of [a, b, c]) await publisher.publish({ topic, private: 'on', data: topic })
    await publisher.publish({ topic: end, data: end })
    t.same(await stream.takeData(2), [received, end], title)
    stream.close()
  }
})

t.test('§6.1 the header is Bearer, a space and a token', async t => {
  for (const authorization of [
    `Basic ${everything}`,
    `Bearer${everything}`,
    everything,
    'Bearer ',
    'Bearer',
  ]) {
    const response = await hub.fetch(`${HUB}?topic=a`, { headers: { authorization } })
    t.equal(response.status, 401, authorization.slice(0, 10))
    await response.body?.cancel()
  }
})

t.test('§6.3 the answer to a token in the address is for its client alone', async t => {
  const path = at({ topic: 'a', authorization: everything })
  const stream = await UpdateStream.open(t, closedHub, path)
  t.match(stream.headers.get('cache-control'), /private|no-store/)
})

t.test('§6.4 a claim without a selector for it publishes nothing', async t => {
  const topic = unique()
  const stream = await listen(t, topic, { token: everything })
  for (const [title, mercure] of [
    ['no claim', undefined],
    ['an empty claim', {}],
    ['for receiving only', { subscribe: ['*'] }],
    ['an empty list', { publish: [] }],
    ['null', { publish: null }],
    ['another topic', { publish: [`${topic}/1`, topic.toUpperCase(), topic.slice(0, -1)] }],
    ['a template that does not match', { publish: ['https://else.example/{x}'] }],
  ] as const) {
    const headers = bearer(await draft7Token(mercure))
    await refused(t, await post(hub, { topic }, headers), 403, 'insufficient_scope', title)
  }
  await publish({ topic, data: 'end' })
  t.equal((await stream.next()).data, 'end')
})

t.test('§6.4 every topic needs a selector, or nothing is dispatched', async t => {
  const [a, b, c] = [unique('a'), unique('b'), unique('c')]
  const stream = await listen(t, [a, b, c], { token: everything })
  const headers = bearer(await draft7Token({ publish: [a, `${b}{?x}`] }))
  for (const topic of [c, [a, c], [c, a], [a, b, c]]) {
    await refused(
      t,
      await post(hub, { topic, data: 'no' }, headers),
      403,
      'insufficient_scope',
      String(topic),
    )
    const fields = { topic, data: 'no', private: 'on' }
    await refused(t, await post(hub, fields, headers), 403, 'insufficient_scope', `private: ${String(topic)}`)
  }
  t.equal((await post(hub, { topic: [a, `${b}?x=1`, b], data: 'yes' }, headers)).status, 200)
  t.equal((await stream.next()).data, 'yes')
})

t.test('§6.5 a private update needs a selector for one of its topics, whichever', async t => {
  const book = (id: number): string => `${E}/books/${id}`
  const forFoo = (id: number): string => `${E}/users/foo/?topic=${encodeURIComponent(book(id))}`
  const token = await draft7Token({ subscribe: [`${E}/users/foo/{?topic}`] })
  const stream = await listen(t, `${E}/books/{id}`, { token })
  await publish({ topic: book(1), private: 'on', data: 'of nobody' })
  await publish({ topic: [book(2), forFoo(2)], private: 'on', data: 'by its alternate' })
  await publish({ topic: [book(3), `${E}/users/bar/?topic=3`], private: 'on', data: 'of another user' })
  await publish({ topic: [forFoo(4), book(4)], private: 'on', data: 'by its canonical topic' })
  // It may be received, but it was not asked for.
  await publish({ topic: forFoo(5), private: 'on', data: 'not selected' })
  await publish({ topic: book(6), data: 'public' })
  t.same(await stream.takeData(3), ['by its alternate', 'by its canonical topic', 'public'])
})

t.test('§6.5 selectors of a token are strings, templates or *', async t => {
  const topic = `${E}/s/1`
  const end = unique('end')
  for (const [subscribe, received] of [
    [['*'], true],
    [[topic], true],
    [['nothing', `${E}/s/{id}`], true],
    [[`${E}/s/2`, `${E}/s`, `${E}/{id}`], false],
  ] as const) {
    const stream = await listen(t, [topic, end], { token: await draft7Token({ subscribe }) })
    await publish({ topic, private: 'on', data: 'private' })
    await publish({ topic: end, data: 'end' })
    t.equal((await stream.next()).data, received ? 'private' : 'end', JSON.stringify(subscribe))
    stream.close()
  }
})

t.test('§6.5 a stream is closed when its token expires, and goes on when it does not expire', async t => {
  const topic = unique()
  const lasting = await listen(t, topic, { token: everything })
  const exp = now() + 3
  const token = await draft7Token({ subscribe: ['*'] }, { claims: { exp } })
  const stream = await listen(t, topic, { token })
  await publish({ topic, private: 'on', data: 'before' })
  t.equal((await stream.next()).data, 'before')
  await stream.ended()
  const late = Date.now() - exp * 1000
  // A little before, so that nothing is sent after it.
  t.ok(late > -750 && late < 1500, `${late} ms after its time`)
  await publish({ topic, data: 'after' })
  t.same(await lasting.takeData(2), ['before', 'after'])
})

t.test('§6 tokens of either draft serve requests of either draft', async t => {
  const [topic, other] = [unique(), unique('other')]
  const aud = { claims: { aud: `${hub.url}${HUB}` } }
  const modern = await draft8Token([may(['publish', 'subscribe'], [topic])], aud)
  const classic = await draft7Token({ publish: [topic], subscribe: [topic] })
  const streams: UpdateStream[] = []
  for (const token of [modern, classic]) {
    streams.push(await listen(t, [topic, other], { token }))
    streams.push(await UpdateStream.open(t, hub, at({ match: [topic, other] }), { token }))
  }
  await publish({ topic: other, private: 'on', data: 'not granted' })
  for (const token of [modern, classic]) {
    await publisherWith(hub, token).publish({ topic, private: 'on', data: 'granted' })
    await refused(t, await post(hub, { topic: other }, bearer(token)), 403, 'insufficient_scope')
  }
  for (const stream of streams) t.same(await stream.takeData(2), ['granted', 'granted'])
})

// §7

/** Three updates of one topic; their ids. */
async function history(topic: string): Promise<[string, string, string]> {
  return [
    await publish({ topic, data: '1' }),
    await publish({ topic, data: '2' }),
    await publish({ topic, data: '3' }),
  ]
}

t.test('§7 a stream goes on behind the id that it is given, and then with what is new', async t => {
  const topic = unique()
  const [first] = await history(topic)
  for (const [title, headers, cursor] of [
    ['a header', { 'last-event-id': first }, {}],
    ['a parameter', {}, { lastEventID: first }],
    ['both: the header', { 'last-event-id': first }, { lastEventID: 'earliest' }],
    ['an empty header', { 'last-event-id': '' }, { lastEventID: first }],
  ] as const) {
    const stream = await listen(t, topic, { headers }, cursor)
    t.equal(stream.headers.get('last-event-id'), first, title)
    t.equal(stream.headers.get('mercure-last-event-id'), null, title)
    t.same(await stream.takeData(2), ['2', '3'], title)
    stream.close()
  }
  const stream = await listen(t, topic, {}, { lastEventID: first })
  await publish({ topic, data: '4' })
  t.same(await stream.takeData(3), ['2', '3', '4'])
})

t.test('§7 without an id nothing is replayed, and names of other protocols count for nothing', async t => {
  const topic = unique()
  const [first] = await history(topic)
  for (const cursor of [{}, { last_event_id: first }, { lasteventid: first }, { after: first }]) {
    const stream = await listen(t, topic, {}, cursor)
    t.equal(stream.headers.get('last-event-id'), null)
    await publish({ topic, data: 'new' })
    t.equal((await stream.next()).data, 'new', JSON.stringify(cursor))
    stream.close()
  }
})

t.test('§7 earliest, and an id that is not known, give all that is kept', async t => {
  const topic = unique()
  await history(topic)
  for (const lastEventID of ['earliest', 'unknown', 'urn:uuid:00000000-0000-4000-8000-000000000000', '#1']) {
    const stream = await listen(t, topic, {}, { lastEventID })
    t.equal(stream.headers.get('last-event-id'), 'earliest', lastEventID)
    t.same(await stream.takeData(3), ['1', '2', '3'], lastEventID)
    stream.close()
  }
})

t.test('§7 an empty id is an id that is not known, and is answered', async t => {
  const topic = unique()
  for (const [headers, cursor] of [
    [{ 'last-event-id': '' }, {}],
    [{}, { lastEventID: '' }],
  ] as const) {
    const stream = await listen(t, topic, { headers }, cursor)
    t.equal(stream.headers.get('last-event-id'), 'earliest', JSON.stringify(cursor))
  }
})

t.test('§7 an id of any update serves, also one that was not for this subscriber', async t => {
  const [topic, other] = [unique(), unique('other')]
  await publish({ topic, data: 'before' })
  const id = await publish({ topic: other, private: 'on', id: `id-["${other}"]` })
  await publish({ topic, data: 'after' })
  const stream = await listen(t, topic, { headers: { 'last-event-id': id } })
  t.equal(stream.headers.get('last-event-id'), id)
  t.equal((await stream.next()).data, 'after')
})

t.test('§7 an id that is no ASCII serves in the header, as browsers send it, and as a parameter', async t => {
  const topic = unique()
  const id = await publish({ topic, id: `é🎶-${topic}`, data: '1' })
  await publish({ topic, data: '2' })
  const asBytes = Buffer.from(id).toString('latin1')
  for (const [headers, cursor] of [
    [{ 'last-event-id': asBytes }, {}],
    [{}, { lastEventID: id }],
  ] as const) {
    const stream = await listen(t, topic, { headers }, cursor)
    const said = stream.headers.get('last-event-id') ?? ''
    t.equal(Buffer.from(said, 'latin1').toString(), id)
    t.equal((await stream.next()).data, '2')
    stream.close()
  }
})

t.test('§7 what is replayed is what the token of now may receive', async t => {
  const [a, b] = [unique('a'), unique('b')]
  const id = await publish({ topic: a })
  await publish({ topic: a, private: 'on', data: 'private a' })
  await publish({ topic: b, private: 'on', data: 'private b' })
  await publish({ topic: [b, a], private: 'on', data: 'private b and a' })
  await publish({ topic: b, data: 'public b' })
  for (const [token, received] of [
    [undefined, ['public b']],
    [await draft7Token({ subscribe: [a] }), ['private a', 'private b and a', 'public b']],
    [await draft7Token({ subscribe: [b] }), ['private b', 'private b and a', 'public b']],
  ] as const) {
    const stream = await listen(t, [a, b], { token }, { lastEventID: id })
    t.same(await stream.takeData(received.length), received)
    stream.close()
  }
})

// §8

interface Subscription {
  readonly id: string
  readonly topic: string
  readonly subscriber: string
}

interface Subscriptions {
  readonly id: string
  readonly lastEventID: string
  readonly subscriptions: readonly Subscription[]
}

const ofTopic = (topic: string): string => `${SUBSCRIPTIONS}/${encoded(topic)}`

/** The collection of one topic. */
async function subscriptionsOf(from: TestHub, token: string, topic: string): Promise<Subscriptions> {
  const response = await from.fetch(ofTopic(topic), { headers: bearer(token) })
  return (await response.json()) as Subscriptions
}

const EVENTS = `${SUBSCRIPTIONS}{/topic}{/subscriber}`

type NextOf = (topic: string) => Promise<{ readonly type: string; readonly document: Subscription }>

/** A stream of the events about subscriptions; what it returns waits for the next one that is about a topic. */
async function watch(t: Test): Promise<NextOf> {
  const stream = await listen(t, EVENTS, { token: await draft7Token({ subscribe: [EVENTS] }) })
  const passed: Awaited<ReturnType<NextOf>>[] = []
  return async topic => {
    for (;;) {
      const found = passed.findIndex(({ document }) => document.topic === topic)
      if (found !== -1) return passed.splice(found, 1)[0]!
      const { type, data } = await stream.next()
      passed.push({ type, document: JSON.parse(data) as Subscription })
    }
  }
}

t.test('§8.1 an update tells of each subscription when it begins and when it ends', async t => {
  const [topic, template] = [unique('a b%2F+é*'), `${unique('t')}/{id}{?x}`]
  const nextOf = await watch(t)
  const payload = { user: 'ada', groups: [1, 2], nested: { a: null } }
  const token = await draft7Token({ subscribe: [], payload })
  const stream = await listen(t, [topic, template], { token })
  const subscribers = new Set<string>()
  for (const active of [true, false]) {
    if (!active) stream.close()
    for (const selector of [topic, template]) {
      const { type, document } = await nextOf(selector)
      t.equal(type, 'message', 'no event name')
      const { subscriber } = document
      t.match(subscriber, /^urn:uuid:[\da-f-]{36}$/)
      t.strictSame(document, {
        '@context': CONTEXT,
        id: `${ofTopic(selector)}/${encoded(subscriber)}`,
        type: 'Subscription',
        subscriber,
        topic: selector,
        active,
        payload,
      })
      subscribers.add(subscriber)
    }
  }
  t.equal(subscribers.size, 1, 'one subscriber has one id')
})

t.test('§8.1 reserved characters are percent-encoded', async t => {
  const topic = `${unique()}/{id}`
  const nextOf = await watch(t)
  await listen(t, topic)
  const { document } = await nextOf(topic)
  t.match(document.id, /\/https%3A%2F%2Fexample\.com%2Ftopic-\d+%2F%7Bid%7D\/urn%3Auuid%3A[\da-f-]{36}$/)
  t.notOk('payload' in document, 'no payload where the token has none')
})

t.test('§8.1 each connection is a subscriber of its own, whatever the client says', async t => {
  const topic = unique()
  const nextOf = await watch(t)
  const token = await draft7Token({ subscribe: ['*'] }, { claims: { sub: 'urn:mine' } })
  await listen(t, topic, { token }, { subscriber: 'urn:mine' })
  await listen(t, topic, { token }, { subscriber: 'urn:mine' })
  const [one, two] = [await nextOf(topic), await nextOf(topic)]
  t.not(one.document.subscriber, two.document.subscriber)
  t.notMatch(one.document.subscriber, 'mine')
})

t.test('§8.1 these updates are private', async t => {
  const [topic, end] = [unique(), unique('end')]
  const outsiders = [
    await listen(t, [EVENTS, end]),
    await listen(t, ['*', end], { token: await draft7Token({ subscribe: [unique(), topic] }) }),
  ]
  const insider = await listen(t, [EVENTS, end], {
    token: await draft7Token({ subscribe: [`${ofTopic(topic)}{/s}`] }),
  })
  await listen(t, topic)
  await publish({ topic: end, data: 'end' })
  for (const stream of outsiders) t.equal((await stream.next()).data, 'end')
  t.equal((JSON.parse((await insider.next()).data) as Subscription).topic, topic)
})

t.test('§8.1 nobody else publishes as the hub does', async t => {
  for (const topic of [`${ofTopic('a')}/urn%3Auuid%3A1`, `https://any.example${ofTopic('a')}/b`, HUB]) {
    await refused(t, await tryPublish({ topic, private: 'on', data: '{}' }), 400, 'none', topic)
    await refused(t, await tryPublish({ topic: ['a', topic] }), 400, 'none', `alternate: ${topic}`)
  }
})

t.test('§8.2 three addresses list subscriptions: all, those of a topic, and one', async t => {
  const [topic, other] = [`${unique()}/{id}`, unique('other')]
  const payload = { user: 'ada' }
  await listen(t, [topic, other], { token: await draft7Token({ payload }) })
  await listen(t, topic)
  const get = async (path: string): Promise<Response> => hub.fetch(path, { headers: bearer(everything) })

  const collection = await get(ofTopic(topic))
  t.equal(collection.status, 200)
  t.match(collection.headers.get('content-type'), /^application\/ld\+json(;|$)/)
  const document = (await collection.json()) as Subscriptions
  const { subscriptions, lastEventID, ...rest } = document
  t.strictSame(rest, { '@context': CONTEXT, id: ofTopic(topic), type: 'Subscriptions' })
  t.match(lastEventID, /^urn:uuid:/)
  t.equal(subscriptions.length, 2)
  for (const { subscriber, ...one } of subscriptions) {
    t.match(one, {
      id: `${ofTopic(topic)}/${encoded(subscriber)}`,
      type: 'Subscription',
      topic,
      active: true,
    })
  }
  t.strictSame(subscriptions.map(one => (one as { payload?: object }).payload).filter(Boolean), [payload])

  const all = (await (await get(SUBSCRIPTIONS)).json()) as Subscriptions
  t.match(all, { '@context': CONTEXT, id: SUBSCRIPTIONS, type: 'Subscriptions', lastEventID: /^urn:uuid:/ })
  t.equal(all.subscriptions.filter(one => one.topic === topic).length, 2)
  t.equal(all.subscriptions.filter(one => one.topic === other).length, 1)

  for (const one of subscriptions) {
    const response = await get(one.id)
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), /^application\/ld\+json(;|$)/)
    const { lastEventID: cursor, ...single } = (await response.json()) as Subscriptions
    t.strictSame(single, { '@context': CONTEXT, ...one })
    t.match(cursor, /^urn:uuid:/)
  }
})

t.test('§8.2 what does not exist, or not any more, is not found; an empty collection is', async t => {
  const topic = unique()
  const nextOf = await watch(t)
  const stream = await listen(t, topic)
  const { document } = await nextOf(topic)
  const headers = bearer(everything)
  t.equal(await statusOf(hub, document.id, { headers }), 200)
  await refused(t, await hub.fetch(`${ofTopic(topic)}/urn%3Auuid%3A1`, { headers }), 404)
  stream.close()
  await nextOf(topic)
  const ended = await hub.fetch(document.id, { headers })
  await refused(t, ended, 404)
  t.strictSame((await subscriptionsOf(hub, everything, topic)).subscriptions, [])
})

t.test('§8.2 the address must match a selector of the token', async t => {
  const topic = unique()
  await listen(t, topic)
  const { subscriptions } = await subscriptionsOf(hub, everything, topic)
  const [all, some, one] = [SUBSCRIPTIONS, ofTopic(topic), subscriptions[0]!.id]
  for (const [subscribe, granted] of [
    [['*'], [all, some, one]],
    [[EVENTS], [all, some, one]],
    [[all], [all]],
    [[some], [some]],
    [[one], [one]],
    [[`${SUBSCRIPTIONS}/{topic}`], [some]],
    [[`${SUBSCRIPTIONS}/{topic}/{subscriber}`], [one]],
    [[topic, `${ofTopic(unique())}{/s}`], []],
    [[], []],
  ] as const) {
    const headers = bearer(await draft7Token({ publish: ['*'], subscribe }))
    for (const path of [all, some, one]) {
      const title = `${JSON.stringify(subscribe)} for ${path}`
      const response = await hub.fetch(path, { headers })
      if (!(granted as readonly string[]).includes(path)) {
        await refused(t, response, 403, 'insufficient_scope', title)
        continue
      }
      t.equal(response.status, 200, title)
      await response.body?.cancel()
    }
  }
})

t.test('§8.2 every document says where its news begins: at the beginning, if there was none', async t => {
  const fresh = await startMercureHub(t)
  const get = (path: string, headers = {}): Promise<Response> =>
    fresh.fetch(path, { headers: { ...bearer(everything), ...headers } })
  const empty = await get(SUBSCRIPTIONS)
  t.equal(((await empty.json()) as Subscriptions).lastEventID, 'earliest')
  t.equal(attributesOf(empty.headers.get('link') ?? '')['last-event-id'], 'earliest')

  const id = await publisherWith(fresh, everything).publish({ topic: 'a', id: 'an "id" \\ of é' })
  const response = await get(ofTopic('b'))
  t.equal(((await response.json()) as Subscriptions).lastEventID, id)
  const link = response.headers.get('link') ?? ''
  t.match(link, /^<(https:[^>]*)?\/\.well-known\/mercure>/)
  t.equal(attributesOf(link).rel, 'mercure')

  const known = await publisherWith(fresh, everything).publish({ topic: 'a', id: 'urn:x:1' })
  const etag = (await get(SUBSCRIPTIONS)).headers.get('etag')
  t.equal(etag, `"${known}"`)
  t.equal((await get(SUBSCRIPTIONS, { 'if-none-match': etag })).status, 304)

  await UpdateStream.open(t, fresh, at({ topic: 'a' }))
  const { lastEventID, subscriptions } = await subscriptionsOf(fresh, everything, 'a')
  t.not(lastEventID, known)
  const stream = await UpdateStream.open(t, fresh, at({ topic: EVENTS, lastEventID }), { token: everything })
  await UpdateStream.open(t, fresh, at({ topic: 'later' }))
  for (;;) {
    const document = JSON.parse((await stream.next()).data) as Subscription
    t.not(document.id, subscriptions[0]?.id, 'what the document has does not come again')
    if (document.topic === 'later') break
  }
})

t.test('§8 a hub without subscriptions has neither the addresses nor the updates', async t => {
  const without = await startMercureHub(t, { mercureSubscriptions: false })
  const headers = bearer(everything)
  for (const path of [SUBSCRIPTIONS, ofTopic('a'), `${ofTopic('a')}/b`]) {
    await refused(t, await without.fetch(path, { headers }), 404, 'none', path)
  }
  const stream = await UpdateStream.open(t, without, at({ topic: ['*', 'end'] }), { token: everything })
  const other = await UpdateStream.open(t, without, at({ topic: 'a' }))
  other.close()
  await publisherWith(without, everything).publish({ topic: 'end', data: 'end' })
  t.equal((await stream.next()).data, 'end')
})

t.test('§8 subscriptions of the other draft are listed there', async t => {
  const topic = unique()
  const modern = await draft8Token([may(['publish', 'subscribe'], ['*'])], {
    claims: { aud: `${hub.url}${HUB}` },
  })
  await listen(t, topic)
  await UpdateStream.open(t, hub, at({ match: topic }))
  const list = async (token: string): Promise<object[]> => {
    const response = await hub.fetch(SUBSCRIPTIONS, { headers: bearer(token) })
    return ((await response.json()) as { subscriptions: object[] }).subscriptions
  }
  t.match(
    (await list(everything)).filter(one => JSON.stringify(one).includes(topic)),
    [{ type: 'Subscription', topic }],
  )
  t.match(
    (await list(modern)).filter(one => JSON.stringify(one).includes(topic)),
    [{ type: 'subscription', match: topic, match_type: 'exact' }],
  )
})

// §12, and what browsers need.

t.test('§12 a cookie publishes only from a page of the hub or of a listed origin', async t => {
  const cookie = `mercureAuthorization=${everything}`
  for (const [headers, status] of [
    [{ origin: hub.url }, 200],
    [{ origin: APP }, 200],
    [{ referer: `${hub.url}/page?x` }, 200],
    [{ referer: `${APP}/page` }, 200],
    [{}, 403],
    [{ origin: 'https://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ referer: 'https://evil.example/' }, 403],
    [{ referer: `https://evil.example/?${APP}/` }, 403],
    [{ referer: 'no address' }, 403],
  ] as const) {
    const response = await post(hub, { topic: 'a' }, { cookie, ...headers })
    t.equal(response.status, status, JSON.stringify(headers))
    await response.body?.cancel()
  }
  t.equal(await statusOf(hub, `${HUB}?topic=a`, { headers: { cookie } }), 200, 'it receives without')
})

t.test('§4 pages of listed origins may use the hub with credentials, others may not', async t => {
  const topic = unique()
  const stream = await listen(t, topic, { headers: { origin: APP } })
  t.equal(stream.headers.get('access-control-allow-origin'), APP)
  t.equal(stream.headers.get('access-control-allow-credentials'), 'true')
  t.match(stream.headers.get('vary'), /origin/i)
  const response = await hub.fetch(at({ topic }), { headers: { origin: 'https://evil.example' } })
  t.equal(response.headers.get('access-control-allow-origin'), null)
  await response.body?.cancel()
})

t.test('a challenge leads to the metadata, which a hub of this draft would not have', async t => {
  const response = await post(hub, { topic: 'a' })
  t.equal(
    attributesOf(response.headers.get('www-authenticate') ?? '').resource_metadata,
    `${hub.url}${METADATA}`,
  )
})

// Without a case here:
// §6, §12 tokens travel over TLS, keys are stored safely and revoked: deployment. The hub itself listens with TLS or behind a proxy.
// §2 notifying all hubs, links, passing on `last-event-id`, content types: publishers and subscribers.
// §6.2 attributes of the cookie: whoever sets it.
// §6.3 parameters are separated by `&`: clients; the precedence case has the parameter among others.
// §7 sending the last id: subscribers. A history that outlives a restart: test/log.
// §10 key sets, encryption: publishers and subscribers.
