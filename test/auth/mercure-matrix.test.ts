// Mercure's routes against every state that a credential can be in, for tokens of both drafts: what is answered, and that
// nothing private is in it.

import t, { type Test } from 'tap'
import type { Response } from 'undici'
import {
  at,
  AUDIENCE,
  draft7Token,
  draft8Token,
  form,
  FORM,
  HUB,
  ISSUER,
  may,
  now,
  publisherWith,
  refused,
  startMercureHub,
  SUBSCRIPTIONS,
  type Challenge,
  type Signing,
} from '../routes/mercure/support.ts'
import { UpdateStream } from '../routes/mercure/update-stream.ts'
import type { TestHub } from '../support/hub.ts'
import { bearer, mint, unsigned } from '../support/tokens.ts'

const PRIVATE = 'https://example.com/private'
const PUBLIC = 'https://example.com/public'
const COOKIE = { 7: 'mercureAuthorization', 8: '__Secure-mercure_access_token' } as const

type Draft = 7 | 8
type Outcome = Challenge | 'granted'

interface State {
  readonly headers: Readonly<Record<string, string>>
  readonly outcome: Outcome
}

/** A token for these topics. */
function token(draft: Draft, topics: readonly string[], signing: Signing = {}): Promise<string> {
  if (draft === 7) return draft7Token({ publish: topics, subscribe: topics }, signing)
  return draft8Token([may(['publish', 'subscribe'], topics)], signing)
}

const claims = (members: object): Signing => ({ claims: members })

async function states(draft: Draft): Promise<Record<string, State>> {
  const good = await token(draft, ['*'])
  const [head, , signature] = good.split('.')
  const bad = async (topics: readonly string[], signing: Signing): Promise<State> => ({
    headers: bearer(await token(draft, topics, signing)),
    outcome: 'invalid_token',
  })
  const cookie = (value: string, outcome: Outcome): State => ({
    headers: { cookie: `a=b; ${COOKIE[draft]}=${value}`, origin: 'https://a.org' },
    outcome,
  })
  return {
    none: { headers: {}, outcome: 'no code' },
    garbage: { headers: bearer('a.b.c'), outcome: 'invalid_token' },
    'an unknown API key': { headers: bearer('millrace_0000_secret'), outcome: 'invalid_token' },
    'a wrong key': await bad(['*'], { secret: 'another secret, of more than 32 bytes' }),
    'a wrong algorithm': await bad(['*'], { header: { alg: 'HS512' } }),
    'alg: none': {
      headers: bearer(unsigned({ mercure: { publish: ['*'], subscribe: ['*'] } })),
      outcome: 'invalid_token',
    },
    'another body': {
      headers: bearer(`${head}.${btoa('{"mercure":{"subscribe":["*"]}}')}.${signature}`),
      outcome: 'invalid_token',
    },
    expired: await bad(['*'], claims({ exp: now() - 1 })),
    'not yet': await bad(['*'], claims({ nbf: now() + 60 })),
    'a wrong audience': await bad(['*'], claims({ aud: 'https://else.example' })),
    'a wrong issuer': await bad(['*'], claims({ iss: 'https://else.example' })),
    'rights that cannot be read': await bad(
      [],
      claims(draft === 7 ? { mercure: { publish: '*' } } : { authorization_details: [may('publish', [])] }),
    ),
    'no rights': {
      headers: bearer(draft === 7 ? await draft7Token({}) : await draft8Token(undefined)),
      outcome: 'insufficient_scope',
    },
    'rights of another topic': {
      headers: bearer(await token(draft, [PUBLIC])),
      outcome: 'insufficient_scope',
    },
    "rights of Millrace's alone": {
      headers: bearer(await mint({ receive: ['a'], publish: ['a'], issuer: ISSUER, audience: AUDIENCE })),
      outcome: 'insufficient_scope',
    },
    right: { headers: bearer(good), outcome: 'granted' },
    'an expired cookie': cookie(await token(draft, ['*'], claims({ exp: now() - 1 })), 'invalid_token'),
    'a right cookie': cookie(good, 'granted'),
    'a right header beside a bad cookie': {
      headers: { ...bearer(good), cookie: `${COOKIE[draft]}=x` },
      outcome: 'granted',
    },
  }
}

const STATUS: Readonly<Record<Outcome, number>> = {
  granted: 200,
  none: 200,
  'no code': 401,
  invalid_token: 401,
  invalid_request: 400,
  insufficient_scope: 403,
}

