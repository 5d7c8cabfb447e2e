// undici: its EventSource and its fetch, over HTTP/2.

import t from 'tap'
import { Agent, EventSource, fetch, type MessageEvent } from 'undici'
import { EventReader } from '../support/event-reader.ts'
import { startHub } from '../support/hub.ts'
import { Inbox } from '../support/inbox.ts'
import { metric } from '../support/metrics.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { resumesExactly } from './exact-resume.ts'

interface Message {
  readonly type: string
  readonly data: unknown
  readonly id: string
}

function follow(source: EventSource, types: readonly string[]): Inbox<Message> {
  const inbox = new Inbox<Message>()
  for (const each of types) {
    source.addEventListener(each, event => {
      const { type, data, lastEventId } = event as unknown as MessageEvent
      inbox.push({ type, data: data as unknown, id: lastEventId })
    })
  }
  return inbox
}

t.test('its EventSource gets typed, multi-line and Unicode events as they were published', async t => {
  const hub = await startHub(t)
  const source = new EventSource(`${hub.url}/topics/words`, { node: { dispatcher: hub.agent } })
  const inbox = follow(source, ['millrace:open', 'message', 'größe'])
  await inbox.take(1)
  const lines = 'one\ntwo\n\n: three\ndata: 👋'
  const first = await hub.publish('words', lines)
  const second = await hub.publish('words?type=gr%C3%B6%C3%9Fe', '{"cm":180}')
  const third = await hub.publish('words', '')
  t.same((await inbox.take(4)).slice(1), [
    { type: 'message', data: lines, id: first },
    { type: 'größe', data: '{"cm":180}', id: second },
    { type: 'message', data: '', id: third },
  ])
  source.close()
})

t.test('its EventSource resumes exactly over HTTP/2, wherever its connection is cut', t =>
  resumesExactly(t, (url, relay, deliver) => {
    const source = new EventSource(url, { node: { dispatcher: relay.hub.agent } })
    source.addEventListener('message', ({ data }) => deliver(data as string))
    return () => source.close()
  }),
)

t.test('many EventSources share one HTTP/2 connection with requests', async t => {
  const hub = await startHub(t)
  const relay = await CuttingRelay.open(t, hub)
  const agent = new Agent({ connect: { ca: hub.ca }, allowH2: true, connections: 1 })
  t.teardown(() => agent.destroy())
  const sources = Array.from(
    { length: 50 },
    (_, number) => new EventSource(`${relay.url}/topics/t/${number}`, { node: { dispatcher: agent } }),
  )
  const inboxes = sources.map(source => follow(source, ['millrace:open', 'message']))
  await Promise.all(inboxes.map(inbox => inbox.take(1)))
  t.equal(await metric(hub, 'millrace_streams'), 50)
  for (const number of inboxes.keys()) {
    const init = { method: 'POST', body: `for ${number}`, dispatcher: agent }
    const { status } = await fetch(`${relay.url}/topics/t/${number}`, init)
    if (status !== 201) t.fail(`status ${status}`)
  }
  const received = await Promise.all(inboxes.map(inbox => inbox.take(2)))
  t.same(
    received.map(([, message]) => message?.data),
    inboxes.map((_, number) => `for ${number}`),
  )
  t.equal(relay.taken, 1)
  for (const source of sources) source.close()
})

t.test('fetch uploads NDJSON line by line, and each event is delivered while the upload goes on', async t => {
  const hub = await startHub(t)
  const reader = await EventReader.open(hub, '/topics/lines')
  await reader.take(1)
  const upload = new TransformStream<Uint8Array, Uint8Array>()
  const writer = upload.writable.getWriter()
  const headers = { 'content-type': 'application/x-ndjson' }
  const init = { method: 'POST', body: upload.readable, headers, duplex: 'half' as const }
  const answer = hub.fetch('/topics/lines', init)
  for (const number of [1, 2, 3]) {
    await writer.write(Buffer.from(`{"number":${number}}\n`))
    t.equal((await reader.next())?.data, `{"number":${number}}`)
  }
  await writer.close()
  const response = await answer
  t.equal(response.status, 201)
  t.match(await response.json(), { published: 3, duplicates: 0, id: reader.lastId })
  reader.close()
})

t.test('fetch goes on from any id it has seen', async t => {
  const hub = await startHub(t)
  const ids: string[] = []
  for (let number = 0; number < 10; number++) ids.push(await hub.publish('numbers', String(number)))
  const after = { 'last-event-id': ids[3]! }
  const reader = await EventReader.open(hub, '/topics/numbers', after)
  const [open, ...events] = await reader.take(7)
  t.equal(open?.id, ids[3])
  t.same(
    events.map(({ id, data }) => ({ id, data })),
    ids.slice(4).map((id, at) => ({ id, data: String(at + 4) })),
  )
  reader.close()
})
