// What somebody could try who wants more of Mercure's side than is granted, or to cost others.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeApiKey, type ApiKeyEntry } from '../../../src/auth/api-keys.ts'
import { HubIds } from '../../../src/routes/mercure/ids.ts'
import { Http1Client } from '../../support/http1-client.ts'
import { startHub, type TestHub } from '../../support/hub.ts'
import { metricIs } from '../../support/metrics.ts'
import { bearer } from '../../support/tokens.ts'
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
  post,
  publisherWith,
  refused,
  startMercureHub,
  statusOf,
  SUBSCRIPTIONS,
  urlpattern,
} from './support.ts'
import { UpdateStream } from './update-stream.ts'

const everything = await draft7Token({ publish: ['*'], subscribe: ['*'] })

t.test(
  'the list of subscriptions has one spelling, which a grant for one of them does not cover',
  async t => {
    const hub = await startMercureHub(t, { tls: false })
    const secret = await draft7Token({ subscribe: ['a'], payload: { secret: 'payload' } })
    await UpdateStream.open(t, hub, at({ topic: 'a' }), { token: secret })
    const mine = `${SUBSCRIPTIONS}/{topic}/urn%3Auuid%3Ame`
    const tokens = [
      await draft7Token({ subscribe: [mine, `${SUBSCRIPTIONS}/{/x,y}`] }),
      await draft8Token([may('subscribe', [urlpattern(`${SUBSCRIPTIONS}/exact/foo`)])], {
        claims: { aud: `${hub.url}${HUB}` },
      }),
    ]
    for (const token of tokens) {
      for (const path of [
        '',
        '/',
        '//urn%3Auuid%3Ame',
        '//../exact/foo',
        '//%2e%2e/exact/foo',
        '/./exact/foo',
        '/a/b/c/d',
      ]) {
        const { status, text } = await askRaw(t, hub, `${SUBSCRIPTIONS}${path}`, token)
        t.ok(status === 403 || status === 404, `${path}: ${status}`)
        t.notMatch(text, 'payload')
      }
      const { status } = await askRaw(
        t,
        hub,
        `${hub.url.replace('://', '://@')}${SUBSCRIPTIONS}/exact/foo`,
        token,
      )
      t.equal(status, 404, 'with a scheme and a host before it')
    }
  },
)

t.test('patterns that cost too much are refused, of a request and of a token', async t => {
  const hub = await startMercureHub(t)
  const costly = Array.from({ length: 100 }, (_, n) => `{a}x${n}{b}y{c}z{d}w{e}`)
  await refused(t, await hub.fetch(at({ topic: costly })), 400)
  t.equal(await statusOf(hub, at({ topic: costly.slice(0, 10) })), 200)
  const token = await draft7Token({ publish: costly })
  await refused(t, await post(hub, { topic: 'a' }, bearer(token)), 401, 'invalid_token')
  const payload = { text: 'x'.repeat(4096) }
  for (const large of [
    await draft7Token({ subscribe: ['*'], payload }),
    await draft8Token([may('subscribe', ['*'], payload)], { claims: { aud: `${hub.url}${HUB}` } }),
  ]) {
    await refused(t, await hub.fetch(at({ topic: 'a' }), { headers: bearer(large) }), 401, 'invalid_token')
  }
})

t.test('an id that would lead readers astray cannot be chosen', async t => {
  const hub = await startMercureHub(t)
  const { publish, post: send } = publisherWith(hub, everything)
  const given = await publish({ topic: 'a' })
  const later = given.replace(/.$/, 'f')
  for (const id of [given, later, ' a', 'a ', 'a'.repeat(1025)]) {
    await refused(t, await send({ topic: 'a', id }), 400, 'none', id.slice(0, 60))
  }
  const elsewhere = new HubIds('0'.repeat(11)).format(7)
  t.equal(
    await publish({ topic: 'a', id: elsewhere }),
    elsewhere,
    'what another hub gave is an id like any other',
  )
  t.equal(await publish({ topic: 'a', id: 'a'.repeat(1024) }), 'a'.repeat(1024))
})

