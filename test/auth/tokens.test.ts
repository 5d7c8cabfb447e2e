// Where tokens may come from, and what they are verified with: keys of each kind, and their rotation.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { exportJWK, SignJWT, type JWK } from 'jose'
import t from 'tap'
import { makeApiKey } from '../../src/auth/api-keys.ts'
import { Authenticator, type AuthenticatorOptions } from '../../src/auth/authenticator.ts'
import { startHub } from '../support/hub.ts'
import { bearer, mint, SECRET, secretOf } from '../support/tokens.ts'

const closed = { jwtKey: SECRET, anonymousPublish: [], anonymousReceive: [], anonymousMetrics: false }
const nothing: AuthenticatorOptions = {
  jwksUrl: undefined,
  jwksMaxAgeMs: 600_000,
  jwtAlgorithms: [],
  jwtIssuer: [],
  jwtAudience: [],
  anonymous: { publish: [], receive: [] },
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const ed25519 = generateKeyPairSync('ed25519')

function sign(alg: string, key: KeyObject, kid?: string): Promise<string> {
  const claims = { millrace: { receive: ['a'] }, sub: 'ann' }
  return new SignJWT(claims)
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
    .setExpirationTime('5m')
    .sign(key)
}

function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }) as string
}

t.test('tokens are verified with secrets, PEM, JWKs and JWK Sets', async t => {
  for (const [alg, pair] of [
    ['RS256', rsa],
    ['ES256', p256],
    ['ES384', p384],
    ['EdDSA', ed25519],
  ] as const) {
    const token = await sign(alg, pair.privateKey, 'k')
    const jwk: JWK = { ...(await exportJWK(pair.publicKey)), kid: 'k' }
    for (const jwtKey of [pem(pair.publicKey), JSON.stringify(jwk), JSON.stringify({ keys: [jwk] })]) {
      const grant = await new Authenticator(nothing, { jwtKey, apiKeys: undefined }).grantOf(token)
      t.ok(grant.canReceive('a') && !grant.canReceive('b') && !grant.canPublish('a'), alg)
      t.equal(grant.holder, 'jwt  ann')
    }
  }
  const bySecret = new Authenticator(nothing, { jwtKey: SECRET, apiKeys: undefined })
  t.ok((await bySecret.grantOf(await mint({ receive: ['a'] }))).canReceive('a'))
})

t.test('a secret JWK signs and verifies, and among several each that fits is tried', async t => {
  const jwk = { kty: 'oct', kid: 'a', k: Buffer.from(SECRET).toString('base64url') }
  const other = {
    kty: 'oct',
    kid: 'b',
    k: Buffer.from('another secret, of more than 32 bytes').toString('base64url'),
  }
  const single = new Authenticator(nothing, { jwtKey: JSON.stringify(jwk), apiKeys: undefined })
  t.ok((await single.grantOf(await mint({ receive: ['a'] }))).canReceive('a'))
  const several = new Authenticator(nothing, {
    jwtKey: JSON.stringify({ keys: [jwk, other] }),
    apiKeys: undefined,
  })
  for (const secret of [SECRET, 'another secret, of more than 32 bytes']) {
    t.ok((await several.grantOf(await mint({ receive: ['a'] }, secret))).canReceive('a'), secret)
  }
  const foreign = await mint({ receive: ['a'] }, 'a third secret that is in no set, 32 bytes long')
  await t.rejects(async () => several.grantOf(foreign), { code: 'MILLRACE_TOKEN_INVALID' })
  const expired = await mint({ receive: ['a'], expiresIn: -1 }, 'another secret, of more than 32 bytes')
  await t.rejects(async () => several.grantOf(expired), { code: 'MILLRACE_TOKEN_EXPIRED' })
  const forOther = [
    { ...jwk, alg: 'HS512' },
    { ...other, alg: 'HS256' },
  ]
  const byAlgorithm = new Authenticator(nothing, {
    jwtKey: JSON.stringify({ keys: forOther }),
    apiKeys: undefined,
  })
  await t.rejects(async () => byAlgorithm.grantOf(await mint({ receive: ['a'] })), {
    code: 'MILLRACE_TOKEN_INVALID',
  })
})

