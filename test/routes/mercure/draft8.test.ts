// Draft 8 of the Mercure protocol (draft-dunglas-mercure-08), requirement by requirement. Titles begin with the section.

import { createHmac } from 'node:crypto'
import { generateKeyPair, exportJWK, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import type { RequestInit, Response } from 'undici'
import type { TestHub } from '../../support/hub.ts'
import { bearer, SECRET } from '../../support/tokens.ts'
import {
  at,
  attributesOf,
  AUDIENCE,
  base64url,
  CLOSED,
  DETAIL,
  draft7Token,
  draft8Token,
  encoded,
  form,
  FORM,
  HUB,
  ISSUER,
  may,
  METADATA,
  now,
  OPEN_TO_PUBLISHERS,
  post,
  publisherWith,
  refused,
  startMercureHub,
  statusOf,
  SUBSCRIPTIONS,
  unique,
  urlpattern,
  type Fields,
  type Signing,
} from './support.ts'
import { UpdateStream, type OpenOptions } from './update-stream.ts'

const APP = 'https://app.example.org'

const hub = await startMercureHub(t, { jwtIssuer: [ISSUER], jwtAudience: [AUDIENCE], corsOrigin: [APP] })
// Nothing without a token. It has neither issuers nor an audience, so its own address is the audience.
const closedHub = await startMercureHub(t, { ...CLOSED, authQuery: true })

const ALL = [may(['publish', 'subscribe'], ['*'])]
const everything = await draft8Token(ALL)
const { publish, post: tryPublish } = publisherWith(hub, everything)
const atClosedHub: Signing = { claims: { aud: `${closedHub.url}${HUB}` } }
const everythingThere = await draft8Token(ALL, atClosedHub)

const toReceive = (...matchers: Parameters<typeof may>[1]): Promise<string> =>
  draft8Token([may('subscribe', matchers)])

function listen(t: Test, parameters: Fields, options: OpenOptions = {}): Promise<UpdateStream> {
  return UpdateStream.open(t, hub, at(parameters), options)
}

/** A request that has its parameters in the body (RFC 10008). */
const query = (body: Fields): RequestInit => ({
  method: 'QUERY',
  body: form(body),
  headers: { 'content-type': FORM },
})

function listenByQuery(
  t: Test,
  body: Fields,
  path = HUB,
  headers: Record<string, string> = {},
): Promise<UpdateStream> {
  return UpdateStream.open(t, hub, path, { init: query(body), headers: { 'content-type': FORM, ...headers } })
}

/** U+0000 to U+001F, U+007F, U+0080 to U+009F, and category Cf, with what bounds them. */
const FORBIDDEN = [
  ['\0', '\u0001', '\t', '\n', '\r', '\u001B', '\u001F', '\u007F', '\u0080', '\u0085', '\u009F'],
  [
    '\u00AD',
    '\u0600',
    '\u061C',
    '\u180E',
    '\u200B',
    '\u200D',
    '\u200E',
    '\u202E',
    '\u2060',
    '\u2066',
    '\uFEFF',
  ],
  ['\uFFF9', '\u{110BD}', '\u{1D173}', '\u{E0001}', '\u{E007F}'],
].flat()

/** As they stand in a form. */
const NOT_UTF8 = ['%FF', 'a%C3', '%C3%28', '%ED%A0%80', '%C0%AF', '%F4%90%80%80']

// §2

t.test('§2 a topic with control or format characters, or that is no UTF-8, is refused', async t => {
  for (const character of FORBIDDEN) {
    const title = encodeURIComponent(character)
    for (const topic of [character, `a${character}b`, ['good', `a${character}`]]) {
      await refused(t, await tryPublish({ topic }), 400, 'none', `${title} in ${JSON.stringify(topic)}`)
    }
  }
  for (const bytes of NOT_UTF8) await refused(t, await tryPublish(`topic=${bytes}`), 400, 'none', bytes)
  const raw = Buffer.concat([Buffer.from('topic=a'), Buffer.from([0xff])])
  await refused(t, await tryPublish(raw), 400, 'none', 'a byte as it stands')
})

t.test('§2 any other string is a topic', async t => {
  const end = unique('end')
  const topics = [
    'a',
    ' a b ',
    'é🎶',
    '"[a]" <b> \\ {c}',
    'a%2Fb%',
    '\u00A0\u2028\uFFFD',
    'x'.repeat(1500),
    '**',
    'a*',
  ]
  const stream = await listen(t, { match: [...topics, end] })
  for (const topic of [...topics, end]) await publish({ topic, data: topic.slice(0, 20) })
  t.same(
    await stream.takeData(topics.length + 1),
    [...topics, end].map(topic => topic.slice(0, 20)),
  )
})

// §3

t.test('§3 a stream is an event stream that no cache keeps, and begins with a comment', async t => {
  const topic = unique()
  const stream = await listen(t, { match: topic })
  t.match(stream.headers.get('content-type'), /^text\/event-stream(;|$)/)
  t.match(stream.headers.get('cache-control'), /no-store/)
  t.equal(stream.headers.get('x-accel-buffering'), 'no')
  await publish({ topic })
  await stream.next()
  t.match(stream.raw, /^:\n/)
})

t.test('§3 updates that any matcher selects come, each once and in order', async t => {
  const [a, b, c] = [unique('a'), unique('b'), unique('c')]
  const stream = await listen(t, {
    match: [a, a],
    match_exact: b,
    match_urlpattern: ['https://example.com/:any', 'https://else.example/*'],
  })
  const topics = [a, 'elsewhere', b, c, 'https://else.example/x/y', a]
  for (const topic of topics) await publish({ topic, data: topic })
  t.same(await stream.takeData(5), [a, b, c, 'https://else.example/x/y', a])
})

t.test('§3 parameters are read as forms are', async t => {
  const end = unique('end')
  for (const [parameters, topic] of [
    ['match=a+b%2Bc', 'a b+c'],
    ['m%61tch=by+its+name', 'by its name'],
    ['match=100%', '100%'],
    ['match=%zz', '%zz'],
    ['match=a;b', 'a;b'],
    ['&&match=a%26b&', 'a&b'],
    ['match=a=b', 'a=b'],
    ['match=%C3%A9', 'é'],
  ] as const) {
    const stream = await UpdateStream.open(t, hub, `${HUB}?${parameters}&${form({ match: end })}`)
    await publish({ topic, data: topic })
    await publish({ topic: end, data: end })
    t.same(await stream.takeData(2), [topic, end], parameters)
    stream.close()
  }
})

t.test('§3 a name without a value is that name with an empty value', async t => {
  for (const parameters of ['match', 'match=', 'match_exact', 'match=a&match']) {
    t.equal(await statusOf(hub, `${HUB}?${parameters}`), 200, parameters)
  }
})

t.test('§3 other names that begin with match, in whatever case, are refused', async t => {
  for (const name of [
    'Match',
    'MATCH',
    'MATCH_URLPATTERN',
    'match_URLPATTERN',
    'match_Exact',
    'match_exactly',
    'match_regexp',
    'matchRegexp',
    'matcher',
    'match_',
    'match%5B%5D',
    'm%61tcher',
    'match%20',
  ]) {
    for (const parameters of [`${name}=a`, `match=a&${name}=a`, `${name}&match_urlpattern=*`]) {
      await refused(t, await hub.fetch(`${HUB}?${parameters}`), 400, 'none', parameters)
    }
  }
})

t.test('§3 a request names matchers, and of one draft only', async t => {
  for (const parameters of [
    '',
    '?',
    '?last_event_id=earliest',
    '?match=a&topic=a',
    '?topic=a&match_urlpattern=*',
    '?amatch=a',
  ]) {
    await refused(t, await hub.fetch(`${HUB}${parameters}`), 400, 'none', parameters)
  }
})

t.test('§3 parameters that are not known are ignored', async t => {
  const topic = unique()
  await publish({ topic, data: 'before' })
  const stream = await listen(t, {
    match: topic,
    lastEventID: 'earliest',
    'Last-Event-ID': 'earliest',
    x: '1',
  })
  t.equal(stream.headers.get('mercure-last-event-id'), null)
  await publish({ topic, data: 'after' })
  t.equal((await stream.next()).data, 'after')
})

t.test('§3 a matcher with control or format characters, or that is no UTF-8, is refused', async t => {
  for (const name of ['match', 'match_exact', 'match_urlpattern']) {
    for (const character of FORBIDDEN) {
      const path = at({ match: 'good', [name]: `/a${character}` })
      await refused(t, await hub.fetch(path), 400, 'none', path)
    }
    for (const bytes of NOT_UTF8) {
      await refused(t, await hub.fetch(`${HUB}?${name}=${bytes}`), 400, 'none', `${name}=${bytes}`)
    }
  }
})

const MALFORMED_PATTERNS = [
  [
    'https://e.example/(',
    'https://e.example/(a',
    'https://e.example/{',
    'https://e.example/{a',
    'https://e.example/:',
  ],
  [
    'https://e.example/:a/:a',
    'https://e.example/((a))',
    'https://e.example/(?<n>a)',
    'https://e.example/([)',
  ],
  ['https://e.example:99999/', 'https://[/'],
].flat()

t.test('§3 a pattern that is none is refused, and taken as a string where it is one', async t => {
  for (const pattern of MALFORMED_PATTERNS) {
    const path = at({ match_urlpattern: ['/good', pattern] })
    await refused(t, await hub.fetch(path), 400, 'none', pattern)
    t.equal(await statusOf(hub, at({ match: pattern })), 200, pattern)
  }
})

t.test('§3 100 matchers are taken, and no more; each of 4,096 bytes, and no longer', async t => {
  const a = (count: number): string[] => Array.from({ length: count }, (_, index) => `a${index}`)
  t.equal(await statusOf(hub, at({ match: a(50), match_urlpattern: a(50) })), 200)
  await refused(t, await hub.fetch(at({ match: a(101) })), 400, 'none', '101')
  await refused(t, await hub.fetch(at({ match: a(50), match_urlpattern: a(51) })), 400, 'none', '50 and 51')
  for (const name of ['match', 'match_urlpattern']) {
    t.equal(await statusOf(hub, at({ [name]: `/${'x'.repeat(4095)}` })), 200, name)
    await refused(t, await hub.fetch(at({ [name]: `/${'x'.repeat(4096)}` })), 400, 'none', `${name}: 4,097`)
    await refused(
      t,
      await hub.fetch(at({ [name]: 'é'.repeat(2049) })),
      400,
      'none',
      `${name}: 4,098 in UTF-8`,
    )
  }
})

t.test('§3 HEAD is answered like GET, without a stream and without a subscription', async t => {
  const topic = unique()
  const response = await hub.fetch(at({ match: topic }), { method: 'HEAD' })
  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^text\/event-stream/)
  t.equal(await response.text(), '')
  t.same((await collectionOf('exact', topic)).subscriptions, [])
})

