// `for await` loops: their own pace costs them, and nobody else, and never an event.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { connectTo, fetchOver, Received } from './support.ts'

t.test('a loop takes events until it is left, and leaves nothing behind', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub, { lingerMs: 0 })
  await hub.publish('news', 'zero')
  const seen: unknown[] = []
  for await (const { data } of client.events('news', { after: 'earliest' })) {
    seen.push(data)
    if (seen.length === 3) break
    await hub.publish('news', String(seen.length))
  }
  t.same(seen, ['zero', '1', '2'])
  await metricIs(hub, 'millrace_streams', 0)
})

t.test('a loop ends when its signal is aborted, or the hub is closed', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  const abort = new AbortController()
  const first = drain(client.events('news', { signal: abort.signal }))
  const second = drain(client.events('news'))
  const received = new Received(client, 'news')
  await received.ready
  await hub.publish('news', 'one')
  await received.take(1)
  abort.abort()
  t.same(await first, ['one'])
  client.close()
  t.same(await second, ['one'])
})

t.test('a loop throws when the hub refuses it, or when events were lost unheard', async t => {
  const hub = await startHub(t, {
    anonymousReceive: ['open/*'],
    anonymousPublish: ['**'],
    logMaxTopicEvents: 2,
  })
  const { client } = connectTo(t, hub)
  await t.rejects(drain(client.events('secret')), { code: 'MILLRACE_FORBIDDEN' })
  const first = await hub.publish('open/1', '0')
  for (const data of ['1', '2', '3']) await hub.publish('open/1', data)
  await t.rejects(drain(client.events('open/1', { after: first })), { code: 'CLIENT_GAP' })
  let gaps = 0
  const told = client.events('open/1', { after: first, onGap: () => gaps++ })
  t.equal((await told.next()).value?.data, '2')
  t.equal(gaps, 1)
  await told.return()
})

t.test('a loop that has left for a stream of its own loses nothing when both are cut', async t => {
  const hub = await startHub(t)
  const cut = new AbortController()
  const overHub = fetchOver(hub.agent)
  let isCut = false
  const flaky: typeof fetch = async (url, init) => {
    const isStream = (url as string).includes('/feed?')
    const isShared = (url as string).includes('topic=other')
    if (!isStream || isCut) return overHub(url, init)
    if (isShared) return overHub(url, { ...init, signal: AbortSignal.any([init!.signal!, cut.signal]) })
    // The loop's own one: the other is cut while it waits, and then it fails too.
    cut.abort(new TypeError('cut'))
    isCut = true
    await sleep(50)
    throw new TypeError('cut')
  }
  const { client } = connectTo(t, hub, { fetch: flaky })
  const count = 500
  const lines = Array.from({ length: count }, (_, at) => JSON.stringify([at, 'x'.repeat(300)]))
  const headers = { 'content-type': 'application/x-ndjson' }
  await hub.fetch('/topics/news', { method: 'POST', body: lines.join('\n'), headers })
  await new Received(client, 'other').ready
  const seen: number[] = []
  for await (const { data } of client.events<[number, string]>('news', {
    after: 'earliest',
    maxWaiting: 10,
  })) {
    seen.push(data[0])
    if (data[0] === count - 1) break
  }
  t.ok(isCut)
  t.same(
    seen,
    Array.from({ length: count }, (_, at) => at),
  )
})

t.test('a slow loop gets a stream of its own, and every event; others are not kept waiting', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  const quick = new Received(client, 'news')
  const slow = client.events<{ readonly data: number }>('news', { maxWaiting: 10 })
  const first = slow.next()
  await quick.ready
  await client.publish('news', { data: 0 })
  t.same((await first).value?.data, { data: 0 })
  const count = 3000
  const body = Array.from({ length: count }, (_, at) => `{"data":${at + 1},"filler":"${'x'.repeat(500)}"}`)
  for (let at = 0; at < count; at += 500) {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: body.slice(at, at + 500).join('\n'),
    }
    t.equal((await hub.fetch('/topics/news', init)).status, 201)
  }
  await quick.events.take(count + 1)
  t.equal(await metric(hub, 'millrace_streams'), 2)
  const seen: number[] = []
  for await (const { data } of slow) {
    seen.push(data.data)
    if (seen.length % 500 === 0) await new Promise(resolve => setTimeout(resolve, 20))
    if (seen.length === count) break
  }
  t.same(
    seen,
    Array.from({ length: count }, (_, at) => at + 1),
  )
  await metricIs(hub, 'millrace_streams', 1)
})

async function drain(events: AsyncIterable<{ readonly data: unknown }>): Promise<unknown[]> {
  const seen: unknown[] = []
  for await (const { data } of events) seen.push(data)
  return seen
}
