// What becomes of open streams when tokens expire, are renewed, or lose what they were good for.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeApiKey, type ApiKeyEntry } from '../../src/auth/api-keys.ts'
import { EventReader } from '../support/event-reader.ts'
import { onOwnConnection, startHub, type TestHub } from '../support/hub.ts'
import { decodeJwt } from 'jose'
import { answerTo, Http2Client } from '../support/http2-client.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'

const closed = { jwtKey: SECRET, anonymousPublish: [], anonymousReceive: [], anonymousMetrics: false }

/** Resolves just after the token has expired. */
async function expiryOf(token: string): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, decodeJwt(token).exp! * 1000 - Date.now() + 50))
}

t.test('a stream whose token expires is told so and closed', async t => {
  const hub = await startHub(t, closed)
  const token = await mint({ receive: ['a'], publish: ['a'], expiresIn: 4 })
  const stream = await EventReader.open(hub, '/topics/a', bearer(token))
  t.match(await stream.next(), { event: 'millrace:open' })
  t.match(await stream.next(), { event: 'millrace:bye', data: '{"reason":"expired"}' })
  t.equal(await stream.next(), undefined, 'it has ended')
  const left = decodeJwt(token).exp! * 1000 - Date.now()
  t.ok(left >= 0 && left < 700, `${left} ms before the token expired`)
})

// From here on they wait for different hubs.
t.jobs = 4

t.test('a stream goes on with a new token, and closes when that one expires', async t => {
  const hub = await startHub(t, closed)
  const parts = { receive: ['a'], publish: ['a'], sub: 'ann' }
  const stream = await EventReader.open(hub, '/topics/a', bearer(await mint({ ...parts, expiresIn: 4 })))
  const feed = await feedOf(stream)
  const renewed = await mint({ ...parts, expiresIn: 8 })
  t.equal(await renew(hub, feed, renewed), 204)
  const startedAt = Date.now()
  // Past the end of the first.
  while (Date.now() - startedAt < 5000) await new Promise(resolve => setTimeout(resolve, 100))
  await hub.publish('a', 'still here', bearer(renewed))
  t.match(await stream.next(), { data: 'still here' })
  t.match(await stream.next(), { event: 'millrace:bye', data: '{"reason":"expired"}' })
})

t.test('a new token must be of the same holder and cover what the stream follows', async t => {
  const hub = await startHub(t, closed)
  const parts = { receive: ['a/**'], sub: 'ann' }
  const stream = await EventReader.open(hub, '/feed?topic=a/b&topic=a/c/*', bearer(await mint(parts)))
  const feed = await feedOf(stream)
  t.equal(await renew(hub, feed, await mint({ ...parts, sub: 'bob' })), 403, 'somebody else')
  t.equal(await renew(hub, feed, await mint({ ...parts, receive: ['a/b'] })), 403, 'less')
  t.equal(await renew(hub, feed, await mint({ ...parts, expiresIn: -1 })), 401, 'expired')
  t.equal(await renew(hub, 'nobody', await mint(parts)), 404)
  t.equal((await hub.fetch(`/feed/${feed}/token`, { method: 'POST' })).status, 401, 'none')
  t.equal(await renew(hub, feed, await mint({ ...parts, receive: ['**'] })), 204, 'more')
  stream.close()
})

t.test('whichever worker takes it, a new token finds its stream', async t => {
  const hub = await startHub(t, { ...closed, workers: 2 })
  const parts = { receive: ['a'], sub: 'ann' }
  // So many connections that both workers have some.
  for (let at = 0; at < 8; at++) {
    const stream = await EventReader.open(
      hub,
      '/topics/a',
      bearer(await mint({ ...parts, expiresIn: 60 + at })),
    )
    const feed = await feedOf(stream)
    const other = onOwnConnection(t, hub)
    t.equal(await renew(other, feed, await mint({ ...parts, expiresIn: 90 + at })), 204)
    t.equal(await renew(other, feed, await mint({ ...parts, sub: 'bob' })), 403)
    t.equal(await renew(other, `${feed}x`, await mint(parts)), 404)
    stream.close()
  }
})

