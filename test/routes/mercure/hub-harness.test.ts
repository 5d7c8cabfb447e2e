// The cases that the upstream project holds hubs to in browsers (conformance-tests/mercure.spec.ts, of both drafts), with
// its own key and its own tokens, over plain HTTP.

import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { TestHub } from '../../support/hub.ts'
import { bearer } from '../../support/tokens.ts'
import { HUB, startMercureHub } from './support.ts'
import { UpdateStream } from './update-stream.ts'

const KEY = '!ChangeThisMercureHubJWTSecretKey!'

/** `{"mercure":{"publish":["*"],"subscribe":["*"]}}`. */
const DRAFT_7_TOKEN =
  'eyJhbGciOiJIUzI1NiJ9.eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdLCJzdWJzY3JpYmUiOlsiKiJdfX0.bVXdlWXwfw9ySx7-iV5OpUSHo34RkjUdVzDLBcc6l_g'

/** Of issuer https://localhost for https://localhost/.well-known/mercure: may publish and receive everything until 2099. */
const DRAFT_8_TOKEN =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJhdWQiOiJodHRwczovL2xvY2FsaG9zdC8ud2VsbC1rbm93bi9tZXJjdXJlIiwiaXNzIjoiaHR0cHM6Ly9sb2NhbGhvc3QiLCJhdXRob3JpemF0aW9uX2RldGFpbHMiOlt7InR5cGUiOiJodHRwczovL21lcmN1cmUucm9ja3MvYXV0aG9yaXphdGlvbi1kZXRhaWwiLCJhY3Rpb25zIjpbInB1Ymxpc2giXSwidG9waWNzIjpbeyJtYXRjaCI6IioifV19LHsidHlwZSI6Imh0dHBzOi8vbWVyY3VyZS5yb2Nrcy9hdXRob3JpemF0aW9uLWRldGFpbCIsImFjdGlvbnMiOlsic3Vic2NyaWJlIl0sInRvcGljcyI6W3sibWF0Y2giOiIqIn1dfV0sImV4cCI6NDEwMjQ0NDgwMH0.z_S8IP5WZsCK8h3pcq0PB5zvJE0OdTrGA70khAYJQy4'

const random = Array.from({ length: 6 }, () => randomBytes(20).toString('hex'))
const uri = (name: string | undefined): string => `https://example.net/foo/${name}`

interface Case {
  readonly name: string
  readonly topics: readonly string[]
  readonly selectors: readonly string[]
  readonly isReceived: boolean
  readonly isPrivate?: true
}

const OF_BOTH: readonly Case[] = [
  { name: 'raw string', topics: [random[0]!], selectors: [random[0]!], isReceived: true },
  {
    name: 'multiple topic selectors',
    topics: [random[2]!],
    selectors: ['foo', random[2]!],
    isReceived: true,
  },
  { name: 'URI', topics: [uri(random[3])], selectors: [uri(random[3])], isReceived: true },
  {
    name: 'nonmatching raw string',
    topics: ['will-not-match'],
    selectors: ['another-name'],
    isReceived: false,
  },
  {
    name: 'nonmatching URI',
    topics: [uri('will-not-match')],
    selectors: [uri('another-name')],
    isReceived: false,
  },
  {
    name: 'private raw string',
    topics: [random[0]!],
    selectors: [random[0]!],
    isReceived: false,
    isPrivate: true,
  },
  {
    name: 'private URI',
    topics: [uri(random[3])],
    selectors: [uri(random[3])],
    isReceived: false,
    isPrivate: true,
  },
]

/** Selectors with a variable, and what only one of the drafts is held to. */
const variable = (selector: (name: string) => string, name: string): readonly Case[] => [
  { name, topics: [uri(random[4])], selectors: [selector('foo')], isReceived: true },
  {
    name: `nonmatching ${name}`,
    topics: [uri('will-not-match')],
    selectors: [selector('bar')],
    isReceived: false,
  },
  {
    name: `private ${name}`,
    topics: [uri(random[4])],
    selectors: [selector('foo')],
    isReceived: false,
    isPrivate: true,
  },
]

const DRAFT_7: readonly Case[] = [
  ...OF_BOTH,
  ...variable(folder => `https://example.net/${folder}/{random}`, 'URI template'),
  { name: 'multiple topics', topics: [random[5]!, random[1]!], selectors: [random[1]!], isReceived: true },
  {
    name: 'stray brace',
    topics: [uri('will-not-match}')],
    selectors: [uri('another-name')],
    isReceived: false,
  },
]

const DRAFT_8: readonly Case[] = [
  ...OF_BOTH,
  ...variable(folder => `https://example.net/${folder}/:random`, 'URL pattern'),
]

t.test('draft 7: what the upstream browser tests expect', async t => {
  const hub = await startMercureHub(t, { tls: false, jwtKey: KEY })
  await holds(t, hub, DRAFT_7, DRAFT_7_TOKEN, () => 'topic')
})

t.test('draft 8: what the upstream browser tests expect', async t => {
  const hub = await startMercureHub(t, {
    tls: false,
    jwtKey: KEY,
    jwtIssuer: ['https://localhost'],
    jwtAudience: ['https://localhost/.well-known/mercure'],
  })
  await holds(t, hub, DRAFT_8, DRAFT_8_TOKEN, selector =>
    /\/:[A-Za-z_]/.test(selector) ? 'match_urlpattern' : 'match',
  )
})

async function holds(
  t: Test,
  hub: TestHub,
  cases: readonly Case[],
  token: string,
  parameterOf: (selector: string) => string,
): Promise<void> {
  t.equal(hub.url.split(':')[0], 'http')
  for (const { name, topics, selectors, isReceived, isPrivate } of cases) {
    const end = `the end of ${name}`
    const query = new URLSearchParams(
      [...selectors, end].map((selector): [string, string] => [parameterOf(selector), selector]),
    )
    const stream = await UpdateStream.open(t, hub, `${HUB}?${query.toString()}`)
    const id = `id-${JSON.stringify(topics)}`
    const data = `data for\n\n        ${name}`
    const update = new URLSearchParams(topics.map((topic): [string, string] => ['topic', topic]))
    update.set('id', id)
    update.set('data', data)
    if (isPrivate === true) update.set('private', 'on')
    const publish = (body: URLSearchParams): ReturnType<TestHub['fetch']> =>
      hub.fetch(HUB, { method: 'POST', headers: bearer(token), body })

    const response = await publish(update)
    t.equal(response.status, 200, name)
    t.match(response.headers.get('content-type'), /^text\/plain(?:$|;.*)/, name)
    t.equal(await response.text(), id, name)
    // Instead of waiting for two seconds.
    await (await publish(new URLSearchParams({ topic: end }))).text()
    if (isReceived) t.same(await stream.next(), { id, type: 'message', data, retry: undefined }, name)
    t.equal((await stream.next()).data, '', `${name}: nothing else came`)
    stream.close()
  }
}
