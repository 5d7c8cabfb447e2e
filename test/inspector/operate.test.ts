// What operators may ask for and do under /inspector: streams, tokens, the page; and who is an operator.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { makeApiKey, type ApiKeyEntry } from '../../src/auth/api-keys.ts'
import type { StreamList, TokenReport } from '../../src/protocol/inspector.ts'
import { EventReader } from '../support/event-reader.ts'
import { Http2Client } from '../support/http2-client.ts'
import { reach, startHub, type Reachable, type TestHub } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'
import { bearer, mint, SECRET, unsigned } from '../support/tokens.ts'
import { clientOfEach } from '../support/workers.ts'

for (const workers of [1, 2]) {
  t.test(`streams are listed and closed whichever thread has them, with ${workers} thread(s)`, async t => {
    const hub = await startHub(t, { workers })
    if (workers === 2) {
      const [one, other] = await clientOfEach(t, hub, ['worker-1', 'worker-2'])
      ;(await one.listen('/feed?topic=a/*&topic=b')).resume()
      ;(await other.listen('/topics/a/1')).resume()
      t.equal((await list(hub)).total, 2, 'those of both threads')
    }
    const reader = await EventReader.open(hub, '/feed?topic=x/**&topic=y')
    const feed = (JSON.parse((await reader.next())!.data) as { feed: string }).feed
    const { total, matching, streams } = await list(hub, `search=${feed}`)
    t.same([total, matching], [workers === 2 ? 3 : 1, 1])
    t.match(streams, [
      {
        feed,
        kind: 'feed',
        address: /127\.0\.0\.1/,
        topics: ['y', 'x/**'],
        topicCount: 2,
        phase: 'live',
        lag: 0,
        protocol: 'h2',
      },
    ])
    t.equal((await hub.fetch(`/inspector/api/streams/${feed}`, { method: 'DELETE' })).status, 204)
    t.match(await reader.next(), { event: 'millrace:bye', data: '{"reason":"closed"}' })
    t.equal(await reader.next(), undefined)
    const again = await hub.fetch(`/inspector/api/streams/${feed}`, { method: 'DELETE' })
    await expectProblem(t, again, 'MILLRACE_NOT_FOUND')
  })
}

t.test('streams are found by the topic that they get, by a text, and so many are listed', async t => {
  const hub = await startHub(t)
  const readers = await Promise.all(
    ['/topics/a/1', '/topics/a/2', '/feed?topic=a/*', '/feed?topic=Other'].map(path =>
      EventReader.open(hub, path),
    ),
  )
  t.teardown(() => readers.forEach(reader => reader.close()))
  t.equal((await list(hub, 'topic=a/1')).matching, 2, 'by name and by pattern')
  t.equal((await list(hub, 'search=OTHER')).matching, 1)
  t.equal((await list(hub, 'search=127.0.0')).matching, 4)
  const { total, matching, streams } = await list(hub, 'limit=2')
  t.same([total, matching, streams.length], [4, 4, 2])
  await expectProblem(t, await hub.fetch('/inspector/api/streams?limit=0'), 'MILLRACE_REQUEST_INVALID')
})

t.test('whose stream it is and how far behind stands first', async t => {
  const hub = await startHub(t, { jwtKey: SECRET })
  const admin = bearer(await mint({ admin: true, publish: ['**'], receive: ['**'] }))
  const live = await EventReader.open(hub, '/topics/a', bearer(await mint({ receive: ['**'], sub: 'ann' })))
  t.teardown(() => live.close())
  // It reads nothing, so it falls behind.
  const client = new Http2Client(t, hub)
  const stream = await client.listen('/topics/a', bearer(await mint({ receive: ['**'], sub: 'bob' })))
  t.teardown(() => stream.destroy())
  for (let number = 0; number < 60; number++) await hub.publish('a', `${number}`.repeat(10_000), admin)
  await live.take(61)
  const { streams } = await list(hub, '', admin)
  t.match(streams, [
    { name: 'bob', phase: 'behind', expiresAt: Number },
    { name: 'ann', phase: 'live', lag: 0 },
  ])
  t.ok(streams[0]!.lag > 0 && streams[0]!.bufferedBytes > 0)
})

t.test('a token is explained: whether it is good, why not, and what it is for', async t => {
  const { key, entry } = makeApiKey({ name: 'backend', publish: ['orders/*'] })
  const hub = await startHub(t, { jwtKey: SECRET, ...apiKeysFile(t, entry) })
  const admin = bearer(await mint({ admin: true }))
  const explain = async (body: string): Promise<TokenReport> =>
    (await (
      await hub.fetch('/inspector/api/token', { method: 'POST', body, headers: admin })
    ).json()) as TokenReport
  const parts = { publish: ['a/*'], receive: ['**'], presence: ['a/1'], sub: 'ann' }
  const rights = { publish: ['a/*'], receive: ['**'], presence: ['a/1'], isAdmin: false, name: 'ann' }
  const good = await explain(`Bearer ${await mint(parts)}\n`)
  t.match(good, {
    isGood: true,
    ...rights,
    expiresAt: Number,
    header: { alg: 'HS256' },
    claims: { sub: 'ann' },
  })
  t.equal(good.problem, undefined)
  t.match(await explain(await mint({ ...parts, expiresIn: -60 })), {
    isGood: false,
    problem: { code: 'MILLRACE_TOKEN_EXPIRED' },
    ...rights,
  })
  t.match(await explain(await mint(parts, 'another secret, of more than 32 bytes')), {
    isGood: false,
    problem: { code: 'MILLRACE_TOKEN_INVALID', detail: /signature/ },
    ...rights,
  })
  t.match(await explain(unsigned({ millrace: { admin: true } })), { isGood: false, isAdmin: true })
  t.match(await explain(key), { isGood: true, name: 'backend', publish: ['orders/*'], receive: [] })
  t.match(await explain('what is this'), { isGood: false, publish: [], receive: [], isAdmin: false })
  const tooLong = await hub.fetch('/inspector/api/token', {
    method: 'POST',
    body: 'x'.repeat(70_000),
    headers: admin,
  })
  await expectProblem(t, tooLong, 'MILLRACE_BODY_TOO_LARGE')
})

