// The clients that people use with Mercure, in Node, against a hub that shows nothing without a token: `eventsource` and
// @microsoft/fetch-event-source, which send it in a header, and event-source-polyfill, which can have it in the address too.

import { createRequire } from 'node:module'
import { fetchEventSource } from '@microsoft/fetch-event-source'
import { EventSource } from 'eventsource'
import t, { type Test } from 'tap'
import { Agent, fetch } from 'undici'
import {
  at,
  AUDIENCE,
  CLOSED,
  draft7Token,
  draft8Token,
  ISSUER,
  may,
  publisherWith,
  startMercureHub,
  urlpattern,
  type Fields,
  type Publisher,
} from '../routes/mercure/support.ts'
import { defineBrowserGlobals } from '../support/browser-globals.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import type { TestHub } from '../support/hub.ts'
import { Inbox } from '../support/inbox.ts'
import { bearer } from '../support/tokens.ts'
import { resumesExactly, type Follow, type Source } from './exact-resume.ts'

// All hubs of a file have one authority.
let agent: Agent
const trustingFetch = (url: unknown, init?: object): unknown =>
  fetch(url as string, { ...init, dispatcher: agent })

interface Polyfill {
  addEventListener(type: string, listener: (event: { data: string; lastEventId: string }) => void): void
  close(): void
}

// It has no types. It takes `fetch` from the globals when it is loaded, and other globals for an old browser.
globalThis.fetch = trustingFetch as typeof globalThis.fetch
const { EventSourcePolyfill } = createRequire(import.meta.url)('event-source-polyfill') as {
  EventSourcePolyfill: new (
    url: string,
    options: { headers?: Record<string, string>; lastEventIdQueryParameterName: string },
  ) => Polyfill
}
defineBrowserGlobals()

const ANN = 'https://shop.example/users/ann/orders'
const BOB = 'https://shop.example/users/bob/orders'
const NEWS = 'https://shop.example/news'

/** A way to subscribe to all of these, by a token that may receive Ann's. */
interface Way {
  readonly name: string
  readonly parameters: Fields
  readonly cursor: string
  readonly token: () => Promise<string>
}

const TOPIC: Way = {
  name: 'topic',
  parameters: { topic: ['https://shop.example/users/{user}/orders', NEWS] },
  cursor: 'lastEventID',
  token: () => draft7Token({ subscribe: ['https://shop.example/users/ann/{what}'] }),
}
const MATCH: Way = {
  name: 'match',
  parameters: { match: [ANN, BOB, NEWS] },
  cursor: 'last_event_id',
  token: () => draft8Token([may('subscribe', [ANN])]),
}
const MATCH_URLPATTERN: Way = {
  name: 'match_urlpattern',
  parameters: { match_urlpattern: 'https://shop.example/users/:user/orders', match: NEWS },
  cursor: 'last_event_id',
  token: () => draft8Token([may('subscribe', [urlpattern('https://shop.example/users/ann/*')])]),
}

interface Received {
  readonly type: string
  readonly data: string
  readonly id: string
}

interface Following {
  readonly url: string
  readonly token: string
  readonly cursor: string
  readonly deliver: (received: Received) => void
}

interface Client {
  readonly ways: readonly Way[]
  /** It reconnects as soon as the hub would have it. */
  readonly isQuick: boolean
  /** Returns the function that ends it. */
  readonly follow: (following: Following) => () => void
}

const TYPES = ['message', 'order']

const CLIENTS: Readonly<Record<string, Client>> = {
  eventsource: {
    ways: [TOPIC, MATCH, MATCH_URLPATTERN],
    isQuick: true,
    follow({ url, token, deliver }) {
      const source = new EventSource(url, {
        fetch: (to, init) =>
          fetch(to, { ...init, headers: { ...init.headers, ...bearer(token) }, dispatcher: agent }),
      })
      for (const each of TYPES) {
        source.addEventListener(each, ({ type, data, lastEventId }: MessageEvent) =>
          deliver({ type, data: data as string, id: lastEventId }),
        )
      }
      return () => source.close()
    },
  },
  '@microsoft/fetch-event-source': {
    ways: [TOPIC, MATCH, MATCH_URLPATTERN],
    isQuick: true,
    follow({ url, token, deliver }) {
      const abort = new AbortController()
      void fetchEventSource(url, {
        signal: abort.signal,
        openWhenHidden: true,
        headers: bearer(token),
        fetch: trustingFetch as never,
        onmessage: ({ event, data, id }) => deliver({ type: event || 'message', data, id }),
        // Its documentation says so: else the end of a stream is the end of all.
        onclose: () => {
          throw new Error('the hub has ended the stream')
        },
      })
      return () => abort.abort()
    },
  },
  'event-source-polyfill with headers': {
    ways: [TOPIC, MATCH_URLPATTERN],
    isQuick: false,
    follow: ({ url, token, cursor, deliver }) =>
      followed(
        new EventSourcePolyfill(url, { headers: bearer(token), lastEventIdQueryParameterName: cursor }),
        deliver,
      ),
  },
  'event-source-polyfill with the token in the address': {
    ways: [TOPIC],
    isQuick: false,
    follow: ({ url, token, cursor, deliver }) =>
      followed(
        new EventSourcePolyfill(`${url}&authorization=${token}`, { lastEventIdQueryParameterName: cursor }),
        deliver,
      ),
  },
}

function followed(source: Polyfill, deliver: (received: Received) => void): () => void {
  for (const type of TYPES) {
    source.addEventListener(type, ({ data, lastEventId }) => deliver({ type, data, id: lastEventId }))
  }
  return () => source.close()
}