t.test('a token without a kid is verified with each public key that fits, but not with a crowd', async t => {
  const pairs = Array.from({ length: 6 }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }))
  const keys = await Promise.all(pairs.map(({ publicKey }) => exportJWK(publicKey)))
  const jwtKey = JSON.stringify({ keys: [await exportJWK(rsa.publicKey), ...keys] })
  const authenticator = new Authenticator(nothing, { jwtKey, apiKeys: undefined })
  for (const { privateKey } of pairs.slice(0, 5)) {
    t.ok((await authenticator.grantOf(await sign('ES256', privateKey))).canReceive('a'))
  }
  for (const key of [pairs[5]!.privateKey, p256.privateKey]) {
    const refused = async (): Promise<unknown> => authenticator.grantOf(await sign('ES256', key))
    await t.rejects(refused, { code: 'MILLRACE_TOKEN_INVALID', message: /signature/ })
  }
  t.ok((await authenticator.grantOf(await sign('RS256', rsa.privateKey))).canReceive('a'))
})

t.test('what everybody may know is never taken for a secret', async t => {
  const text = pem(rsa.publicKey)
  const der = rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  for (const jwtKey of [
    `Bag Attributes: none\n${text}`,
    der,
    der.replace(/.{64}/g, '$&\n'),
    `[${JSON.stringify(await exportJWK(rsa.publicKey))}]`,
    'https://id.example.org/.well-known/jwks.json',
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample ann@example',
  ]) {
    const attempt = (): unknown => new Authenticator(nothing, { jwtKey, apiKeys: undefined })
    t.throws(attempt, { code: 'MILLRACE_CONFIG_INVALID' }, jwtKey.slice(0, 40))
  }
  // What openssl rand prints may begin like a key.
  const jwtKey = `MIGH${'A'.repeat(60)}`
  t.ok(new Authenticator(nothing, { jwtKey, apiKeys: undefined }))
})

t.test('a public key is never taken for a secret', async t => {
  const jwtKey = pem(rsa.publicKey)
  const forged = await mint({ receive: ['**'] }, jwtKey)
  for (const jwtAlgorithms of [[], ['RS256', 'PS512']]) {
    const authenticator = new Authenticator({ ...nothing, jwtAlgorithms }, { jwtKey, apiKeys: undefined })
    await t.rejects(async () => authenticator.grantOf(forged), { code: 'MILLRACE_TOKEN_INVALID' })
  }
  const mixed = { ...nothing, jwtAlgorithms: ['RS256', 'HS256'] }
  t.throws(() => new Authenticator(mixed, { jwtKey, apiKeys: undefined }), {
    code: 'MILLRACE_CONFIG_INVALID',
    message: /HS256 does not go with an RSA key/,
  })
})

t.test('a key that cannot be used is refused, and the message does not have it', async t => {
  const jwk = { ...(await exportJWK(p256.publicKey)), kid: 'a' }
  for (const jwtKey of [
    'a short secret',
    '-----BEGIN PUBLIC KEY-----\nsecret text\n-----END PUBLIC KEY-----',
    '{"kty":"secret text"}',
    '{"keys": "secret text"}',
    JSON.stringify({ keys: [jwk, { kty: 'oct', k: 'c2VjcmV0IHRleHQ' }] }),
  ]) {
    const attempt = (): unknown => new Authenticator(nothing, { jwtKey, apiKeys: undefined })
    t.throws(attempt, { code: 'MILLRACE_CONFIG_INVALID', message: /^(?!.*secret text).*jwtKey/ }, jwtKey)
  }
})