for (const workers of [1, 2]) {
  t.test(`who loses an API key loses its streams (${workers} workers)`, async t => {
    const apiKeysFile = join(t.testdir(), 'keys.json')
    const [one, other] = [
      makeApiKey({ name: 'one', receive: ['a'] }),
      makeApiKey({ name: 'other', receive: ['**'] }),
    ]
    writeKeys(apiKeysFile, [one.entry, other.entry])
    const hub = await startHub(t, { ...closed, workers, apiKeysFile })
    const [first, second, anyone] = await Promise.all([
      EventReader.open(hub, '/topics/a', bearer(one.key)),
      EventReader.open(hub, '/topics/a', bearer(other.key)),
      EventReader.open(hub, '/topics/a', bearer(await mint({ receive: ['a'] }))),
    ])
    for (const stream of [first, second, anyone]) await stream.next()
    // The one is gone, the other may do less, but still this.
    writeKeys(apiKeysFile, [{ ...other.entry, receive: ['a'], publish: ['a'] }])
    t.match(await first.next(), { event: 'millrace:bye', data: '{"reason":"revoked"}' })
    t.equal((await hub.fetch('/topics/a', { headers: bearer(one.key) })).status, 401)
    await hub.publish('a', 'on', bearer(other.key))
    t.match(await second.next(), { data: 'on' })
    t.match(await anyone.next(), { data: 'on' })
    writeKeys(apiKeysFile, [{ ...other.entry, receive: ['b'] }])
    t.match(await second.next(), { event: 'millrace:bye', data: '{"reason":"revoked"}' })
    t.equal((await hub.fetch('/topics/a', { headers: bearer(other.key) })).status, 403)
    // What cannot be read changes nothing.
    writeFileSync(apiKeysFile, '{"keys": [')
    await hub.server.reload()
    t.equal((await hub.fetch('/topics/b', { headers: bearer(other.key) })).status, 200)
    anyone.close()
  })
}

t.test('an upload ends with its token: what comes later is not published', async t => {
  const apiKeysFile = join(t.testdir(), 'keys.json')
  const { key, entry } = makeApiKey({ name: 'one', publish: ['a'] })
  writeKeys(apiKeysFile, [entry])
  const hub = await startHub(t, { ...closed, apiKeysFile })
  const admin = bearer(await mint({ receive: ['a'] }))
  const upload = async (token: string, isOver: () => Promise<unknown>, code: string): Promise<void> => {
    const client = new Http2Client(t, hub)
    const headers = { ':method': 'POST', 'content-type': 'application/x-ndjson', ...bearer(token) }
    const stream = client.open('/topics/a', headers, false)
    stream.write('1\n')
    const answer = answerTo(stream)
    await isOver()
    stream.write('2\n')
    const { status, text } = await answer
    t.equal(status, 401)
    t.match(JSON.parse(text), { code, line: 2, published: 1 })
  }
  const short = await mint({ publish: ['a'], expiresIn: 4 })
  await upload(short, () => expiryOf(short), 'MILLRACE_TOKEN_EXPIRED')
  await upload(
    key,
    async () => {
      // The first line must have been published under the key.
      while (
        ((await (await hub.fetch('/topics/a', { headers: admin })).json()) as { events: [] }).events.length <
        2
      );
      writeKeys(apiKeysFile, [])
      await hub.server.reload()
    },
    'MILLRACE_TOKEN_INVALID',
  )
})

t.test('a long poll ends with its token', async t => {
  const hub = await startHub(t, closed)
  const publisher = bearer(await mint({ publish: ['a'] }))
  await hub.publish('a', 'before', publisher)
  const short = await mint({ receive: ['a'], expiresIn: 4 })
  const headers = bearer(short)
  const page = (await (await hub.fetch('/topics/a', { headers })).json()) as { cursor: string }
  const waiting = hub.fetch(`/topics/a?after=${page.cursor}&wait=10`, { headers })
  await expiryOf(short)
  await hub.publish('a', 'after', publisher)
  const answer = await waiting
  t.equal(answer.status, 401)
  t.notMatch(await answer.text(), 'after"')
})

t.test('a stream that is opened while keys change is looked at again', async t => {
  const apiKeysFile = join(t.testdir(), 'keys.json')
  const { key, entry } = makeApiKey({ name: 'one', receive: ['a'] })
  writeKeys(apiKeysFile, [entry])
  const hub = await startHub(t, { ...closed, apiKeysFile, maxStreamRate: 1000, workers: 2 })
  // Known, so that it is not verified again when the stream is opened.
  await hub.fetch('/topics/a', { headers: bearer(key) })
  writeKeys(apiKeysFile, [])
  // Some are refused while the keys are read.
  const opening = Promise.allSettled(
    Array.from({ length: 50 }, () => EventReader.open(hub, '/topics/a', bearer(key))),
  )
  await hub.server.reload()
  for (const opened of await opening) {
    if (opened.status === 'rejected') t.match(String(opened.reason), '401')
    else {
      await opened.value.next()
      t.match(await opened.value.next(), { event: 'millrace:bye', data: '{"reason":"revoked"}' })
    }
  }
})

function writeKeys(file: string, keys: readonly ApiKeyEntry[]): void {
  writeFileSync(file, JSON.stringify({ keys }))
}

async function feedOf(stream: EventReader): Promise<string> {
  const open = await stream.next()
  return (JSON.parse(open!.data) as { feed: string }).feed
}

async function renew(hub: Pick<TestHub, 'fetch'>, feed: string, token: string): Promise<number> {
  const response = await hub.fetch(`/feed/${feed}/token`, { method: 'POST', headers: bearer(token) })
  await response.body?.cancel()
  return response.status
}

/** The same hub by a connection of its own. */