t.test('§3 QUERY takes matchers from its body, and from its address too', async t => {
  const [a, b, c] = [unique('a'), unique('b'), unique('c/d')]
  const streams = [
    await listenByQuery(t, { match: [a, b], match_urlpattern: `${c}/:id` }),
    await listenByQuery(t, { match: b }, at({ match: a, match_urlpattern: `${c}/:id` })),
    await listenByQuery(t, {}, at({ match_exact: [a, b], match_urlpattern: `${c}/*` })),
  ]
  const topics = [a, 'elsewhere', b, `${c}/1`]
  for (const topic of topics) await publish({ topic, data: topic })
  for (const stream of streams) {
    t.match(stream.headers.get('content-type'), /^text\/event-stream/)
    t.same(await stream.takeData(3), [a, b, `${c}/1`])
  }
})

t.test('§3 the rules for parameters hold in a body as well', async t => {
  const a = (count: number): string[] => Array.from({ length: count }, (_, index) => `a${index}`)
  for (const [title, body, path = HUB] of [
    ['an unknown type', { match: 'a', match_regexp: 'a' }],
    ['upper case', { MATCH: 'a' }],
    ['nothing', {}],
    ['a control character', { match: 'a\u0001' }],
    ['a malformed pattern', { match_urlpattern: 'https://e.example/(' }],
    ['101 matchers', { match: a(101) }],
    ['60 and 60 matchers', { match: a(60) }, at({ match_urlpattern: a(60) })],
    ['a topic of the other draft', { match: 'a', topic: 'a' }],
    ['one of the other draft in the address', { match: 'a' }, at({ topic: 'a' })],
    ['a bad name in the address', { match: 'a' }, at({ matcher: 'a' })],
    ['a long pattern', { match: 'x'.repeat(4097) }],
  ] as const) {
    await refused(t, await hub.fetch(path, query(body)), 400, 'none', title)
  }
  const bytes: RequestInit = { method: 'QUERY', body: 'match=%FF', headers: { 'content-type': FORM } }
  await refused(t, await hub.fetch(HUB, bytes), 400, 'none', 'not UTF-8')
})

t.test('§3 the body of QUERY is a form', async t => {
  for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) {
    const response = await hub.fetch(HUB, {
      method: 'QUERY',
      body: 'match=a',
      headers: { 'content-type': type },
    })
    t.ok([400, 415].includes(response.status), `${type}: ${response.status}`)
    await response.body?.cancel()
  }
  const large = await hub.fetch(HUB, query({ match: 'a', filler: 'x'.repeat(1_048_576) }))
  await refused(t, large, 413)
})

t.test('§3 of two cursors the one in the address counts, and a header before both', async t => {
  const topic = unique()
  const [first, second, third] = [
    await publish({ topic }),
    await publish({ topic }),
    await publish({ topic }),
  ]
  for (const [title, path, body, headers, cursor] of [
    ['the body', HUB, { last_event_id: second }, {}, second],
    ['the address', at({ last_event_id: second }), { last_event_id: first }, {}, second],
    [
      'the header',
      at({ last_event_id: first }),
      { last_event_id: first },
      { 'last-event-id': second },
      second,
    ],
    ['matchers in the body, a cursor in the address', at({ last_event_id: second }), {}, {}, second],
  ] as const) {
    const stream = await listenByQuery(t, { match: topic, ...body }, path, headers)
    t.equal(stream.headers.get('mercure-last-event-id'), cursor, title)
    t.equal((await stream.next()).id, third, title)
    stream.close()
  }
})

t.test('§3 pages of listed origins may use the hub with credentials, others may not', async t => {
  const topic = unique()
  const stream = await listen(t, { match: topic }, { headers: { origin: APP } })
  t.equal(stream.headers.get('access-control-allow-origin'), APP)
  t.equal(stream.headers.get('access-control-allow-credentials'), 'true')
  t.match(stream.headers.get('vary'), /origin/i)
  for (const origin of ['https://evil.example', `${APP}.evil.example`, 'null']) {
    const response = await hub.fetch(at({ match: topic }), { headers: { origin } })
    t.equal(response.headers.get('access-control-allow-origin'), null, origin)
    t.equal(response.headers.get('access-control-allow-credentials'), null, origin)
    await response.body?.cancel()
  }
})

t.test('§3 a page is told before it asks that it may', async t => {
  for (const [method, headers] of [
    ['GET', 'authorization, cache-control, last-event-id'],
    ['POST', 'authorization'],
    ['QUERY', 'authorization, content-type'],
  ] as const) {
    const response = await hub.fetch(HUB, {
      method: 'OPTIONS',
      headers: {
        origin: APP,
        'access-control-request-method': method,
        'access-control-request-headers': headers,
      },
    })
    t.ok(response.ok, `${method}: ${response.status}`)
    t.equal(response.headers.get('access-control-allow-origin'), APP)
    t.equal(response.headers.get('access-control-allow-credentials'), 'true')
    t.match(response.headers.get('access-control-allow-methods'), new RegExp(`\\b${method}\\b`))
    const allowed = (response.headers.get('access-control-allow-headers') ?? '').toLowerCase()
    for (const name of headers.split(', ')) t.match(allowed, name, method)
    await response.body?.cancel()
  }
})

t.test('§3 all fields of an event stream are supported', async t => {
  const topic = unique()
  const stream = await listen(t, { match: topic })
  const id = `urn:x:${topic}`
  await publish({ topic, id, type: 'a type: é', retry: '1500', data: 'a' })
  t.same(await stream.next(), { id, type: 'a type: é', retry: 1500, data: 'a' })
  await publish({ topic })
  t.match(await stream.next(), { type: 'message', retry: undefined, data: '' })
})

t.test('§3 private updates do not reach who may not receive them, and public ones reach all', async t => {
  const topic = unique()
  const streams = [
    await listen(t, { match: topic }),
    await listen(t, { match: '*' }),
    await listen(t, { match: topic }, { token: await draft8Token([may('publish', ['*'])]) }),
    await listen(t, { match: topic }, { token: await draft8Token(undefined) }),
    await listen(t, { match: topic }, { token: await draft8Token([]) }),
    await listen(t, { match: topic }, { token: await toReceive(unique('other'), urlpattern(`${topic}/*`)) }),
  ]
  await publish({ topic, data: 'private', private: 'on' })
  await publish({ topic, data: 'public' })
  for (const stream of streams) t.equal((await stream.next()).data, 'public')
})

// §4

t.test('§4 * matches everything, whatever the type', async t => {
  const topics = [unique(), 'a name', 'urn:x:1', 'https://[', 'a/b?c#d']
  const streams = [
    await listen(t, { match: '*' }),
    await listen(t, { match_exact: '*' }),
    await listen(t, { match_urlpattern: '*' }),
  ]
  for (const topic of topics) await publish({ topic, data: topic })
  for (const stream of streams) t.same(await stream.takeData(topics.length), topics)
})

