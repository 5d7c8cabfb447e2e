// `eventsource` from npm, over HTTP/1.1.

import { EventSource, type ErrorEvent, type FetchLike } from 'eventsource'
import t, { type Test } from 'tap'
import { Agent, fetch } from 'undici'
import { startHub, type TestHub } from '../support/hub.ts'
import { Inbox } from '../support/inbox.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { resumesExactly } from './exact-resume.ts'

/** How the client fetches: over HTTP/1.1, trusting the hub. */
function overHttp1(t: Test, hub: TestHub): FetchLike {
  const dispatcher = new Agent({ connect: { ca: hub.ca }, allowH2: false })
  t.teardown(() => dispatcher.destroy())
  return (url, init) => fetch(url, { ...init, dispatcher })
}

function follow(source: EventSource, types: readonly string[]): Inbox<MessageEvent> {
  const inbox = new Inbox<MessageEvent>()
  for (const type of types) source.addEventListener(type, event => inbox.push(event))
  return inbox
}

t.test('it gets typed, multi-line and Unicode events as they were published', async t => {
  const hub = await startHub(t)
  const source = new EventSource(`${hub.url}/topics/words`, { fetch: overHttp1(t, hub) })
  const inbox = follow(source, ['millrace:open', 'message', 'größe'])
  await inbox.take(1)
  const lines = 'one\ntwo\n\n: three\ndata: 👋'
  const first = await hub.publish('words', lines)
  const second = await hub.publish('words?type=gr%C3%B6%C3%9Fe', '{"cm":180}')
  const third = await hub.publish('words', '')
  const received = (await inbox.take(4)).slice(1)
  t.same(
    received.map(({ type, data, lastEventId }) => ({ type, data: data as unknown, id: lastEventId })),
    [
      { type: 'message', data: lines, id: first },
      { type: 'größe', data: '{"cm":180}', id: second },
      { type: 'message', data: '', id: third },
    ],
  )
  source.close()
})

t.test('it resumes exactly by itself, wherever its connection is cut', t =>
  resumesExactly(t, (url, relay, deliver) => {
    const source = new EventSource(url, { fetch: overHttp1(t, relay.hub) })
    source.addEventListener('message', ({ data }) => deliver(data as string))
    return () => source.close()
  }),
)

t.test('it comes back by itself when the hub drains, restarts, and has forgotten its id', async t => {
  const before = await startHub(t, { retryMs: 20, drainMs: 1000 })
  const relay = await CuttingRelay.open(t, before)
  const agentFetch = overHttp1(t, before)
  const sources = Array.from(
    { length: 10 },
    () => new EventSource(`${relay.url}/feed?topic=jobs/*`, { fetch: agentFetch }),
  )
  const refusals: ErrorEvent[] = []
  for (const source of sources) {
    source.addEventListener('error', event => event.code !== undefined && refusals.push(event))
  }
  const types = ['millrace:open', 'millrace:bye', 'millrace:gap', 'message']
  const inboxes = sources.map(source => follow(source, types))
  await Promise.all(inboxes.map(inbox => inbox.take(1)))
  await before.publish('jobs/1', 'before')
  await Promise.all(inboxes.map(inbox => inbox.take(2)))
  await keepIdleConnection(relay, agentFetch)

  await before.server.close()
  t.same(refusals, [], 'no answer made it give up')
  relay.hub = await startHub(t)
  await relay.hub.publish('jobs/2', 'after')
  const expected = ['millrace:open', 'message', 'millrace:bye', 'millrace:open', 'millrace:gap', 'message']
  for (const inbox of inboxes) {
    const events = await inbox.take(expected.length)
    t.same(
      events.map(({ type }) => type),
      expected,
    )
    t.match(JSON.parse(events[4]!.data as string), { reason: 'unknown' })
    t.match(JSON.parse(events[5]!.data as string), { topic: 'jobs/2', data: 'after' })
  }
  for (const source of sources) source.close()
})

// One that a client would rather use than open another.
async function keepIdleConnection(relay: CuttingRelay, agentFetch: FetchLike): Promise<void> {
  const init = { headers: {} } as Parameters<FetchLike>[1]
  const response = await agentFetch(`${relay.url}/healthz`, init)
  await new Response(response.body as ReadableStream).text()
}
