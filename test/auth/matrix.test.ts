// Every route against every state that a credential can be in: what is answered, and that nothing private is in it.

import t, { type Test } from 'tap'
import type { RequestInit, Response } from 'undici'
import { startHub, type TestHub } from '../support/hub.ts'
import { bearer, mint, SECRET, unsigned } from '../support/tokens.ts'

const AUDIENCE = 'https://hub.example.org'
const everything = { publish: ['**'], receive: ['**'], admin: true, audience: AUDIENCE }

type Outcome = 'missing' | 'invalid' | 'expired' | 'forbidden' | 'granted'

/** Headers of each state, and what a route that needs a grant makes of them. */
async function states(): Promise<Record<string, [Record<string, string>, Outcome]>> {
  const good = await mint(everything)
  const [head, body, signature] = good.split('.') as [string, string, string]
  const other = { publish: ['else/*'], receive: ['else/*'], audience: AUDIENCE }
  return {
    none: [{}, 'missing'],
    'another scheme': [{ authorization: `Basic ${good}` }, 'invalid'],
    'no token behind the scheme': [{ authorization: 'Bearer ' }, 'invalid'],
    garbage: [bearer('garbage'), 'invalid'],
    'garbage with dots': [bearer('a.b.c'), 'invalid'],
    'an unknown API key': [bearer('millrace_0000_secret'), 'invalid'],
    'a wrong key': [bearer(await mint(everything, 'another secret, of more than 32 bytes')), 'invalid'],
    'a wrong algorithm': [bearer(await mint(everything, SECRET, 'HS512')), 'invalid'],
    'alg: none': [bearer(unsigned({ millrace: { receive: ['**'] }, aud: AUDIENCE })), 'invalid'],
    'no signature': [bearer(`${head}.${body}.`), 'invalid'],
    'another body': [bearer(`${head}.${btoa('{"millrace":{"receive":["**"]}}')}.${signature}`), 'invalid'],
    expired: [bearer(await mint({ ...everything, expiresIn: -1 })), 'expired'],
    'not yet': [bearer(await mint({ ...everything, notBeforeIn: 60 })), 'invalid'],
    'a wrong audience': [bearer(await mint({ ...everything, audience: 'https://else.org' })), 'invalid'],
    'no audience': [bearer(await mint({ publish: ['**'], receive: ['**'] })), 'invalid'],
    'a claim that cannot be read': [bearer(await mint({ ...everything, receive: ['a*b'] })), 'invalid'],
    'no grant': [bearer(await mint({ audience: AUDIENCE })), 'forbidden'],
    'a grant of another topic': [bearer(await mint(other)), 'forbidden'],
    right: [bearer(good), 'granted'],
    'an expired cookie': [
      {
        cookie: `a=b; __Host-millrace=${await mint({ ...everything, expiresIn: -1 })}`,
        origin: 'https://a.org',
      },
      'expired',
    ],
    'a right cookie': [{ cookie: `__Host-millrace=${good}; c=d`, origin: 'https://a.org' }, 'granted'],
    'a right header beside a bad cookie': [{ ...bearer(good), cookie: '__Host-millrace=x' }, 'granted'],
  }
}

/** Routes that need a grant, with the status that a granted request gets. */
const GUARDED: readonly (readonly [method: string, path: string, granted: number, init?: RequestInit])[] = [
  ['POST', '/topics/private/a', 201, { body: 'x' }],
  ['PUT', '/topics/private/a', 201, { body: 'x' }],
  ['POST', '/topics/private/a', 201, { body: '1\n2\n', headers: { 'content-type': 'application/x-ndjson' } }],
  [
    'POST',
    '/events',
    201,
    { body: '{"topic":"private/a","data":1}\n', headers: { 'content-type': 'application/x-ndjson' } },
  ],
  ['GET', '/topics/private/a', 200],
  ['GET', '/topics/private/a', 200, { headers: { accept: 'text/event-stream' } }],
  ['GET', '/topics/private/a?after=earliest', 200, { headers: { accept: 'text/event-stream' } }],
  ['HEAD', '/topics/private/a', 200],
  ['GET', '/topics/private/none', 200],
  ['HEAD', '/topics/private/none', 404],
  ['GET', '/feed?topic=private/a', 200, { headers: { accept: 'text/event-stream' } }],
  ['GET', '/feed?topic=private/**&after=earliest', 200, { headers: { accept: 'text/event-stream' } }],
  ['GET', '/feed?topic=**', 200, { headers: { accept: 'text/event-stream' } }],
  ['GET', '/feed?topic=private/a&presence=true', 200, { headers: { accept: 'text/event-stream' } }],
  ['GET', '/topics/private/a/subscribers', 200],
  ['GET', '/metrics', 200],
  ['GET', '/inspector/api/stats', 200],
  ['GET', '/inspector/api/streams', 200],
  ['DELETE', '/inspector/api/streams/unknown', 404],
  ['POST', '/inspector/api/token', 200, { body: 'x' }],
  [
    'PATCH',
    '/feed/unknown',
    404,
    { body: '{"add":["private/a"]}', headers: { 'content-type': 'application/json' } },
  ],
  ['POST', '/feed/unknown/token', 404],
  ['PUT', '/session', 204],
]