t.test('§4.1 an exact matcher compares bytes', async t => {
  const end = unique('end')
  for (const [match, others] of [
    [
      'https://e.example/a',
      ['https://E.example/a', 'https://e.example/A', 'https://e.example/a/', 'https://e.example/a?'],
    ],
    [
      'https://e.example/a',
      ['https://e.example:443/a', 'https://e.example/x/../a', 'https://e.example/%61', '/a', 'a'],
    ],
    ['https://hub.example/.well-known/x', ['x', '/.well-known/x', '//hub.example/.well-known/x']],
    ['x', ['https://hub.example/.well-known/x', 'X', ' x', 'x ', './x']],
    ['caf\u00E9', ['cafe\u0301', 'caf%C3%A9', 'CAF\u00C9']],
    ['https://\u00E9.example/', ['https://xn--9ca.example/']],
    ['https://e.example/:id', ['https://e.example/1']],
    ['https://e.example/*', ['https://e.example/1']],
    ['https://e.example/{id}', ['https://e.example/1']],
    ['\uFB01', ['fi']],
  ] as const) {
    const stream = await listen(t, { match: [match, end] })
    for (const topic of [...others, match, end]) await publish({ topic, data: topic })
    t.same(await stream.takeData(2), [match, end], match)
    stream.close()
  }
})

const E = 'https://e.example'

type Row = readonly [pattern: string, matched: readonly string[], not: readonly string[]]

const PATTERNS: readonly Row[] = [
  [
    `${E}/books/:id`,
    // What comes behind what is written may be anything, and topics are compared as URLs.
    [
      `${E}/books/1`,
      `${E}/books/1?x=1#y`,
      'https://u:p@e.example/books/1',
      `${E}/books/a%2Fb`,
      `${E}/x/../books/1`,
    ],
    [
      `${E}/books/1/2`,
      `${E}/books/`,
      `${E}/Books/1`,
      'http://e.example/books/1',
      'https://e.example:8443/books/1',
    ],
  ],
  [`${E}/books/:id`, ['https://E.EXAMPLE/books/1', 'https://e.example:443/books/1'], ['books/1', '/books/1']],
  ['https://*.example/*', ['https://a.b.example/x/y', 'https://e.example/'], ['https://example/x']],
  [`${E}/`, [`${E}/`, E, `${E}/?q`], [`${E}/a`]],
  [`${E}/n/:id(\\d+)`, [`${E}/n/1`], [`${E}/n/a`, `${E}/n/1a`]],
  [`${E}/a{/b}?`, [`${E}/a`, `${E}/a/b`], [`${E}/a/c`, `${E}/ab`]],
  [`${E}/q?x=:v`, [`${E}/q?x=1`, `${E}/q?x=1#f`], [`${E}/q`, `${E}/q?X=1`]],
  [`${E}/é/:x`, [`${E}/é/1`, `${E}/%C3%A9/1`], [`${E}/e/1`]],
  // Relative to the address of the hub, both of them.
  ['books/:id', ['books/1', '/.well-known/books/2'], ['/books/1', `${E}/books/1`, 'books/1/2']],
  ['/books/:id', ['/books/1', '../books/2'], ['books/1', '/books/1/2', `${E}/books/1`]],
  // Topics that are no URL.
  [`${E}/*`, [`${E}/a`], ['https://[', 'https://a b/', 'http://e.example:99999/']],
  ['https://*', [`${E}/a`], ['https://[', 'https://a b/']],
]

t.test('§4.2 a URL pattern matches topics as URLs, case and all', async t => {
  for (const [pattern, matched, not] of PATTERNS) {
    const end = unique('end')
    const stream = await listen(t, { match_urlpattern: pattern, match: end })
    for (const topic of [...not, ...matched, end]) await publish({ topic, data: topic })
    t.same(await stream.takeData(matched.length + 1), [...matched, end], pattern)
    stream.close()
  }
})

t.test('§4.2 the base of what is relative is the address of the hub', async t => {
  const name = unique('n').split('/').at(-1)!
  const patterns = [`${closedHub.url}/.well-known/${name}`, `/.well-known/${name}`, name]
  const token = everythingThere
  const { publish: publishThere } = publisherWith(closedHub, token)
  for (const pattern of patterns) {
    const stream = await UpdateStream.open(t, closedHub, at({ match_urlpattern: pattern }), { token })
    for (const topic of patterns) await publishThere({ topic, data: topic })
    t.same(await stream.takeData(3), patterns, pattern)
    stream.close()
  }
})

t.test('§4.2 no pattern takes long, whatever the topic', async t => {
  const end = unique('end')
  const patterns = ['/((?:a|a|aa)+)b', '/((?:a*)*)b', '/:a*b', `/${'(a*)'.repeat(20)}b`]
  const stream = await listen(t, {
    match_urlpattern: patterns.map(pattern => `https://slow.example${pattern}`),
    match: end,
  })
  const startedAt = Date.now()
  await publish({ topic: `https://slow.example/${'a'.repeat(2000)}c` })
  await publish({ topic: end, data: 'end' })
  t.equal((await stream.next()).data, 'end')
  const took = Date.now() - startedAt
  t.ok(took < 5000, `${took} ms`)
})

// §5

t.test('§5 updates are sent as a form, in the body', async t => {
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
  const headers = { ...bearer(everything), 'content-type': `${FORM}; charset=UTF-8` }
  t.equal((await post(hub, { topic }, headers)).status, 200)
  const inAddress = { method: 'POST', body: form({ data: 'x' }), headers }
  await refused(t, await hub.fetch(at({ topic }), inAddress), 400, 'none', 'fields in the address')
})

t.test('§5 an update has a topic', async t => {
  for (const body of ['', 'data=x', 'Topic=a', 'topics=a', 'topic%5B%5D=a']) {
    await refused(t, await tryPublish(body), 400, 'none', body)
  }
})

t.test(
  '§5 an update goes to subscribers of its canonical topic and of its alternates, once to each',
  async t => {
    const topic = [unique('canonical'), unique('alternate'), unique('alternate')]
    const streams = [
      ...(await Promise.all(topic.map(match => listen(t, { match })))),
      await listen(t, { match: topic }),
      await listen(t, { match_urlpattern: 'https://example.com/alternate-*' }),
      await listen(t, { match: '*' }),
    ]
    await publish({ topic, data: 'all' })
    await publish({ topic, data: 'end' })
    for (const stream of streams) t.same(await stream.takeData(2), ['all', 'end'])
  },
)

const RESERVED = [
  [
    '',
    'mercure',
    './mercure',
    'mercure/x',
    'mercure?x',
    '?x',
    '#x',
    'x/../mercure',
    ' mercure ',
    '%6Dercure',
  ],
  [HUB, `${HUB}/`, `${HUB}/x`, `${HUB}?x`, `${HUB}#x`, `${SUBSCRIPTIONS}/exact/a/b`, `${HUB}/%zz`],
  [
    `https://any.example${HUB}`,
    `https://any.example:81${SUBSCRIPTIONS}/x`,
    `//any.example${HUB}`,
    `https:${HUB}`,
  ],
  [
    'http://any.example/.well-known/mercure',
    'ftp://any.example/.well-known/mercure',
    `foo://any.example${HUB}/x`,
  ],
  [`foo:${HUB}`, `urn:${HUB}`, `HTTPS://ANY.EXAMPLE${HUB}`, `https://u:p@any.example${HUB}`],
  [
    '/.well-known/%6Dercure/x',
    '/.well-known/me%72cure',
    '/.well-known/%6d%65%72%63%75%72%65',
    '/%2Ewell-known/mercure',
  ],
  ['/.well-known/mercure/../mercure/x', '/a/../.well-known/./mercure', '/.well-known/x/%2e%2e/mercure/y'],
  ['/.well-known/%2E%2e/%2ewell-known/%6Dercure', String.raw`\.well-known\mercure`],
  String.raw`https://any.example\.well-known\mercure\x`,
].flat()

const NOT_RESERVED = [
  ['bar', 'subscriptions/foo', '../mercure/x', 'Mercure', 'mercures', 'mercure-dashboard', 'x/mercure'],
  [
    '/.well-known/mercureXXX',
    'https://any.example/.well-known/mercure-dashboard',
    '/.well-known/',
    `${HUB}/..`,
  ],
  [
    `https://any.example/foo${HUB}/bar`,
    'urn:example:mercure',
    'urn:.well-known/mercure',
    'a topic with spaces',
  ],
  ['/.WELL-KNOWN/mercure', '/.well-known/Mercure', '/.well-known//mercure', '/.well-known/mercure%2Fx'],
  [
    '/.well-known/%256Dercure',
    '/.well-known/mercure%20',
    `https://any.example/?${HUB}`,
    `https://any.example/#${HUB}`,
  ],
  // Not URLs, so they name no path of the hub.
  [`https://[${HUB}`, `https://a b${HUB}`, `http://any.example:99999${HUB}`],
].flat()

t.test('§5 no topic may be in the namespace of the hub, however it is written', async t => {
  const headers = bearer(await draft8Token([may('publish', ['nothing of these'])]))
  for (const topic of RESERVED) {
    const title = JSON.stringify(topic)
    await refused(t, await tryPublish({ topic }), 400, 'none', title)
    await refused(t, await tryPublish({ topic: ['a', topic, 'b'] }), 400, 'none', `alternate: ${title}`)
    await refused(t, await post(hub, { topic }, headers), 400, 'none', `whatever the token: ${title}`)
  }
  for (const topic of NOT_RESERVED) {
    const response = await tryPublish({ topic })
    t.equal(response.status, 200, JSON.stringify(topic))
    await response.body?.cancel()
  }
})

