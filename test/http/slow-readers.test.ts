// Clients that read slowly or not at all: each costs itself only, and loses no event that is kept.

import { once } from 'node:events'
import type { ClientHttp2Stream } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createParser } from 'eventsource-parser'
import { Http1Client } from '../support/http1-client.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'

/** Publishes so many events of so many bytes to a topic, quickly. */
async function flood(hub: TestHub, topic: string, events: number, bytes: number): Promise<void> {
  const line = `"${'x'.repeat(bytes)}"\n`
  const headers = { 'content-type': 'application/x-ndjson' }
  const response = await hub.fetch(`/topics/${topic}`, { method: 'POST', body: line.repeat(events), headers })
  if (response.status !== 201) throw new Error(await response.text())
}

/** Reads on; resolves with the ids of the events up to this id. */
async function idsThrough(stream: ClientHttp2Stream, last: string): Promise<string[]> {
  const ids: string[] = []
  const parser = createParser({
    onEvent: ({ id, event }) => ids.push(event === undefined ? id! : `${event} ${id}`),
  })
  const decoder = new TextDecoder()
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    parser.feed(decoder.decode(chunk as Buffer, { stream: true }))
    if (ids.at(-1) === last) return ids
  }
  throw new Error(`the stream ended after ${ids.length} events`)
}

async function lastId(hub: TestHub, topic: string): Promise<string> {
  const response = await hub.fetch(`/topics/${topic}`, { method: 'HEAD' })
  return response.headers.get('millrace-last')!
}

t.test('stallTimeoutMs: a stream whose client does not read is closed, its connection stays', async t => {
  const hub = await startHub(t, { heartbeatMs: 50, stallTimeoutMs: 300 })
  const client = new Http2Client(t, hub)
  const stalled = await client.listen('/topics/flood')
  const sibling = await client.listen('/topics/quiet')
  sibling.resume()
  await flood(hub, 'flood', 20, 100_000)
  await metricIs(hub, 'millrace_closes_total{reason="stalled"}', 1)
  stalled.resume()
  await once(stalled, 'close')
  t.equal((await client.get('/healthz')).status, 200)
  t.equal(sibling.closed, false)
})

t.test('stallTimeoutMs: the same over HTTP/1.1', async t => {
  const hub = await startHub(t, { heartbeatMs: 50, stallTimeoutMs: 300 })
  const plain = await Http1Client.connect(t, hub)
  plain.send('GET /topics/flood', ['accept: text/event-stream'])
  await plain.bodyUntil('millrace:open')
  plain.socket.pause()
  await flood(hub, 'flood', 200, 100_000)
  await metricIs(hub, 'millrace_closes_total{reason="stalled"}', 1)
})

t.test('stallTimeoutMs: a client that reads slowly is not stalled', async t => {
  const hub = await startHub(t, { heartbeatMs: 200, stallTimeoutMs: 600, maxBodyBytes: 8_000_000 })
  const client = new Http2Client(t, hub)
  // Of the first nothing is delivered as a whole for long; of the others always the same amount waits.
  for (const [topic, events, bytes] of [
    ['large', 1, 7_000_000],
    ['alike', 100, 66_000],
  ] as const) {
    const stream = await client.listen(`/topics/${topic}`)
    await flood(hub, topic, events, bytes)
    const last = await lastId(hub, topic)
    let text = ''
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      text = text.slice(-100) + String(chunk)
      if (text.includes(`id: ${last}\n`)) break
      await sleep(20)
    }
    t.match(text, last, topic)
  }
  t.equal(await metric(hub, 'millrace_closes_total{reason="stalled"}'), 0)
})

t.test('a stalled stream does not hold up its siblings, and loses nothing when it reads again', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  const stalled = await client.listen('/topics/flood')
  const sibling = await client.listen('/topics/flood')
  const ids: string[] = []
  const parser = createParser({ onEvent: ({ id }) => ids.push(id!) })
  const decoder = new TextDecoder()
  sibling.on('data', chunk => parser.feed(decoder.decode(chunk as Buffer, { stream: true })))
  await flood(hub, 'flood', 250, 100_000)
  const last = await lastId(hub, 'flood')
  while (ids.at(-1) !== last) await once(sibling, 'data')
  t.equal(ids.length, 251, '25 MB went by')
  await metricIs(hub, 'millrace_subscribers_behind', 1)
  t.equal((await client.get('/healthz')).status, 200)
  const caughtUp = await idsThrough(stalled, last)
  t.same(caughtUp.slice(1), ids.slice(1), 'each once, in order')
  const live = await hub.publish('flood', 'live again')
  t.same(await idsThrough(stalled, live), [live])
})

t.test('a connection full of stalled streams still carries requests, and all catch up', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub, { maxSessionMemory: 1000 })
  const streams = await Promise.all(Array.from({ length: 200 }, () => client.listen('/topics/flood')))
  await metricIs(hub, 'millrace_subscribers_live', 200)
  for (let number = 0; number < 6; number++) await hub.publish('flood', 'x'.repeat(50_000))
  await metricIs(hub, 'millrace_subscribers_behind', 200)
  t.equal((await client.post('/topics/other', 'x')).status, 201)
  const last = await lastId(hub, 'flood')
  const lengths = await Promise.all(streams.map(async stream => (await idsThrough(stream, last)).length))
  t.same(new Set(lengths), new Set([7]))
})

t.test('stallTimeoutMs: a page that nobody reads does not wait for ever', async t => {
  const hub = await startHub(t, { stallTimeoutMs: 300 })
  await flood(hub, 'flood', 20, 100_000)
  const client = new Http2Client(t, hub, { settings: { initialWindowSize: 0 } })
  const unread = client.open('/topics/flood')
  unread.resume()
  await once(unread, 'close')
  t.equal(unread.rstCode === 0, false, 'the hub has reset it')
})