/** Without a grant of its own a token gets these all the same: they are about the token itself. */
const OWN: Readonly<Record<string, number>> = { 'POST /feed/unknown/token': 404, 'PUT /session': 204 }

const PUBLIC = ['/healthz', '/readyz', '/openapi.json', '/errors', '/', '/inspector/']

const CHALLENGES: Readonly<Record<Outcome, RegExp | undefined>> = {
  missing: /^Bearer realm="millrace"$/,
  invalid: /^Bearer realm="millrace", error="invalid_token"/,
  expired: /^Bearer realm="millrace", error="invalid_token", error_description="it has expired"$/,
  forbidden: /^Bearer realm="millrace", error="insufficient_scope"$/,
  granted: undefined,
}

const CODES: Readonly<Record<Outcome, string | undefined>> = {
  missing: 'MILLRACE_TOKEN_MISSING',
  invalid: 'MILLRACE_TOKEN_INVALID',
  expired: 'MILLRACE_TOKEN_EXPIRED',
  forbidden: 'MILLRACE_FORBIDDEN',
  granted: undefined,
}

t.test('each route answers each state of a credential as it should', async t => {
  const hub = await closedHub(t)
  for (const [state, [headers, outcome]] of Object.entries(await states())) {
    for (const [method, path, granted, init] of GUARDED) {
      const title = `${state}: ${method} ${path}`
      const response = await ask(hub, method, path, headers, init)
      const own = outcome === 'forbidden' ? OWN[`${method} ${path}`] : undefined
      const refused = outcome === 'forbidden' ? 403 : 401
      t.equal(response.status, own ?? (outcome === 'granted' ? granted : refused), title)
      if (outcome === 'granted' || own !== undefined) await response.body?.cancel()
      else await isRefusal(t, response, outcome, method, title)
    }
    for (const path of PUBLIC)
      t.equal((await ask(hub, 'GET', path, headers)).status, 200, `${state}: ${path}`)
  }
})

t.test('a list has what may be received, and nothing else', async t => {
  const hub = await closedHub(t)
  const list = async (parts: object): Promise<unknown> => {
    const response = await ask(hub, 'GET', '/topics', bearer(await mint({ audience: AUDIENCE, ...parts })))
    const { topics } = (await response.json()) as { topics?: { topic: string }[] }
    return topics?.map(({ topic }) => topic) ?? response.status
  }
  t.same(await list({ receive: ['**'] }), ['private/a', 'public/a'])
  t.same(await list({ receive: ['public/*', 'other/**'] }), ['public/a'])
  t.same(await list({ receive: ['none'] }), [])
  t.equal(await list({ publish: ['**'] }), 403)
  t.equal((await ask(hub, 'GET', '/topics', {})).status, 401)
})

t.test('a grant of a part does not open a pattern of the whole', async t => {
  const hub = await closedHub(t)
  const headers = { ...bearer(await mint({ receive: ['private/a', 'x/*'], audience: AUDIENCE })) }
  const accept = { accept: 'text/event-stream' }
  for (const [path, status] of [
    ['/feed?topic=private/a', 200],
    ['/feed?topic=x/*', 200],
    ['/feed?topic=private/*', 403],
    ['/feed?topic=x/**', 403],
    ['/feed?topic=private/a&topic=private/b', 403],
    ['/topics/x/1/2', 403],
  ] as const) {
    const response = await ask(hub, 'GET', path, { ...headers, ...accept })
    t.equal(response.status, status, path)
    await response.body?.cancel()
  }
})

async function closedHub(t: Test): Promise<TestHub> {
  const hub = await startHub(t, {
    jwtKey: SECRET,
    jwtAudience: [AUDIENCE],
    corsOrigin: ['https://a.org'],
    anonymousPublish: [],
    anonymousReceive: [],
    anonymousMetrics: false,
  })
  const headers = bearer(await mint(everything))
  await hub.publish('private/a', 'the private text', headers)
  await hub.publish('public/a', 'x', headers)
  return hub
}

function ask(
  hub: TestHub,
  method: string,
  path: string,
  headers: Record<string, string>,
  init: RequestInit = {},
): Promise<Response> {
  return hub.fetch(path, { ...init, method, headers: { ...headers, ...(init.headers as object) } })
}

async function isRefusal(
  t: Test,
  response: Response,
  outcome: Outcome,
  method: string,
  title: string,
): Promise<void> {
  t.match(response.headers.get('www-authenticate'), CHALLENGES[outcome], title)
  t.equal(response.headers.get('cache-control'), 'no-store', title)
  const text = await response.text()
  t.notMatch(text, 'private text', title)
  if (method === 'HEAD') return
  t.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8', title)
  t.equal((JSON.parse(text) as { code: string }).code, CODES[outcome], title)
}