t.test('§5 * is no topic', async t => {
  await refused(t, await tryPublish({ topic: '*' }), 400)
  await refused(t, await tryPublish({ topic: ['a', '*'] }), 400)
  const headers = bearer(await draft8Token([may('publish', ['a'])]))
  await refused(t, await post(hub, { topic: '*' }, headers), 400)
})

t.test('§5 data is UTF-8', async t => {
  for (const bytes of NOT_UTF8)
    await refused(t, await tryPublish(`topic=a&data=${bytes}`), 400, 'none', bytes)
})

t.test('§5 data arrives as it was, but for how its lines end', async t => {
  const topic = unique()
  const stream = await listen(t, { match: topic })
  for (const [data, received = data] of [
    ['a\nb\rc\r\nd', 'a\nb\nc\nd'],
    ['a\n\nb'],
    ['\n\n'],
    ['\n\r', '\n\n'],
    ['a\n'],
    [' leading and trailing '],
    ['x\nid: 7\nevent: forged\n\ndata: y'],
    ['x\rid: 7\revent: forged\r\rdata: y', 'x\nid: 7\nevent: forged\n\ndata: y'],
    [': no comment'],
    ['🎶 \0\u0001\u2028\u0085\u200B\uFEFF'],
    ['\uFEFFa'],
    ['a&b=c+d%20;e'],
    ['x'.repeat(300_000)],
  ] as const) {
    const id = await publish({ topic, data })
    t.same(await stream.next(), { id, type: 'message', data: received, retry: undefined })
  }
})

t.test('§5 an update is private whatever the value of the field', async t => {
  const topic = unique()
  const [anyone, reader] = [
    await listen(t, { match: topic }),
    await listen(t, { match: topic }, { token: everything }),
  ]
  for (const value of ['on', '', '0', 'off', 'false', 'no'])
    await publish({ topic, private: value, data: value })
  const bare = await tryPublish(`topic=${encodeURIComponent(topic)}&private&data=bare`)
  t.equal(bare.status, 200)
  await publish({ topic, data: 'end' })
  t.equal((await anyone.next()).data, 'end')
  t.same(await reader.takeData(8), ['on', '', '0', 'off', 'false', 'no', 'bare', 'end'])
})

t.test('§5 an id, a type or a reconnection time that would break the protocol is refused', async t => {
  const topic = unique()
  const stream = await listen(t, { match: topic })
  const bodies: Record<string, Fields | string> = {}
  for (const id of ['#', '#1', '#a b', 'earliest']) bodies[`id ${id}`] = { topic, id }
  for (const type of ['mercure']) bodies[`type ${type}`] = { topic, type }
  for (const retry of ['soon', '-1', '+1', '1.5', '1e3', '0x10', ' 1', '1 ', '１２', '٣', '1\n']) {
    bodies[`retry ${retry}`] = { topic, retry }
  }
  for (const name of ['id', 'type']) {
    for (const character of FORBIDDEN) {
      bodies[`${name} with ${encodeURIComponent(character)}`] = { topic, [name]: `a${character}b` }
    }
    for (const bytes of NOT_UTF8) bodies[`${name} with ${bytes}`] = `${form({ topic })}&${name}=${bytes}`
  }
  for (const [title, body] of Object.entries(bodies))
    await refused(t, await tryPublish(body), 400, 'none', title)
  await publish({ topic, data: 'end' })
  t.equal((await stream.next()).data, 'end', 'none of them was dispatched')
})

t.test('§5 what only resembles those is taken', async t => {
  const topic = unique()
  const stream = await listen(t, { match: topic })
  for (const fields of [
    { id: 'a#1' },
    { id: 'Earliest' },
    { type: 'Mercure' },
    { type: 'mercure2' },
    { type: 'message' },
    { retry: '007' },
    { retry: '0' },
  ]) {
    const id = await publish({ topic, ...fields })
    t.equal((await stream.next()).id, id, JSON.stringify(fields))
  }
})

t.test('§5 the answer is 200 and the id of the update, and nothing else', async t => {
  const topic = unique()
  const stream = await listen(t, { match: topic })
  for (const given of ['an id', `urn:uuid:${crypto.randomUUID()}`, 'id-["a","b"]', '<b>&é🎶%41+', '7', '0']) {
    const response = await tryPublish({ topic, id: given })
    t.equal(response.status, 200)
    t.equal(response.headers.get('content-type'), 'text/plain; charset=utf-8')
    t.equal(await response.text(), given)
    t.equal((await stream.next()).id, given)
  }
})