t.test('keys from an address are kept, looked for again, and survive its absence', async t => {
  const [old, fresh] = [p256, generateKeyPairSync('ec', { namedCurve: 'P-256' })]
  const set: { keys: JWK[] } = { keys: [{ ...(await exportJWK(old.publicKey)), kid: 'old' }] }
  let requests = 0
  let isAway = false
  const server = createServer((_request, response) => {
    requests++
    response.statusCode = isAway ? 503 : 200
    response.end(JSON.stringify(set))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
  const unreachable = new Authenticator({ ...nothing, jwksUrl }, { jwtKey: undefined, apiKeys: undefined })
  const authenticator = new Authenticator({ ...nothing, jwksUrl }, { jwtKey: undefined, apiKeys: undefined })
  for (let at = 0; at < 3; at++) {
    t.ok((await authenticator.grantOf(await sign('ES256', old.privateKey, 'old'))).canReceive('a'))
  }
  t.equal(requests, 1)
  isAway = true
  t.ok((await authenticator.grantOf(await sign('ES256', old.privateKey, 'old'))).canReceive('a'))
  const hasNone = async (): Promise<unknown> =>
    unreachable.grantOf(await sign('ES256', old.privateKey, 'old'))
  await t.rejects(hasNone, { code: 'MILLRACE_KEYS_UNAVAILABLE' })
  isAway = false
  set.keys = [{ ...(await exportJWK(fresh.publicKey)), kid: 'new' }]
  const rotated = new Authenticator({ ...nothing, jwksUrl }, { jwtKey: undefined, apiKeys: undefined })
  t.ok((await rotated.grantOf(await sign('ES256', fresh.privateKey, 'new'))).canReceive('a'))
  const wasOld = async (): Promise<unknown> => rotated.grantOf(await sign('ES256', old.privateKey, 'old'))
  await t.rejects(wasOld, { code: 'MILLRACE_TOKEN_INVALID' })
  const withSecret = async (): Promise<unknown> => rotated.grantOf(await mint({ receive: ['a'] }))
  await t.rejects(withSecret, { code: 'MILLRACE_TOKEN_INVALID' })
})

t.test('a token is verified once, and remembered no longer than it lives', async t => {
  let now = Date.now()
  const authenticator = new Authenticator(
    { ...nothing, now: () => now },
    { jwtKey: SECRET, apiKeys: undefined },
  )
  const token = await mint({ receive: ['a'], expiresIn: 60 })
  const first = authenticator.grantOf(token)
  t.type(first, Promise)
  const grant = await first
  t.notOk(authenticator.grantOf(token) instanceof Promise, 'known')
  now = grant.expiresAt
  await t.rejects(async () => authenticator.grantOf(token), { code: 'MILLRACE_TOKEN_EXPIRED' })
  now -= 1
  authenticator.useKeys({ jwtKey: 'another secret, of more than 32 bytes', apiKeys: undefined })
  await t.rejects(async () => authenticator.grantOf(token), { code: 'MILLRACE_TOKEN_INVALID' })
})

t.test('issuer and audience are held against those that were named', async t => {
  const options = { ...nothing, jwtIssuer: ['i', 'j'], jwtAudience: ['x', 'y'] }
  const authenticator = new Authenticator(options, { jwtKey: SECRET, apiKeys: undefined })
  const outcome = async (issuer?: string, audience?: string): Promise<string> => {
    const token = await mint({ receive: ['a'], ...(issuer && { issuer }), ...(audience && { audience }) })
    return (async () => authenticator.grantOf(token))().then(
      () => 'taken',
      (error: { code: string }) => error.code,
    )
  }
  t.equal(await outcome('j', 'y'), 'taken')
  for (const [issuer, audience] of [
    ['k', 'x'],
    ['i', 'z'],
    [undefined, 'x'],
    ['i', undefined],
  ] as const) {
    t.equal(await outcome(issuer, audience), 'MILLRACE_TOKEN_INVALID')
  }
})

t.test('an API key opens what its entry says, until it expires, and its file has no key', async t => {
  const made = makeApiKey({
    name: 'billing',
    publish: ['orders/**'],
    admin: true,
    expires: '2030-01-01T00:00:00Z',
  })
  const text = JSON.stringify({ keys: [made.entry] })
  t.notMatch(text, secretOf(made.key))
  let now = Date.parse('2029-12-31T23:59:59Z')
  const keys = { jwtKey: undefined, apiKeys: text }
  const authenticator = new Authenticator({ ...nothing, now: () => now }, keys)
  const grant = await authenticator.grantOf(made.key)
  t.ok(grant.canPublish('orders/1') && !grant.canReceive('orders/1'))
  t.equal(grant.holder, `key ${made.entry.id}`)
  grant.requireAdmin()
  now += 1000
  await t.rejects(async () => authenticator.grantOf(made.key), { code: 'MILLRACE_TOKEN_EXPIRED' })
  for (const wrong of [`${made.key}x`, made.key.slice(0, -1), 'millrace_', `millrace_${made.entry.id}_`]) {
    await t.rejects(async () => authenticator.grantOf(wrong), { code: 'MILLRACE_TOKEN_INVALID' }, wrong)
  }
  for (const [entry, message] of [
    [{ ...made.entry, sha256: 'x' }, /'sha256'/],
    [{ ...made.entry, publish: ['a*b'] }, /'publish' has the pattern/],
    [{ ...made.entry, receive: 'a' }, /'receive' must be a list/],
    [{ ...made.entry, expires: 'soon' }, /'expires' is no date/],
    [{ ...made.entry, publsh: [] }, /'publsh' is not known/],
    [{ ...made.entry, name: '' }, /'name' is missing/],
    [made.entry, /an id twice/],
  ] as const) {
    const apiKeys = JSON.stringify({ keys: [made.entry, entry].slice(entry === made.entry ? 0 : 1) })
    t.throws(() => new Authenticator(nothing, { jwtKey: undefined, apiKeys }), { message })
  }
})

t.test('a session is a cookie that pages of listed origins may use, and nobody else', async t => {
  const hub = await startHub(t, { ...closed, corsOrigin: ['https://app.example.org'] })
  const token = await mint({ publish: ['a'], receive: ['a'], expiresIn: 100 })
  const origin = 'https://app.example.org'
  const set = await hub.fetch('/session', { method: 'PUT', headers: { ...bearer(token), origin } })
  t.equal(set.status, 204)
  t.match(
    set.headers.get('set-cookie'),
    /^__Host-millrace=[\w.-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=(100|9\d)$/,
  )
  t.equal(set.headers.get('access-control-allow-origin'), origin)
  t.equal(set.headers.get('access-control-allow-credentials'), 'true')
  const cookie = set.headers.get('set-cookie')!.split(';')[0]!
  const publish = (headers: Record<string, string>) =>
    hub.fetch('/topics/a', { method: 'POST', body: 'x', headers: { cookie, ...headers } })
  t.equal((await publish({ origin })).status, 201)
  t.equal((await publish({ origin: new URL(hub.url).origin })).status, 201)
  t.equal((await publish({ 'sec-fetch-site': 'same-origin' })).status, 201)
  for (const headers of [
    {},
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'null' },
  ]) {
    const refused = await publish(headers)
    t.equal(refused.status, 403)
    t.match(await refused.json(), { code: 'MILLRACE_ORIGIN_FORBIDDEN' })
    t.equal(refused.headers.get('access-control-allow-credentials'), null)
  }
  t.equal((await hub.fetch('/topics/a', { headers: { cookie } })).status, 200, 'reading changes nothing')
  const gone = await hub.fetch('/session', {
    method: 'DELETE',
    headers: { cookie: '__Host-millrace=garbage' },
  })
  t.match(gone.headers.get('set-cookie'), /^__Host-millrace=; .*Max-Age=0$/)
  t.equal((await hub.fetch('/session', { method: 'PUT' })).status, 401)
})

t.test('loopback pages that nobody listed use no cookies', async t => {
  const keyed = await startHub(t, closed)
  const cookie = `__Host-millrace=${await mint({ publish: ['a'], receive: ['a'] })}`
  for (const method of ['GET', 'POST']) {
    const body = method === 'POST' ? { body: 'x' } : {}
    const headers = { cookie, origin: 'https://localhost:3000' }
    t.equal((await keyed.fetch('/topics/a', { method, headers, ...body })).status, 403, method)
  }
  const hub = await startHub(t)
  const response = await hub.fetch('/topics', { headers: { origin: 'http://localhost:3000' } })
  t.equal(response.headers.get('access-control-allow-origin'), 'http://localhost:3000')
  t.equal(response.headers.get('access-control-allow-credentials'), null)
})

t.test('a token has one spelling and one place', async t => {
  const hub = await startHub(t, { ...closed, authQuery: true, anonymousReceive: ['a'] })
  const token = await mint({ receive: ['a'] })
  const status = async (path: string, headers = {}): Promise<number> =>
    (await hub.fetch(path, { headers })).status
  t.equal(await status(`/topics/a?authorization=${token}`), 200)
  for (const query of [
    `authorization=${token}=`,
    `authorization=${token}%0a`,
    `authorization=${token.slice(0, -2)}+${token.slice(-2)}`,
    '%61uthorization=x',
    'authorization',
    'authorization=',
  ]) {
    t.equal(await status(`/topics/a?${query}`), 401, query)
  }
  t.equal(await status('/topics/a', { cookie: `__Host-millrace=${token} x` }), 401)
  t.equal(await status('/topics/a', { cookie: `__Host-millrace="${token}"` }), 401)
  t.equal(await status('/topics/a', { cookie: '\u00a0__Host-millrace=x' }), 200, 'another name')
})

t.test('the query carries a token only where that is enabled', async t => {
  const token = await mint({ receive: ['a'] })
  const open = await startHub(t, { ...closed, authQuery: true })
  t.equal((await open.fetch(`/topics/a?authorization=${token}`)).status, 200)
  t.equal((await open.fetch('/topics/a?authorization=x')).status, 401)
  t.equal((await open.fetch(`/topics/a?authorization=${token}&authorization=x`)).status, 401)
  const other = await startHub(t, { ...closed, anonymousReceive: ['a'] })
  const refused = await other.fetch(`/topics/a?authorization=${token}`)
  t.match(await refused.json(), { code: 'MILLRACE_TOKEN_INVALID', detail: /--auth-query/ })
})

t.test('a token in the header and one in the query are one too many', async t => {
  const token = await mint({ receive: ['a'] })
  const open = await startHub(t, { ...closed, authQuery: true })
  const headers = bearer(token)
  for (const query of [`authorization=${token}`, 'authorization=x', '%61uthorization=']) {
    const refused = await open.fetch(`/topics/a?${query}`, { headers })
    t.equal(refused.status, 400, query)
    t.match(await refused.json(), { code: 'MILLRACE_REQUEST_INVALID', detail: /not in both/ })
  }
  t.equal((await open.fetch('/topics/a?limit=1', { headers })).status, 200)
  // A cookie comes by itself.
  const cookie = `__Host-millrace=${token}`
  t.equal((await open.fetch('/topics/a', { headers: { ...headers, cookie } })).status, 200)
  const mercure = await open.fetch(`/.well-known/mercure?authorization=${token}`, { headers })
  t.notMatch(await mercure.text(), 'not in both')
  const other = await startHub(t, closed)
  const unasked = await other.fetch(`/topics/a?authorization=${token}`, { headers })
  t.equal(unasked.status, 200, 'where the query carries none, the parameter is nothing')
})

t.test('neither tokens nor keys come into the log of the hub or its metrics', async t => {
  const lines: string[] = []
  const logTo = new Writable({
    write: (line: Buffer, _encoding, done) => (lines.push(line.toString()), done()),
  })
  const hub = await startHub(t, { ...closed, authQuery: true, anonymousMetrics: true }, logTo)
  const token = await mint({ receive: ['a'], publish: ['a'], expiresIn: -1 })
  const good = await mint({ receive: ['a'], publish: ['a'] })
  for (const text of [token, good, 'garbage-token']) {
    await hub.fetch(`/topics/a?authorization=${text}`)
    await hub.fetch('/topics/a', { headers: bearer(text) })
    await hub.fetch('/topics/a', { headers: { cookie: `__Host-millrace=${text}` } })
  }
  const metrics = await (await hub.fetch('/metrics')).text()
  for (const secret of [token, good, 'garbage-token', SECRET, ...good.split('.')]) {
    t.notMatch(lines.join('') + metrics, secret)
  }
})
