// Data that is nested some thousand levels deep, which can be parsed but neither written nor copied: it costs nobody else anything.

import t from 'tap'
import { startHub } from '../support/hub.ts'
import { connectTo, Received } from './support.ts'

const DEEP = '['.repeat(20_000) + ']'.repeat(20_000)

t.test('a state that is nested too deep is handed out as any other', async t => {
  const hub = await startHub(t)
  const headers = { 'content-type': 'application/json' }
  t.equal((await hub.fetch('/topics/deep', { method: 'PUT', body: DEEP, headers })).status, 201)
  const client = connectTo(t, hub)
  const received = new Received(client.client, ['deep', 'news'])
  await received.ready
  await hub.publish('news', 'x')
  const [deep, event] = await received.events.take(2)
  t.equal(deep!.topic, 'deep')
  t.ok(Array.isArray(deep!.data))
  t.equal(event!.data, 'x')
  t.same(
    client.statuses.map(({ state }) => state),
    ['connecting', 'open'],
  )
})

t.test('tabs get what comes with data that is nested too deep for them', async t => {
  const hub = await startHub(t)
  const reported: unknown[] = []
  const own = globalThis as { reportError?: (error: unknown) => void }
  own.reportError = error => reported.push(error)
  t.teardown(() => delete own.reportError)
  // A name that no other hub of this process had.
  const tabs = [1, 2].map(() => connectTo(t, hub, { share: hub.url }).client)
  const received = tabs.map(tab => new Received(tab, 'news'))
  await Promise.all(received.map(({ ready }) => ready))
  const headers = { 'content-type': 'application/x-ndjson' }
  await hub.fetch('/topics/news', { method: 'POST', body: `"one"\n${DEEP}\n"two"\n`, headers })
  for (const each of received) await each.events.find(({ data }) => data === 'two')
  t.same(
    received.map(({ events }) => events.items.map(({ data }) => (Array.isArray(data) ? 'deep' : data))),
    [
      ['one', 'deep', 'two'],
      ['one', 'two'],
    ],
  )
  t.match(reported, [RangeError])
})