t.test('§5 the hub names updates that have no id, each with an IRI of its own', async t => {
  const topic = unique()
  const stream = await listen(t, { match: topic })
  const ids = [await publish({ topic }), await publish({ topic, id: '' }), await publish({ topic })]
  t.same(
    (await stream.take(3)).map(({ id }) => id),
    ids,
  )
  t.equal(new Set(ids).size, 3)
  for (const id of ids) t.match(id, /^urn:uuid:[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
})

t.test('§5 fields that are not known are ignored', async t => {
  const topic = unique()
  const stream = await listen(t, { match: topic })
  const id = await publish({
    topic,
    data: 'a',
    ttl: '1',
    Private: 'on',
    event: 'x',
    match: 'y',
    'a\0b': 'c\nd',
  })
  t.same(await stream.next(), { id, type: 'message', data: 'a', retry: undefined })
})

t.test('§5 too large a body and too many topics are refused with 413', async t => {
  const topics = (count: number): string[] => Array.from({ length: count }, (_, index) => `t${index}`)
  t.equal((await tryPublish({ topic: topics(1000) })).status, 200)
  await refused(t, await tryPublish({ topic: topics(1001) }), 413, 'none', 'topics')
  await refused(t, await tryPublish({ topic: 'a', data: 'x'.repeat(1_048_577) }), 413, 'none', 'body')
})

t.test('§5 a hub that is open to publishers takes updates without a token, but no bad token', async t => {
  const open = await startMercureHub(t, {
    ...OPEN_TO_PUBLISHERS,
    jwtIssuer: [ISSUER],
    jwtAudience: [AUDIENCE],
  })
  const stream = await UpdateStream.open(t, open, at({ match: 'a' }))
  t.equal((await post(open, { topic: 'a', data: 'anonymous' })).status, 200)
  t.equal((await stream.next()).data, 'anonymous')
  await refused(t, await post(open, { topic: 'a' }, bearer('a.b.c')), 401, 'invalid_token')
})

// §6

t.test('§6.1 the header counts, and the cookie where there is none', async t => {
  const [a, b, end] = [unique('a'), unique('b'), unique('end')]
  const [forA, forB] = [await toReceive(a), await toReceive(b)]
  const cookie = (token: string): object => ({ cookie: `x=1; __Secure-mercure_access_token=${token}; y=2` })
  for (const [title, headers, received] of [
    ['the header', bearer(forA), a],
    ['the cookie', cookie(forB), b],
    ['both', { ...bearer(forA), ...cookie(forB) }, a],
    ['a bad cookie beside a header', { ...bearer(forA), ...cookie('bad') }, a],
    ['another cookie', { cookie: `access_token=${forB}` }, end],
  ] as const) {
    const stream = await listen(t, { match: [a, b, end] }, { headers: { ...headers } })
    for (const topic of [a, b]) await publish({ topic, private: 'on', data: topic })
    await publish({ topic: end, data: end })
    t.equal((await stream.next()).data, received, title)
    stream.close()
  }
  for (const [title, headers] of [
    ['a bad header beside a cookie', { ...bearer('a.b.c'), ...cookie(forB) }],
    ['a bad cookie', cookie('a.b.c')],
  ] as const) {
    const response = await hub.fetch(at({ match: a }), { headers: { ...headers } })
    await refused(t, response, 401, 'invalid_token', title)
  }
})

t.test('§6.1 a token in the address is not taken, wherever the other draft takes it', async t => {
  for (const name of ['access_token', 'authorization']) {
    const path = at({ match: 'a', [name]: everythingThere })
    await refused(t, await closedHub.fetch(path), 401, 'no code', name)
  }
  const init = { method: 'POST', body: form({ topic: 'a' }), headers: { 'content-type': FORM } }
  const response = await closedHub.fetch(at({ access_token: everythingThere }), init)
  await refused(t, response, 401, 'no code', 'publish')
})

t.test('§6.1.1 the name of the scheme is matched in any case', async t => {
  for (const scheme of ['bearer', 'BEARER', 'Bearer', 'bEaReR']) {
    const authorization = `${scheme} ${everything}`
    t.equal((await post(hub, { topic: 'a' }, { authorization })).status, 200, scheme)
    t.equal(await statusOf(hub, `${HUB}?match=a`, { headers: { authorization } }), 200, scheme)
  }
})

t.test('§6.2 where a token is needed, none is refused without an error code', async t => {
  await refused(t, await post(hub, { topic: 'a' }), 401, 'no code', 'publish')
  await refused(t, await closedHub.fetch(`${HUB}?match=a`), 401, 'no code', 'subscribe')
  await refused(t, await closedHub.fetch(HUB, query({ match: 'a' })), 401, 'no code', 'QUERY')
  await refused(t, await hub.fetch(SUBSCRIPTIONS), 401, 'no code', 'list')
})

t.test('§6.2 a header that presents no token is a malformed request', async t => {
  for (const authorization of [
    `Basic ${everything}`,
    `Bearer${everything}`,
    'Bearer',
    `Token ${everything}`,
  ]) {
    const headers = { authorization }
    const title = authorization.slice(0, 12)
    await refused(t, await post(hub, { topic: 'a' }, headers), 400, 'invalid_request', `${title}: publish`)
    const response = await hub.fetch(`${HUB}?match=a`, { headers })
    await refused(t, response, 400, 'invalid_request', `${title}: subscribe`)
  }
})

t.test('§6.2 a hub that is closed to anonymous subscribers takes any good token', async t => {
  const headers = bearer(await draft8Token([], atClosedHub))
  t.equal(await statusOf(closedHub, `${HUB}?match=a`, { headers }), 200)
})

// §6.3

const withHeader = (header: object): Promise<string> => draft8Token(ALL, { header })
const withClaims = (claims: object): Promise<string> => draft8Token(ALL, { claims })

/** Signed well, with a key that it brings along. */
async function withOwnKey(): Promise<string> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const header = { alg: 'ES256', typ: 'at+jwt', jwk: await exportJWK(publicKey) }
  const claims = { iss: ISSUER, aud: AUDIENCE, exp: now() + 600, authorization_details: ALL }
  return new SignJWT(claims).setProtectedHeader(header).sign(privateKey)
}

/** Signed with our key, whatever the header says. */
function signed(header: object): string {
  const text = `${base64url(header)}.${base64url(CLAIMS)}`
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

const [HEAD, BODY, SIGNATURE] = everything.split('.') as [string, string, string]
const CLAIMS = { iss: ISSUER, aud: AUDIENCE, exp: now() + 600, authorization_details: ALL }

const badTokens = async (): Promise<Readonly<Record<string, string>>> => ({
  'not a token': 'a.b.c',
  'another key': await draft8Token(ALL, { secret: 'another secret, of more than 32 bytes' }),
  'another body': `${HEAD}.${base64url(CLAIMS)}.${SIGNATURE}`,
  'no signature': `${HEAD}.${BODY}.`,
  'alg none': `${base64url({ alg: 'none', typ: 'at+jwt' })}.${BODY}.`,
  'alg None': `${base64url({ alg: 'None', typ: 'at+jwt' })}.${BODY}.${SIGNATURE}`,
  'an algorithm that is not on the list': await withHeader({ alg: 'HS512' }),
  'an algorithm that does not fit the key': signed({ alg: 'RS256', typ: 'at+jwt' }),
  'a header that is critical and unknown': signed({ alg: 'HS256', typ: 'at+jwt', crit: ['x'], x: 1 }),
  'a key of its own': await withOwnKey(),
  'no typ': await withHeader({ typ: undefined }),
  'typ JWT': await withHeader({ typ: 'JWT' }),
  'typ at-jwt': await withHeader({ typ: 'at-jwt' }),
  'typ of an ID token': await withHeader({ typ: 'id+jwt' }),
  'typ with another prefix': await withHeader({ typ: 'text/at+jwt' }),
  'no iss': await withClaims({ iss: undefined }),
  'iss of nobody': await withClaims({ iss: 'https://else.example' }),
  'iss with a slash': await withClaims({ iss: `${ISSUER}/` }),
  'iss in upper case': await withClaims({ iss: ISSUER.toUpperCase() }),
  'a list as iss': await withClaims({ iss: [ISSUER] }),
  'no aud': await withClaims({ aud: undefined }),
  'aud of another hub': await withClaims({ aud: 'https://else.example/.well-known/mercure' }),
  'aud that begins alike': await withClaims({ aud: `${AUDIENCE}/` }),
  'aud without us': await withClaims({ aud: ['https://a.example', 'https://b.example'] }),
  'an empty list as aud': await withClaims({ aud: [] }),
  'no exp': await withClaims({ exp: undefined }),
  'exp in the past': await withClaims({ exp: now() - 10 }),
  'exp that is no number': await withClaims({ exp: '4102444800' }),
  'nbf in the future': await withClaims({ nbf: now() + 600 }),
})

/** Asserts that a token is refused wherever it is shown. */
async function isInvalid(t: Test, token: string, title: string): Promise<void> {
  const headers = bearer(token)
  await refused(t, await post(hub, { topic: 'a' }, headers), 401, 'invalid_token', `${title}: publish`)
  await refused(
    t,
    await hub.fetch(`${HUB}?match=a`, { headers }),
    401,
    'invalid_token',
    `${title}: subscribe`,
  )
  await refused(t, await hub.fetch(SUBSCRIPTIONS, { headers }), 401, 'invalid_token', `${title}: list`)
}

t.test('§6.3 a bad token is refused wherever it is shown, even where none is needed', async t => {
  for (const [title, token] of Object.entries(await badTokens())) await isInvalid(t, token, title)
})

t.test('§6.3 what a token need not have, or may write in another way, is not asked for', async t => {
  for (const [title, token] of Object.entries({
    'typ in upper case': await withHeader({ typ: 'AT+JWT' }),
    'typ with its prefix': await withHeader({ typ: 'application/at+jwt' }),
    'typ with its prefix in upper case': await withHeader({ typ: 'Application/At+Jwt' }),
    'aud among others': await withClaims({ aud: ['https://a.example', AUDIENCE] }),
    'a key id': await withHeader({ kid: 'unknown' }),
    'nbf in the past': await withClaims({ nbf: now() - 10 }),
    'neither sub, client_id, iat nor jti': await withClaims({
      sub: undefined,
      client_id: undefined,
      iat: undefined,
      jti: undefined,
    }),
  })) {
    t.equal((await post(hub, { topic: 'a' }, bearer(token))).status, 200, title)
  }
})

t.test('§6.3 a hub without an audience is its own audience, and each token has an issuer', async t => {
  for (const [claims, status] of [
    [{}, 200],
    [{ iss: 'https://any.example' }, 200],
    [{ iss: undefined }, 401],
    [{ aud: AUDIENCE }, 401],
    [{ aud: undefined }, 401],
    [{ aud: closedHub.url }, 401],
    [{ exp: undefined }, 401],
  ] as const) {
    const token = await draft8Token(ALL, { claims: { ...atClosedHub.claims, ...claims } })
    t.equal((await post(closedHub, { topic: 'a' }, bearer(token))).status, status, JSON.stringify(claims))
  }
})

t.test('§6.3 a token of the other draft does not become one of this by its type alone', async t => {
  const claims = { mercure: { publish: ['*'], subscribe: ['*'] }, authorization_details: undefined }
  const token = await draft8Token(undefined, { claims })
  await refused(t, await post(hub, { topic: 'a' }, bearer(token)), 403, 'insufficient_scope')
  const both = await draft7Token({ publish: ['*'] }, { claims: { authorization_details: [] } })
  await isInvalid(t, both, 'with details, but without a type')
})

// §6.4

const topics = [{ match: '*' }]
const detail = { type: DETAIL, actions: ['publish', 'subscribe'], topics }

const MALFORMED_DETAILS: Readonly<Record<string, unknown>> = {
  'no list': detail,
  'a string': 'publish',
  'no actions': [{ ...detail, actions: undefined }],
  'actions that are a string': [{ ...detail, actions: 'publish' }],
  'actions that are null': [{ ...detail, actions: null }],
  'no action': [{ ...detail, actions: [] }],
  'an action that is no string': [{ ...detail, actions: ['publish', 1] }],
  'an action that is null': [{ ...detail, actions: [null, 'publish'] }],
  'no topics': [{ ...detail, topics: undefined }],
  'topics that are a string': [{ ...detail, topics: '*' }],
  'topics that are an object': [{ ...detail, topics: { match: '*' } }],
  'no topic': [{ ...detail, topics: [] }],
  'a topic that is a string': [{ ...detail, topics: ['*'] }],
  'a topic that is null': [{ ...detail, topics: [null] }],
  'a topic that is a number': [{ ...detail, topics: [1] }],
  'a topic that is a list': [{ ...detail, topics: [['*']] }],
  'no match': [{ ...detail, topics: [{ match_type: 'exact' }] }],
  'a match that is no string': [{ ...detail, topics: [{ match: 1 }] }],
  'an unknown type': [{ ...detail, topics: [{ match: 'a', match_type: 'regexp' }] }],
  'a type in another case': [{ ...detail, topics: [{ match: 'a', match_type: 'Exact' }] }],
  'a type that is null': [{ ...detail, topics: [{ match: 'a', match_type: null }] }],
  'a control character': [{ ...detail, topics: [{ match: 'a\u0001' }] }],
  'a format character': [{ ...detail, topics: [{ match: 'a\u200B' }] }],
  'a malformed pattern': [
    { ...detail, topics: [{ match: 'https://e.example/(', match_type: 'urlpattern' }] },
  ],
  'a long pattern': [{ ...detail, topics: [{ match: 'x'.repeat(4097) }] }],
  'a payload that is no object': [{ ...detail, payload: 'ada' }],
  'one good topic and a bad one': [{ ...detail, topics: [{ match: '*' }, 'a'] }],
  'one good detail and a bad one': [detail, { ...detail, actions: [] }],
  'a bad detail for another action': [detail, { type: DETAIL, actions: ['fly'], topics: [] }],
  'too many details': Array.from({ length: 150 }, () => ({ type: DETAIL, actions: ['publish'], topics })),
  'too many topics': [{ ...detail, topics: Array.from({ length: 600 }, () => ({ match: 'a' })) }],
}

t.test('§6.4 one detail that is malformed, or too much of them, spoils the token', async t => {
  for (const [title, details] of Object.entries(MALFORMED_DETAILS)) {
    await isInvalid(t, await draft8Token(details), title)
  }
})

t.test('§6.4 details of other types are not looked at, and types are compared byte by byte', async t => {
  const others = [
    { type: 'https://other.example/detail', actions: 'free', topics: 'form' },
    { type: `${DETAIL}/`, actions: [], topics: [1] },
    { type: DETAIL.toUpperCase(), actions: ['publish'], topics },
    { type: 'https://mercure.rocks/authorization%2Ddetail', actions: ['publish'], topics },
  ]
  const headers = bearer(await draft8Token(others))
  await refused(t, await post(hub, { topic: 'a' }, headers), 403, 'insufficient_scope')
  t.equal((await post(hub, { topic: 'a' }, bearer(await draft8Token([...others, detail])))).status, 200)
})

t.test('§6.4 actions that are not known grant nothing and spoil nothing', async t => {
  for (const [actions, status] of [
    [['fly'], 403],
    [['Publish'], 403],
    [[''], 403],
    [['subscribe'], 403],
    [['fly', 'publish'], 200],
    [['publish', 'publish'], 200],
  ] as const) {
    const token = await draft8Token([{ ...detail, actions }])
    t.equal((await post(hub, { topic: 'a' }, bearer(token))).status, status, JSON.stringify(actions))
  }
})

t.test('§6.5 every topic needs a grant to publish, or nothing is dispatched', async t => {
  const [a, b, c] = [unique('a'), unique('b'), unique('c')]
  const stream = await listen(t, { match: [a, b, c] }, { token: everything })
  const details = [may('publish', [a]), may('publish', [urlpattern(`${b}{/:x}?`)]), may('subscribe', ['*'])]
  const headers = bearer(await draft8Token(details))
  for (const topic of [c, [a, c], [c, a], [a, b, c]]) {
    const fields = { topic, data: 'no' }
    await refused(t, await post(hub, fields, headers), 403, 'insufficient_scope', String(topic))
    const unseen = { ...fields, private: 'on' }
    await refused(t, await post(hub, unseen, headers), 403, 'insufficient_scope', `private: ${String(topic)}`)
  }
  for (const none of [undefined, [], [may('subscribe', ['*'])]]) {
    const other = bearer(await draft8Token(none))
    await refused(t, await post(hub, { topic: a, data: 'no' }, other), 403, 'insufficient_scope')
  }
  t.equal((await post(hub, { topic: [a, `${b}/1`, b], data: 'yes' }, headers)).status, 200)
  t.equal((await stream.next()).data, 'yes')
})

t.test('§6.6 a private update needs a grant to receive one of its topics, whichever', async t => {
  const book = (id: number): string => `${E}/books/${id}`
  const token = await toReceive(book(1), urlpattern(`${E}/users/42/*`))
  const stream = await listen(t, { match_urlpattern: `${E}/books/:id` }, { token })
  await publish({ topic: book(1), private: 'on', data: 'granted' })
  await publish({ topic: book(2), private: 'on', data: 'of nobody' })
  await publish({ topic: [book(2), `${E}/users/42/books/2`], private: 'on', data: 'by its alternate' })
  await publish({ topic: [book(3), `${E}/users/43/books/3`], private: 'on', data: 'of another user' })
  await publish({ topic: [`${E}/users/42/books/4`, book(4)], private: 'on', data: 'by its canonical topic' })
  // It may be received, but it was not asked for.
  await publish({ topic: `${E}/users/42/books/5`, private: 'on', data: 'not selected' })
  await publish({ topic: book(6), data: 'public' })
  t.same(await stream.takeData(4), ['granted', 'by its alternate', 'by its canonical topic', 'public'])
})

t.test('§6.6 a stream is closed by the time that its token expires', async t => {
  const topic = unique()
  const lasting = await listen(t, { match: topic })
  const exp = now() + 3
  const token = await draft8Token(ALL, { claims: { exp } })
  const streams = [
    await listen(t, { match: topic }, { token }),
    await listen(t, { match: topic }, { headers: { cookie: `__Secure-mercure_access_token=${token}` } }),
    await listenByQuery(t, { match: topic }, HUB, bearer(token)),
  ]
  await publish({ topic, private: 'on', data: 'private' })
  for (const stream of streams) t.equal((await stream.next()).data, 'private')
  for (const stream of streams) await stream.ended()
  const late = Date.now() - exp * 1000
  t.ok(late < 1000, `${late} ms after its time`)
  await publish({ topic, data: 'after' })
  t.equal((await lasting.next()).data, 'after')
})

t.test('§6.7 a matcher without a type is exact, and * is everything with any type', async t => {
  const end = unique('end')
  const [literal, one] = [`${E}/m/:id`, `${E}/m/1`]
  for (const [matcher, received] of [
    [{ match: literal }, [literal]],
    [{ match: literal, match_type: 'exact' }, [literal]],
    [{ match: literal, match_type: 'urlpattern' }, [literal, one]],
    [{ match: '*' }, [literal, one]],
    [{ match: '*', match_type: 'exact' }, [literal, one]],
    [{ match: '*', match_type: 'urlpattern' }, [literal, one]],
  ] as const) {
    const stream = await listen(t, { match: [literal, one, end] }, { token: await toReceive(matcher) })
    for (const topic of [literal, one]) await publish({ topic, private: 'on', data: topic })
    await publish({ topic: end, data: end })
    t.same(await stream.takeData(received.length + 1), [...received, end], JSON.stringify(matcher))
    stream.close()
  }
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
    ['a parameter', {}, { last_event_id: first }],
    ['both: the header', { 'last-event-id': first }, { last_event_id: 'earliest' }],
    ['an empty header', { 'last-event-id': '' }, { last_event_id: first }],
  ] as const) {
    const stream = await listen(t, { match: topic, ...cursor }, { headers })
    t.equal(stream.headers.get('mercure-last-event-id'), first, title)
    t.equal(stream.headers.get('last-event-id'), null, title)
    t.same(await stream.takeData(2), ['2', '3'], title)
    stream.close()
  }
  const stream = await listen(t, { match: topic, last_event_id: first })
  await publish({ topic, data: '4' })
  t.same(await stream.takeData(3), ['2', '3', '4'])
})

