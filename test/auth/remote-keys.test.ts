// Keys behind an address (JWK Set): who loses one loses what it opened, and an address that is away changes nothing.

import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Authenticator } from '../../src/auth/authenticator.ts'
import { EventReader } from '../support/event-reader.ts'
import { startHub } from '../support/hub.ts'
import { AUDIENCE, makeKey, signedWith, startIssuer } from '../support/jwks-server.ts'
import { bearer } from '../support/tokens.ts'

const closed = {
  jwtAudience: [AUDIENCE],
  anonymousPublish: [],
  anonymousReceive: [],
  anonymousMetrics: false,
}
const revoked = { event: 'millrace:bye', data: '{"reason":"revoked"}' }
const nothing = {
  jwtAlgorithms: [],
  jwtIssuer: [],
  jwtAudience: [],
  anonymous: { publish: [], receive: [] },
}
const noTexts = { jwtKey: undefined, apiKeys: undefined }

for (const workers of [1, 2]) {
  t.test(`who loses a key behind an address loses its streams (${workers} workers)`, async t => {
    const [one, other] = [await makeKey('one'), await makeKey('other')]
    const issuer = await startIssuer(t, [one.jwk, other.jwk])
    const { jwksUrl } = issuer
    const hub = await startHub(t, { ...closed, jwksUrl, jwksMaxAgeMs: 100, workers })
    const [first, second] = [await signedWith(one), await signedWith(other)]
    const streams = await Promise.all(
      [first, second].map(token => EventReader.open(hub, '/topics/a', bearer(token))),
    )
    for (const stream of streams) await stream.next()
    issuer.keys = [other.jwk]
    t.match(await streams[0]!.next(), revoked)
    t.equal((await hub.fetch('/topics/a', { headers: bearer(first) })).status, 401, 'it was known')
    await hub.publish('a', 'on', bearer(second))
    t.match(await streams[1]!.next(), { data: 'on' })
    streams[1]!.close()
  })
}

t.test('SIGHUP asks the address at once', async t => {
  const [one, other] = [await makeKey('one'), await makeKey('other')]
  const issuer = await startIssuer(t, [one.jwk, other.jwk])
  const hub = await startHub(t, { ...closed, jwksUrl: issuer.jwksUrl, workers: 2 })
  const token = await signedWith(one)
  const stream = await EventReader.open(hub, '/topics/a', bearer(token))
  await stream.next()
  issuer.keys = [other.jwk]
  await hub.server.reload()
  t.match(await stream.next(), revoked)
})

t.test('an address that is away changes nothing, and is reported once', async t => {
  const lines: string[] = []
  const logTo = new Writable({
    write: (line: Buffer, _encoding, done) => (lines.push(line.toString()), done()),
  })
  const key = await makeKey('one')
  const issuer = await startIssuer(t, [key.jwk])
  const jwksUrl = `${issuer.jwksUrl}?key=private-text`
  const hub = await startHub(t, { ...closed, jwksUrl, jwksMaxAgeMs: 20 }, logTo)
  const token = await signedWith(key)
  const stream = await EventReader.open(hub, '/topics/a', bearer(token))
  await stream.next()
  const outages = async (count: number): Promise<void> => {
    issuer.isAway = true
    const { requests } = issuer
    while (issuer.requests < requests + 5) await sleep(10)
    const reports = lines.filter(line => line.includes('cannot be read from --jwks-url'))
    t.equal(reports.length, count)
    const { level, ...report } = JSON.parse(reports.at(-1)!) as Record<string, unknown>
    t.equal(level, 40, 'a warning')
    t.match(report, { address: issuer.jwksUrl, reason: /200 OK/, msg: /stay in service/ })
    t.equal((await hub.fetch('/topics/a', { headers: bearer(await signedWith(key, 'new')) })).status, 200)
    await hub.publish('a', 'on', bearer(token))
    t.match(await stream.next(), { data: 'on' })
    issuer.isAway = false
    // Keys in another order are the same keys.
    issuer.keys = issuer.keys.map(jwk => Object.fromEntries(Object.entries(jwk).toReversed()) as typeof jwk)
    const after = issuer.requests
    while (issuer.requests < after + 3) await sleep(10)
  }
  await outages(1)
  await outages(2)
  t.notMatch(lines.join(''), 'private-text')
  t.notMatch(lines.join(''), 'have changed')
  stream.close()
})

t.test('the cause is reported where no keys were ever read', async t => {
  const lines: string[] = []
  const logTo = new Writable({
    write: (line: Buffer, _encoding, done) => (lines.push(line.toString()), done()),
  })
  // Nobody listens there.
  const hub = await startHub(t, { ...closed, jwksUrl: 'http://127.0.0.1:1/keys' }, logTo)
  const headers = bearer(await signedWith(await makeKey('one')))
  for (let at = 0; at < 3; at++) t.equal((await hub.fetch('/topics/a', { headers })).status, 503)
  const reports = lines.filter(line => line.includes('--jwks-url'))
  t.equal(reports.length, 1)
  t.match(JSON.parse(reports[0]!), {
    address: 'http://127.0.0.1:1/keys',
    reason: /./,
    msg: /answered 503/,
  })
})

t.test('those who bring a new key while the address is asked all wait for it', async t => {
  const [old, fresh] = [await makeKey('old'), await makeKey('fresh')]
  const issuer = await startIssuer(t, [old.jwk])
  const options = { ...nothing, jwksUrl: issuer.jwksUrl, jwksMaxAgeMs: 600_000 }
  const authenticator = new Authenticator(options, noTexts)
  await authenticator.grantOf(await signedWith(old))
  issuer.keys = [old.jwk, fresh.jwk]
  authenticator.useKeys(noTexts)
  const tokens = await Promise.all(['a', 'b', 'c'].map(sub => signedWith(fresh, sub)))
  const grants = await Promise.all(tokens.map(async token => authenticator.grantOf(token)))
  t.same(
    grants.map(({ holder }) => holder),
    ['jwt  a', 'jwt  b', 'jwt  c'],
  )
  authenticator.close()
})

t.test('made-up key names do not make the hub ask again and again', async t => {
  const key = await makeKey('one')
  const issuer = await startIssuer(t, [key.jwk])
  const options = { ...nothing, jwksUrl: issuer.jwksUrl, jwksMaxAgeMs: 600_000 }
  const authenticator = new Authenticator(options, noTexts)
  await authenticator.grantOf(await signedWith(key))
  issuer.isAway = true
  for (let at = 0; at < 10; at++) {
    const token = await signedWith({ ...key, jwk: { ...key.jwk, kid: `made up ${at}` } })
    await t.rejects(async () => authenticator.grantOf(token), { code: 'MILLRACE_TOKEN_INVALID' })
  }
  t.equal(issuer.requests, 1)
  authenticator.close()
})

t.test('a hub that is closed asks no more', async t => {
  const key = await makeKey('one')
  const issuer = await startIssuer(t, [key.jwk])
  const hub = await startHub(t, { ...closed, jwksUrl: issuer.jwksUrl, jwksMaxAgeMs: 20 })
  await hub.fetch('/topics/a', { headers: bearer(await signedWith(key)) })
  while (issuer.requests < 3) await sleep(10)
  await hub.server.close()
  await sleep(50)
  const { requests } = issuer
  await sleep(200)
  t.equal(issuer.requests, requests)
})