for (const draft of [7, 8] as const) {
  const parameter = draft === 7 ? 'topic' : 'match'

  t.test(`draft ${draft}: publishing and subscriptions answer each state of a credential`, async t => {
    const hub = await closedHub(t)
    for (const [state, { headers, outcome }] of Object.entries(await states(draft))) {
      const published = await hub.fetch(HUB, {
        method: 'POST',
        body: form({ topic: PRIVATE, data: 'x', private: 'on' }),
        headers: { 'content-type': FORM, ...headers },
      })
      await answers(t, published, outcome, `${state}: publish`)
      for (const path of [SUBSCRIPTIONS, `${SUBSCRIPTIONS}/exact/x`]) {
        const listed = await hub.fetch(path, { headers })
        // Draft 7 has a document of one subscription there, and none is open.
        const isMissing = outcome === 'granted' && draft === 7 && path !== SUBSCRIPTIONS
        if (isMissing) t.equal(listed.status, 404, state)
        else await answers(t, listed, outcome, `${state}: ${path}`)
      }
    }
  })

  t.test(`draft ${draft}: a subscriber gets what its token covers, and a bad one nothing`, async t => {
    const hub = await closedHub(t)
    let rounds = 1
    const path = at({
      [parameter]: [PRIVATE, PUBLIC],
      [draft === 7 ? 'lastEventID' : 'last_event_id']: 'earliest',
    })
    for (const [state, { headers, outcome }] of Object.entries(await states(draft))) {
      // A token of Mercure's may always have what is public.
      const isMercures =
        outcome === 'granted' || (outcome === 'insufficient_scope' && !state.includes('alone'))
      if (!isMercures) {
        await answers(t, await hub.fetch(path, { headers }), outcome, `${state}: subscribe`)
        continue
      }
      const stream = await UpdateStream.open(t, hub, path, { headers })
      const expected = outcome === 'granted' ? ['the private text', 'public'] : ['public']
      const kept = Array.from({ length: rounds }, () => expected).flat()
      t.same(await stream.takeData(kept.length), kept, `${state}: what is kept`)
      await publishBoth(hub)
      rounds++
      t.same(await stream.takeData(expected.length), expected, `${state}: what is new`)
      stream.close()
    }
  })
}

t.test("a grant of Millrace's reveals no update, and a right of Mercure's no topic", async t => {
  const hub = await closedHub(t)
  const everything = bearer(
    await mint({ receive: ['**'], publish: ['**'], admin: true, issuer: ISSUER, audience: AUDIENCE }),
  )
  for (const path of [
    '/topics/.well-known/mercure',
    '/feed?topic=.well-known/*',
    '/topics?match=.well-known/**',
  ]) {
    t.equal((await hub.fetch(path, { headers: everything })).status, 400, path)
  }
  const listed = await (await hub.fetch('/topics', { headers: everything })).text()
  t.same(JSON.parse(listed), { topics: [] })
  const feed = await UpdateStream.open(t, hub, at({ match: '*', last_event_id: 'earliest' }), {
    headers: everything,
  })
  t.same(await feed.takeData(1), ['public'], 'public updates are for whoever may receive everything')
  const metrics = await (await hub.fetch('/metrics', { headers: everything })).text()
  t.notMatch(metrics, /example\.com/)
  for (const draft of [7, 8] as const) {
    const headers = bearer(await token(draft, ['*']))
    for (const path of ['/topics/a', '/feed?topic=**', '/topics', '/metrics', '/topics/a/subscribers']) {
      t.equal((await hub.fetch(path, { headers })).status, 403, path)
    }
    t.equal((await hub.fetch('/topics/a', { method: 'POST', body: 'x', headers })).status, 403)
  }
})

async function closedHub(t: Test): Promise<TestHub> {
  const hub = await startMercureHub(t, {
    jwtIssuer: [ISSUER],
    jwtAudience: [AUDIENCE],
    corsOrigin: ['https://a.org'],
    anonymousReceive: [],
  })
  await publishBoth(hub)
  return hub
}

async function publishBoth(hub: TestHub): Promise<void> {
  const { publish } = publisherWith(hub, await token(7, ['*']))
  await publish({ topic: PRIVATE, private: 'on', data: 'the private text' })
  await publish({ topic: PUBLIC, data: 'public' })
}

async function answers(t: Test, response: Response, outcome: Outcome, title: string): Promise<void> {
  if (outcome !== 'granted') return refused(t, response, STATUS[outcome], outcome, title)
  t.equal(response.status, 200, title)
  await response.body?.cancel()
}