t.test('§7 the last id gives nothing but what is new', async t => {
  const topic = unique()
  const [, , last] = await history(topic)
  const stream = await listen(t, { match: topic, last_event_id: last })
  t.equal(stream.headers.get('mercure-last-event-id'), last)
  await publish({ topic, data: 'new' })
  t.equal((await stream.next()).data, 'new')
})

t.test('§7 earliest, and an id that is not known, give all that is kept', async t => {
  const topic = unique()
  await history(topic)
  for (const last_event_id of [
    'earliest',
    'unknown',
    'urn:uuid:00000000-0000-4000-8000-000000000000',
    '#1',
  ]) {
    const stream = await listen(t, { match: topic, last_event_id })
    t.equal(stream.headers.get('mercure-last-event-id'), 'earliest', last_event_id)
    t.same(await stream.takeData(3), ['1', '2', '3'], last_event_id)
    stream.close()
  }
})

t.test('§7 a hub that has seen nothing yet says earliest', async t => {
  const fresh = await startMercureHub(t)
  for (const last_event_id of ['earliest', 'unknown']) {
    const stream = await UpdateStream.open(t, fresh, at({ match: 'a', last_event_id }))
    t.equal(stream.headers.get('mercure-last-event-id'), 'earliest')
  }
})

t.test('§7 an empty id is an id that is not known, and is answered', async t => {
  const topic = unique()
  for (const [headers, cursor] of [
    [{ 'last-event-id': '' }, {}],
    [{}, { last_event_id: '' }],
  ] as const) {
    const stream = await listen(t, { match: topic, ...cursor }, { headers })
    t.equal(stream.headers.get('mercure-last-event-id'), 'earliest', JSON.stringify(cursor))
  }
})

t.test('§7 an id of any update serves, also one that was not for this subscriber', async t => {
  const [topic, other] = [unique(), unique('other')]
  await publish({ topic, data: 'before' })
  const id = await publish({ topic: other, private: 'on', id: `id-["${other}"]` })
  await publish({ topic, data: 'after' })
  const stream = await listen(t, { match: topic }, { headers: { 'last-event-id': id } })
  t.equal(stream.headers.get('mercure-last-event-id'), id)
  t.equal((await stream.next()).data, 'after')
})