t.test('it is for operators: what anonymous clients may do does not reach so far', async t => {
  const open = await startHub(t)
  t.equal(
    (await open.fetch('/inspector/api/streams')).status,
    200,
    'loopback, and no tokens: all of them are',
  )
  const closed = await startHub(t, { jwtKey: SECRET, anonymousMetrics: true })
  t.equal((await closed.fetch('/metrics')).status, 200)
  await expectProblem(t, await closed.fetch('/inspector/api/streams'), 'MILLRACE_TOKEN_MISSING')
  const plain = bearer(await mint({ receive: ['**'], publish: ['**'] }))
  await expectProblem(
    t,
    await closed.fetch('/inspector/api/streams', { headers: plain }),
    'MILLRACE_FORBIDDEN',
  )
  const admin = bearer(await mint({ admin: true }))
  t.equal((await closed.fetch('/inspector/api/streams', { headers: admin })).status, 200)
  const far = await startHub(t, { host: '0.0.0.0', inspector: 'on' })
  await expectProblem(t, await nearby(far).fetch('/inspector/api/streams'), 'MILLRACE_FORBIDDEN')
})

t.test('it is there on loopback, or where it is turned on', async t => {
  const status = async (hub: TestHub): Promise<number> => (await nearby(hub).fetch('/inspector/')).status
  t.equal(await status(await startHub(t)), 200)
  t.equal(await status(await startHub(t, { inspector: 'off' })), 404)
  t.equal(await status(await startHub(t, { host: '0.0.0.0' })), 404)
  t.equal(await status(await startHub(t, { host: '0.0.0.0', inspector: 'on' })), 200)
  t.equal(await status(await startHub(t, { allowedHost: ['hub.example.org'] })), 404, 'a proxy is in front')
  t.equal(await status(await startHub(t, { trustProxy: ['127.0.0.1'] })), 404, 'one that is named')
})

t.test('the page comes with a strict policy, and what it loads is kept by browsers', async t => {
  const hub = await startHub(t)
  const bare = await hub.fetch('/inspector', { redirect: 'manual' })
  t.same([bare.status, bare.headers.get('location')], [308, 'inspector/'])
  const page = await hub.fetch('/inspector/')
  t.match(page.headers.get('content-type'), /^text\/html/)
  t.match(
    page.headers.get('content-security-policy'),
    /^default-src 'none'; script-src 'self'; style-src 'self'/,
  )
  t.notMatch(page.headers.get('content-security-policy'), /unsafe/)
  t.equal(page.headers.get('cache-control'), 'no-cache')
  const text = await page.text()
  t.notMatch(text, /(src|href)="(https?:)?\//, 'all of it by relative addresses')
  const known = await hub.fetch('/inspector/', { headers: { 'if-none-match': page.headers.get('etag')! } })
  t.equal(known.status, 304)
  const assets = [...text.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(match => match[1]!)
  t.equal(assets.length, 2)
  for (const path of assets) {
    const asset = await hub.fetch(`/inspector/${path}`)
    t.match(asset.headers.get('content-type'), path.endsWith('.js') ? /^text\/javascript/ : /^text\/css/)
    t.match(asset.headers.get('cache-control'), /immutable/)
    const zipped = await hub.fetch(`/inspector/${path}`, { headers: { 'accept-encoding': 'gzip' } })
    t.equal(zipped.headers.get('content-encoding'), 'gzip')
    t.equal(await zipped.text(), await asset.text())
  }
  await expectProblem(t, await hub.fetch('/inspector/assets/..%2Findex.html'), 'MILLRACE_NOT_FOUND')
  await expectProblem(t, await hub.fetch('/inspector/assets/none.js'), 'MILLRACE_NOT_FOUND')
})

async function list(hub: Reachable, query = '', headers = {}): Promise<StreamList> {
  return (await (await hub.fetch(`/inspector/api/streams?${query}`, { headers })).json()) as StreamList
}

/** The certificate is not for the address that a hub of all addresses listens on. */
function nearby({ url, ca, agent }: TestHub): Reachable {
  return reach(url.replace('0.0.0.0', 'localhost'), ca, agent)
}

function apiKeysFile(t: Test, entry: ApiKeyEntry): { apiKeysFile: string } {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-keys-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: [entry] }))
  return { apiKeysFile: file }
}