async function openHub(t: Test): Promise<{ hub: TestHub; publisher: Publisher }> {
  const options = { authQuery: true, jwtIssuer: [ISSUER], jwtAudience: [AUDIENCE], ...CLOSED }
  const hub = await startMercureHub(t, options)
  // undici over HTTP/2 may stay with a connection that was cut while it was opened, and hear nothing any more.
  agent = new Agent({ connect: { ca: hub.ca }, allowH2: false })
  t.teardown(() => agent.destroy())
  return { hub, publisher: publisherWith(hub, await draft7Token({ publish: ['*'] })) }
}

const pathOf = ({ parameters, cursor }: Way): string => at({ ...parameters, [cursor]: 'earliest' })

for (const [name, client] of Object.entries(CLIENTS)) {
  for (const way of client.ways) {
    t.test(`${name}, ${way.name}`, async t => {
      // The polyfill writes there that it was cut off.
      t.capture(console, 'error', () => {})

      t.test('what its token covers comes as it was published, and nothing else', t =>
        receivesItsOwn(t, client, way),
      )

      t.test('cut off within an update, it goes on behind the one before, whose id its publisher chose', t =>
        goesOnBehind(t, client, way, 'urn:order:größe 17'),
      )

      t.test('cut off within an update, it goes on behind the one before, whose id is from the hub', t =>
        goesOnBehind(t, client, way, undefined),
      )

      if (!client.isQuick) return
      t.test('it resumes exactly, wherever and however often it is cut off', async t => {
        const token = await way.token()
        const { cursor } = way
        const follow: Follow = (url, _relay, deliver) =>
          client.follow({ url, token, cursor, deliver: ({ data }) => deliver(data) })
        await resumesExactly(t, follow, test => numbersOf(test, way), 60)
      })
    })
  }
}

async function receivesItsOwn(t: Test, { follow }: Client, way: Way): Promise<void> {
  const { hub, publisher } = await openHub(t)
  const inbox = new Inbox<Received>()
  const token = await way.token()
  const url = hub.url + pathOf(way)
  t.teardown(follow({ url, token, cursor: way.cursor, deliver: received => inbox.push(received) }))
  const first = await publisher.publish({ topic: NEWS, data: 'for all' })
  await inbox.take(1)

  const lines = 'one\ntwo\n\n: three\ndata: 👋'
  await publisher.publish({ topic: BOB, private: 'on', data: 'for Bob' })
  await publisher.publish({ topic: ANN, private: 'on', data: lines, id: 'urn:order:1', type: 'order' })
  const third = await publisher.publish({ topic: [BOB, ANN], private: 'on', data: 'for both' })
  await publisher.publish({ topic: [BOB, NEWS], private: 'on', data: 'for Bob' })
  const fourth = await publisher.publish({ topic: BOB, data: '' })
  await publisher.publish({ topic: 'https://shop.example/other', data: 'not asked for' })
  await publisher.publish({ topic: ANN, data: 'the end', id: 'Ende größer als ß' })
  t.same(await inbox.take(5), [
    { type: 'message', data: 'for all', id: first },
    { type: 'order', data: lines, id: 'urn:order:1' },
    { type: 'message', data: 'for both', id: third },
    { type: 'message', data: '', id: fourth },
    { type: 'message', data: 'the end', id: 'Ende größer als ß' },
  ])
}

/** `id`: of the update before; undefined: the hub gives it. */
async function goesOnBehind(t: Test, client: Client, way: Way, id: string | undefined): Promise<void> {
  const { hub, publisher } = await openHub(t)
  let cuts = 0
  const cutAfterBytes = (): number => (cuts++ === 0 ? 50_000 : Infinity)
  const relay = await CuttingRelay.open(t, hub, { cutAfterBytes })
  const inbox = new Inbox<Received>()
  const token = await way.token()
  const url = relay.url + pathOf(way)
  const { cursor } = way
  t.teardown(client.follow({ url, token, cursor, deliver: received => inbox.push(received) }))
  const toAnn = { topic: ANN, private: 'on' }
  await publisher.publish({ ...toAnn, data: 'first', retry: '5' })
  await publisher.publish({ ...toAnn, data: 'seen', ...(id !== undefined && { id }) })
  await inbox.take(2)

  const long = 'long '.repeat(20_000)
  await publisher.publish({ ...toAnn, data: long, id: 'urn:order:18' })
  await publisher.publish({ topic: BOB, private: 'on', data: 'for Bob' })
  await publisher.publish({ ...toAnn, data: 'last', id: 'urn:order:19' })
  const received = await inbox.take(4)
  t.same(
    received.map(({ data }) => data.slice(0, 10)),
    ['first', 'seen', long.slice(0, 10), 'last'],
  )
  t.equal(received[2]!.data, long)
  t.ok(relay.taken >= 2, 'it was cut off')
}

/** Every other update has an id of its own. */
async function numbersOf(t: Test, way: Way): Promise<Source> {
  const { hub, publisher } = await openHub(t)
  let number = 0
  await publisher.publish({ topic: BOB, private: 'on', data: 'for Bob', retry: '5' })
  const publish = (data: string): Promise<unknown> =>
    publisher.publish({
      topic: ANN,
      private: 'on',
      data,
      retry: '5',
      ...(number++ % 2 === 0 && { id: `urn:number:${number}` }),
    })
  return { hub, path: pathOf(way), publish }
}