t.test('§7 an id that is no ASCII serves in the header, as browsers send it, and as a parameter', async t => {
  const topic = unique()
  const id = await publish({ topic, id: `é🎶-${topic}`, data: '1' })
  await publish({ topic, data: '2' })
  const asBytes = Buffer.from(id).toString('latin1')
  for (const [headers, cursor] of [
    [{ 'last-event-id': asBytes }, {}],
    [{}, { last_event_id: id }],
  ] as const) {
    const stream = await listen(t, { match: topic, ...cursor }, { headers })
    const said = stream.headers.get('mercure-last-event-id') ?? ''
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
    [await draft8Token([]), ['public b']],
    [await toReceive(a), ['private a', 'private b and a', 'public b']],
    [await toReceive(urlpattern(b)), ['private b', 'private b and a', 'public b']],
    [everything, ['private a', 'private b', 'private b and a', 'public b']],
  ] as const) {
    const stream = await listen(t, { match: [a, b], last_event_id: id }, { token })
    t.same(await stream.takeData(received.length), received)
    stream.close()
  }
})

t.test('§7 an id that was used again is its earliest update, and all behind it comes', async t => {
  const topic = unique()
  const id = `urn:again:${topic}`
  for (const [data, given] of [
    ['1', {}],
    ['2', { id }],
    ['3', {}],
    ['4', { id }],
    ['5', {}],
  ] as const) {
    await publish({ topic, data, ...given })
  }
  for (const headers of [{ 'last-event-id': id }, {}]) {
    const stream = await listen(t, { match: topic, last_event_id: id }, { headers })
    t.equal(stream.headers.get('mercure-last-event-id'), id)
    t.same(await stream.takeData(3), ['3', '4', '5'])
    stream.close()
  }
})

// §8

interface Subscription {
  readonly id: string
  readonly match: string
  readonly match_type: string
  readonly subscriber: string
}

interface Collection {
  readonly subscriptions: readonly Subscription[]
}

type MatchType = 'exact' | 'urlpattern'

const addressOf = (type: MatchType, match: string): string => `${SUBSCRIPTIONS}/${type}/${encoded(match)}`

const get = (path: string, token: string, headers: object = {}): Promise<Response> =>
  hub.fetch(path, { headers: { ...bearer(token), ...headers } })

async function collectionOf(type: MatchType, match: string): Promise<Collection> {
  return (await (await get(addressOf(type, match), everything)).json()) as Collection
}

const EVENTS = `${SUBSCRIPTIONS}/:match_type/:match/:subscriber`

type NextOf = (match: string) => Promise<{ readonly type: string; readonly document: Subscription }>

/** A stream of the events about subscriptions; what it returns waits for the next one that is about a matcher. */
async function watch(t: Test, on: TestHub = hub): Promise<NextOf> {
  const token = await toReceive(urlpattern(EVENTS))
  const stream = await UpdateStream.open(t, on, at({ match_urlpattern: EVENTS }), { token })
  const passed: Awaited<ReturnType<NextOf>>[] = []
  return async match => {
    for (;;) {
      const found = passed.findIndex(({ document }) => document.match === match)
      if (found !== -1) return passed.splice(found, 1)[0]!
      const { type, data } = await stream.next()
      passed.push({ type, document: JSON.parse(data) as Subscription })
    }
  }
}

t.test('§8.1 an update tells of each subscription when it begins and when it ends', async t => {
  const [exact, pattern] = [unique('a b%2F+é*'), `${unique('p')}/:id`]
  const nextOf = await watch(t)
  const payload = { user: 'ada', groups: [1, 2], nested: { a: null } }
  const token = await draft8Token([may('subscribe', ['*'], payload)])
  const stream = await listen(t, { match: exact, match_urlpattern: pattern }, { token })
  const subscribers = new Set<string>()
  for (const active of [true, false]) {
    if (!active) stream.close()
    for (const [match_type, match] of [
      ['exact', exact],
      ['urlpattern', pattern],
    ] as const) {
      const { type, document } = await nextOf(match)
      t.equal(type, 'mercure')
      const { subscriber } = document
      t.match(subscriber, /^urn:uuid:[\da-f-]{36}$/)
      t.strictSame(document, {
        id: `${addressOf(match_type, match)}/${encoded(subscriber)}`,
        type: 'subscription',
        subscriber,
        match,
        match_type,
        active,
        payload,
      })
      subscribers.add(subscriber)
    }
  }
  t.equal(subscribers.size, 1, 'one subscriber has one id')
})

t.test('§8.1 types are named as they are, and values are encoded once', async t => {
  const nextOf = await watch(t)
  const [a, b, c] = [unique('a%2Fb'), unique('b'), `${unique('c')}/*`]
  await listen(t, { match_exact: a, match_urlpattern: [b, c] })
  t.match(
    (await nextOf(a)).document.id,
    /\/exact\/https%3A%2F%2Fexample\.com%2Fa%252Fb-\d+\/urn%3Auuid%3A[\da-f-]{36}$/,
  )
  const { document } = await nextOf(b)
  t.match(document, { match_type: 'urlpattern', id: /\/urlpattern\/https%3A/ })
  t.notOk('payload' in document, 'no payload where there is no token')
  t.match((await nextOf(c)).document.id, /\/urlpattern\/https%3A[^/]+%2F%2A\/urn%3A/)
})

t.test('§8.1 QUERY makes subscriptions as GET does', async t => {
  const nextOf = await watch(t)
  const [a, b] = [unique('a'), unique('b')]
  await listenByQuery(t, { match: a }, at({ match: b }))
  const [one, two] = [await nextOf(a), await nextOf(b)]
  t.equal(one.document.subscriber, two.document.subscriber)
})

t.test('§8.1 each connection is a subscriber of its own, whatever the client says', async t => {
  const topic = unique()
  const nextOf = await watch(t)
  const token = await draft8Token(ALL, { claims: { sub: 'urn:mine' } })
  for (let count = 0; count < 2; count += 1) {
    await listen(t, { match: topic, subscriber: 'urn:mine' }, { token, headers: { subscriber: 'urn:mine' } })
  }
  const [one, two] = [await nextOf(topic), await nextOf(topic)]
  t.not(one.document.subscriber, two.document.subscriber)
  t.notMatch(one.document.subscriber, 'mine')
})

t.test('§8.1 these updates are private', async t => {
  const [topic, end] = [unique(), unique('end')]
  const all = { match_urlpattern: EVENTS, match: end }
  const outsiders = [
    await listen(t, all),
    await listen(t, { match: '*' }),
    await listen(t, all, { token: await toReceive(topic, urlpattern(`${addressOf('exact', unique())}/*`)) }),
    await listen(t, all, { token: await draft8Token([may('publish', ['*'])]) }),
  ]
  const insider = await listen(t, all, {
    token: await toReceive(urlpattern(`${addressOf('exact', topic)}/*`)),
  })
  await listen(t, { match: topic })
  await publish({ topic: end, data: 'end' })
  for (const stream of outsiders) t.equal((await stream.next()).data, 'end')
  t.match(await insider.next(), { type: 'mercure' })
  t.equal((await insider.next()).data, 'end')
})

t.test('§6.8 a subscription has the payload of the first detail that matches its matcher', async t => {
  const [foo, bar, other] = [unique('foo'), `${unique('bar')}/:id`, unique('other')]
  const wide = `${unique('wide')}/*`
  const token = await draft8Token([
    may('publish', ['*'], { of: 'another action' }),
    may('subscribe', [unique('elsewhere'), foo], { of: 'foo' }),
    may('subscribe', [foo], { of: 'a later one' }),
    may('subscribe', [urlpattern(bar)], { of: 'bar' }),
    may('subscribe', ['*'], { of: 'the others' }),
  ])
  const nextOf = await watch(t)
  const matchers = { match: [foo, other], match_urlpattern: [bar, wide] }
  await listen(t, matchers, { token })
  for (const [type, match, of] of [
    ['exact', foo, 'foo'],
    ['urlpattern', bar, 'bar'],
    ['exact', other, 'the others'],
    ['urlpattern', wide, 'the others'],
  ] as const) {
    t.match((await nextOf(match)).document, { payload: { of } }, match)
    const { subscriptions } = await collectionOf(type, match)
    t.ok(
      subscriptions.some(one => (one as { payload?: { of?: string } }).payload?.of === of),
      `${match} in the list`,
    )
  }
})

t.test('§8.2 three addresses list subscriptions: all, those of a matcher, and one', async t => {
  const [topic, other] = [`${unique()}/:id`, unique('other')]
  const payload = { user: 'ada' }
  const token = await draft8Token([may('subscribe', ['*'], payload)])
  await listen(t, { match: topic, match_exact: other, match_urlpattern: topic }, { token })
  await listen(t, { match: topic })

  for (const [type, count] of [
    ['exact', 2],
    ['urlpattern', 1],
  ] as const) {
    const response = await get(addressOf(type, topic), everything)
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), /^application\/json(;|$)/)
    const { subscriptions, ...rest } = (await response.json()) as Collection
    t.strictSame(rest, { id: addressOf(type, topic), type: 'subscriptions' })
    t.equal(subscriptions.length, count)
    for (const { subscriber, ...one } of subscriptions) {
      t.match(one, {
        id: `${addressOf(type, topic)}/${encoded(subscriber)}`,
        type: 'subscription',
        match: topic,
        match_type: type,
        active: true,
      })
    }
    const payloads = subscriptions.map(one => (one as { payload?: object }).payload).filter(Boolean)
    t.strictSame(payloads, [payload])
    for (const one of subscriptions) {
      const single = await get(one.id, everything)
      t.equal(single.status, 200)
      t.match(single.headers.get('content-type'), /^application\/json(;|$)/)
      t.strictSame(await single.json(), one)
    }
  }

  const { subscriptions, ...rest } = (await (await get(SUBSCRIPTIONS, everything)).json()) as Collection
  t.strictSame(rest, { id: SUBSCRIPTIONS, type: 'subscriptions' })
  t.equal(subscriptions.filter(({ match }) => match === topic).length, 3)
  t.equal(subscriptions.filter(({ match }) => match === other).length, 1)
})