t.test('who may receive nothing any more gets nothing more', async t => {
  const apiKeysFile = join(t.testdir(), 'keys.json')
  const write = (entry: ApiKeyEntry): void => writeFileSync(apiKeysFile, JSON.stringify({ keys: [entry] }))
  const { key, entry } = makeApiKey({ name: 'one', receive: ['.well-known/mercure'] })
  write(entry)
  const hub = await startMercureHub(t, { apiKeysFile, anonymousReceive: [] })
  const stream = await UpdateStream.open(t, hub, at({ topic: '*' }), { token: key })
  await publisherWith(hub, everything).publish({ topic: 'a', data: 'first' })
  t.same(await stream.takeData(1), ['first'])
  write({ ...entry, receive: ['other'] })
  await hub.server.reload()
  await stream.ended()
})

t.test('a host that nobody checked decides nothing', async t => {
  const hub = await startHub(t, {
    tls: false,
    host: '0.0.0.0',
    jwtKey: 'x'.repeat(32),
    jwtIssuer: [ISSUER],
    jwtAudience: [AUDIENCE],
    anonymousReceive: [],
    anonymousPublish: [],
  })
  const secret = 'x'.repeat(32)
  const publisher = await draft8Token([may(['publish', 'subscribe'], ['*'])], { secret })
  const reader = await draft8Token([may('subscribe', [urlpattern('/users/7/*')])], { secret })
  const update = form({ topic: 'http://bank.example/users/7/inbox', private: 'on', data: 'secret' })
  t.match(await askRaw(t, hub, HUB, publisher, { host: 'bank.example', body: update }), { status: 200 })
  const query = at({ match: '*', last_event_id: 'earliest' })
  const client = await Http1Client.connect(t, local(hub))
  client.socket.write(
    `GET ${query} HTTP/1.1\r\nhost: bank.example\r\nauthorization: Bearer ${reader}\r\n\r\n`,
  )
  t.match(await client.head(), { status: 200 })
  await askRaw(t, hub, HUB, publisher, { body: form({ topic: 'http://bank.example/x', data: 'the end' }) })
  t.notMatch(await client.bodyUntil('the end'), 'secret')
  const loopback = await startMercureHub(t, { tls: false })
  const forged = form({ topic: `${SUBSCRIPTIONS}/exact/a/b`, data: 'forged' })
  for (const host of ['localhost:99999', 'localhost']) {
    t.match(await askRaw(t, loopback, HUB, everything, { host, body: forged }), { status: 400 }, host)
  }
})

t.test('events about subscriptions that are gone make no known id unknown', async t => {
  const hub = await startMercureHub(t, {
    anonymousMetrics: true,
    retention: ['.well-known/mercure/subscriptions events=10'],
  })
  const { publish } = publisherWith(hub, everything)
  const [, second] = [await publish({ topic: 'a', data: '1' }), await publish({ topic: 'a', data: '2' })]
  for (let round = 0; round < 20; round++) {
    const stream = await UpdateStream.open(t, hub, at({ topic: 'b' }))
    stream.close()
  }
  await metricIs(hub, 'millrace_streams', 0)
  await publish({ topic: 'a', data: '3' })
  const stream = await UpdateStream.open(t, hub, at({ topic: 'a', lastEventID: second }), {
    token: everything,
  })
  t.equal(stream.headers.get('last-event-id'), second)
  t.same(await stream.takeData(1), ['3'])
  const all = await UpdateStream.open(t, hub, at({ topic: '*', lastEventID: second }), { token: everything })
  t.equal(all.headers.get('last-event-id'), second, 'of whoever would get them too')
})

interface RawOptions {
  readonly host?: string
  readonly body?: string
}

/** A request as it is written, whatever its path and host. */
async function askRaw(
  t: Test,
  hub: TestHub,
  path: string,
  token: string,
  { host = new URL(local(hub).url).host, body }: RawOptions = {},
): Promise<{ status: number; text: string }> {
  const client = await Http1Client.connect(t, local(hub))
  const head = [`host: ${host}`, `authorization: Bearer ${token}`]
  if (body !== undefined) head.push(`content-type: ${FORM}`, `content-length: ${body.length}`)
  client.socket.write(
    [`${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1`, ...head, '', body ?? ''].join('\r\n'),
  )
  return client.answer()
}

/** A hub that listens everywhere, by the way to it from here. */
function local(hub: TestHub): TestHub {
  return { ...hub, url: hub.url.replace('0.0.0.0', 'localhost') }
}