t.test('§8.2 what does not exist, or not any more, is not found; an empty collection is', async t => {
  const topic = unique()
  const nextOf = await watch(t)
  const stream = await listen(t, { match: topic })
  const { document } = await nextOf(topic)
  const alive = await get(document.id, everything)
  t.strictSame(await alive.json(), document, 'the document of the event')
  await refused(t, await get(`${addressOf('exact', topic)}/urn%3Auuid%3A1`, everything), 404)
  await refused(t, await get(document.id.replace('/exact/', '/urlpattern/'), everything), 404)
  stream.close()
  await nextOf(topic)
  await refused(t, await get(document.id, everything), 404)
  t.strictSame((await collectionOf('exact', topic)).subscriptions, [])
})

t.test('§8.2 the path must be granted, as a topic, to receive', async t => {
  const topic = unique()
  await listen(t, { match: topic })
  const { subscriptions } = await collectionOf('exact', topic)
  const [all, some, one] = [SUBSCRIPTIONS, addressOf('exact', topic), subscriptions[0]!.id]
  for (const [matchers, granted] of [
    [['*'], [all, some, one]],
    [[urlpattern(`${SUBSCRIPTIONS}{/*}?`)], [all, some, one]],
    [[urlpattern(EVENTS)], [one]],
    [[all], [all]],
    [[some], [some]],
    [[one], [one]],
    [[topic, urlpattern(`https://else.example${SUBSCRIPTIONS}{/*}?`), `https://hub.example${all}`], []],
  ] as const) {
    const token = await draft8Token([may('publish', ['*']), may('subscribe', matchers)])
    for (const path of [all, some, one]) {
      const title = `${JSON.stringify(matchers)} for ${path}`
      for (const asked of [path, `${path}?a=b`]) {
        const response = await get(asked, token)
        if (!(granted as readonly string[]).includes(path)) {
          await refused(t, response, 403, 'insufficient_scope', title)
          continue
        }
        t.equal(response.status, 200, title)
        await response.body?.cancel()
      }
    }
  }
})

t.test('§8.2 an absolute pattern grants the path where the hub is', async t => {
  for (const [origin, status] of [
    [closedHub.url, 200],
    ['https://else.example', 403],
  ] as const) {
    const token = await draft8Token(
      [may('subscribe', [urlpattern(`${origin}${SUBSCRIPTIONS}`)])],
      atClosedHub,
    )
    t.equal(await statusOf(closedHub, SUBSCRIPTIONS, { headers: bearer(token) }), status, origin)
  }
})

t.test('§8.2 every document says where its news begins: at the beginning, if there was none', async t => {
  const fresh = await startMercureHub(t, { jwtIssuer: [ISSUER], jwtAudience: [AUDIENCE] })
  const ask = (path: string, headers = {}): Promise<Response> =>
    fresh.fetch(path, { headers: { ...bearer(everything), ...headers } })
  const linkOf = (response: Response): ReturnType<typeof attributesOf> =>
    attributesOf(response.headers.get('link') ?? '')
  const empty = await ask(SUBSCRIPTIONS)
  t.match(linkOf(empty), { rel: 'mercure', 'last-event-id': 'earliest' })
  t.match(empty.headers.get('link'), /^<(https:[^>]*)?\/\.well-known\/mercure>/)

  const { publish: publishThere } = publisherWith(fresh, everything)
  const id = await publishThere({ topic: 'a', id: String.raw`an "id" \ of mine` })
  const link = linkOf(await ask(addressOf('exact', 'b')))
  t.match(link, { 'last-event-id': id, type: 'mercure', 'content-type': 'application/json' })

  const known = await publishThere({ topic: 'a', private: 'on', id: 'urn:x:1' })
  const answer = await ask(SUBSCRIPTIONS)
  t.equal(linkOf(answer)['last-event-id'], known)
  t.equal(answer.headers.get('etag'), `"${known}"`)
  t.equal((await ask(SUBSCRIPTIONS, { 'if-none-match': `"${known}"` })).status, 304)

  await UpdateStream.open(t, fresh, at({ match: 'a' }))
  const collection = await ask(SUBSCRIPTIONS)
  const [one] = ((await collection.json()) as Collection).subscriptions
  const cursor = linkOf(collection)['last-event-id']!
  t.not(cursor, known)
  t.equal(linkOf(await ask(one!.id))['last-event-id'], cursor, 'one has it too')
  const events = { match_urlpattern: EVENTS, last_event_id: cursor }
  const stream = await UpdateStream.open(t, fresh, at(events), { token: everything })
  t.equal(stream.headers.get('mercure-last-event-id'), cursor)
  await UpdateStream.open(t, fresh, at({ match: 'later' }))
  for (;;) {
    const document = JSON.parse((await stream.next()).data) as Subscription
    t.not(document.id, one!.id, 'what the document has does not come again')
    if (document.match === 'later') break
  }
})

t.test('§8.2 pages of other origins may read the link', async t => {
  const response = await get(SUBSCRIPTIONS, everything, { origin: APP })
  t.equal(response.headers.get('access-control-allow-origin'), APP)
  t.match(response.headers.get('access-control-expose-headers'), /\blink\b/i)
  await response.body?.cancel()
})

t.test('§8 a hub without subscriptions has neither the addresses nor the updates', async t => {
  const options = { jwtIssuer: [ISSUER], jwtAudience: [AUDIENCE], mercureSubscriptions: false }
  const without = await startMercureHub(t, options)
  const headers = bearer(everything)
  for (const path of [SUBSCRIPTIONS, addressOf('exact', 'a'), `${addressOf('urlpattern', 'a')}/b`]) {
    await refused(t, await without.fetch(path, { headers }), 404, 'none', path)
  }
  const stream = await UpdateStream.open(t, without, at({ match: '*' }), { token: everything })
  const other = await UpdateStream.open(t, without, at({ match: 'a' }))
  other.close()
  await publisherWith(without, everything).publish({ topic: 'end', data: 'end' })
  t.equal((await stream.next()).data, 'end')
  const metadata = (await (await without.fetch(METADATA)).json()) as object
  t.notOk('mercure_subscriptions' in metadata)
})

// §9

t.test('§9.2 metadata says what the hub is and what it takes', async t => {
  for (const [of, resource] of [
    [hub, AUDIENCE],
    [closedHub, `${closedHub.url}${HUB}`],
  ] as const) {
    const response = await of.fetch(METADATA)
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), /^application\/json(;|$)/)
    t.match(await response.json(), {
      resource,
      bearer_methods_supported: ['header'],
      authorization_details_types_supported: [DETAIL],
      mercure_cookie: '__Secure-mercure_access_token',
      mercure_subscriptions: true,
    })
  }
})

t.test('§9.2 a challenge leads to it', async t => {
  const response = await closedHub.fetch(`${HUB}?match=a`)
  const { resource_metadata: address } = attributesOf(response.headers.get('www-authenticate') ?? '')
  t.equal(address, `${closedHub.url}${METADATA}`)
  await response.body?.cancel()
})

// §13

t.test('§13 a cookie publishes only from a page of the hub or of a listed origin', async t => {
  const cookie = `__Secure-mercure_access_token=${everything}`
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
    [{ referer: `${APP}.evil.example/` }, 403],
    [{ referer: 'no address' }, 403],
  ] as const) {
    const response = await post(hub, { topic: 'a' }, { cookie, ...headers })
    t.equal(response.status, status, JSON.stringify(headers))
    await response.body?.cancel()
  }
  const anonymous = await post(hub, { topic: 'a' }, { cookie, ...bearer(everything), origin: APP })
  t.equal(anonymous.status, 200, 'a header is no cookie')
  for (const init of [{}, query({ match: 'a' })]) {
    const headers = { 'content-type': FORM, cookie }
    t.equal(await statusOf(hub, at({ match: 'a' }), { ...init, headers }), 200, 'it receives without')
  }
})

// Without a case here:
// §4.2 (29, 30) which engine patterns run on: only that none takes long is seen from outside.
// §6 (52), §6.1 (53), §13 (134) networks, TLS, and how keys are kept: deployment.
// §6.3 (67) where the list of algorithms comes from, (71, 72) which key belongs to which issuer: the hub has one set of keys.
// §6.4 (84) limits of details are the hub's own; the cases take what the hub of the draft's author refuses.
// §8.1 (112) what a derived subscriber id includes: ours are random.
// §8.2 (131) pages of a collection: there are none.
// §12.5, §12.6 (133) names of registered types and actions: registries.
// §6, §6.1.2, §6.6, §6.8, §7, §9, §10 duties of issuers, publishers and subscribers.
