// Where hubs of Mercure are known to lose updates, to stop, or to let in whom they should not: restarts, long histories,
// slow readers, tokens that expire, several threads, retention.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ClientHttp2Stream } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { SqliteLog } from '../../src/log/sqlite.ts'
import { HubIds } from '../../src/routes/mercure/ids.ts'
import { eventOf, type Update } from '../../src/routes/mercure/update.ts'
import {
  at,
  AUDIENCE,
  draft7Token,
  draft8Token,
  FORM,
  form,
  HUB,
  ISSUER,
  may,
  now,
  post,
  publisherWith,
  refused,
  startMercureHub,
  SUBSCRIPTIONS,
  urlpattern,
  type Fields,
} from '../routes/mercure/support.ts'
import { UpdateStream } from '../routes/mercure/update-stream.ts'
import { Http2Client } from '../support/http2-client.ts'
import { reach, type Reachable } from '../support/hub.ts'
import { startHubProcess, type HubProcess } from '../support/hub-process.ts'
import { Inbox } from '../support/inbox.ts'
import { ROOMY } from '../support/roomy.ts'
import { bearer, SECRET } from '../support/tokens.ts'
import { clientOfEach } from '../support/workers.ts'

const ANN = 'https://shop.example/users/ann/orders'
const BOB = 'https://shop.example/users/bob/orders'

const TRUSTED = { jwtIssuer: [ISSUER], jwtAudience: [AUDIENCE] } as const
const KEEP_100 = { retention: ['.well-known/mercure events=100'] } as const
const PUBLISHER = await draft7Token({ publish: ['*'] })

/** Subscribes to the orders of all users, with a token that may receive Ann's. */
interface Draft {
  readonly name: string
  readonly parameters: Fields
  readonly cursor: string
  readonly header: string
  readonly token: string
  /** A cookie with as much right as the token. */
  readonly cookieFor: (claims: object) => Promise<string>
}

const DRAFT_7: Draft = {
  name: 'draft 7',
  parameters: { topic: 'https://shop.example/users/{user}/orders' },
  cursor: 'lastEventID',
  header: 'last-event-id',
  token: await draft7Token({ subscribe: [ANN] }),
  cookieFor: async claims => `mercureAuthorization=${await draft7Token({ subscribe: [ANN] }, { claims })}`,
}
const DRAFT_8: Draft = {
  name: 'draft 8',
  parameters: { match_urlpattern: 'https://shop.example/users/:user/orders' },
  cursor: 'last_event_id',
  header: 'mercure-last-event-id',
  token: await draft8Token([may('subscribe', [urlpattern('https://shop.example/users/ann/*')])]),
  cookieFor: async claims =>
    `__Secure-mercure_access_token=${await draft8Token([may('subscribe', [ANN])], { claims })}`,
}
const DRAFTS = [DRAFT_7, DRAFT_8]

const toAnn = (data: string, id?: string): Fields => ({
  topic: ANN,
  private: 'on',
  data,
  ...(id !== undefined && { id }),
})
const FOR_BOB: Fields = { topic: BOB, private: 'on', data: 'for Bob' }

function subscribe(t: Test, hub: Reachable, draft: Draft, lastEventId?: string): Promise<UpdateStream> {
  const { parameters, cursor, token } = draft
  const path = at({ ...parameters, ...(lastEventId !== undefined && { [cursor]: lastEventId }) })
  return UpdateStream.open(t, hub, path, { token })
}

const idOf = (number: number): string => `urn:number:${number}`

const numbers = (from: number, through: number): string[] =>
  Array.from({ length: through - from + 1 }, (_, index) => String(from + index))

const SIP_BYTES = 2000

/** Reads a stream of a bare client, at whatever speed. */
class Reader {
  readonly inbox = new Inbox<{ id: string | undefined; type: string; data: string }>()
  readonly stream: ClientHttp2Stream
  readonly #decoder = new TextDecoder()
  readonly #parser = createParser({
    onEvent: ({ id, event = 'message', data }) => this.inbox.push({ id, type: event, data }),
  })

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream
  }

  get received(): number {
    return this.inbox.items.length
  }

  get data(): string[] {
    return this.inbox.items.map(({ data }) => data)
  }

  /** A little of what has come, as soon as there is something. */
  async sip(): Promise<void> {
    for (;;) {
      const { stream } = this
      const chunk = stream.read(Math.min(SIP_BYTES, stream.readableLength)) as Buffer | null
      if (chunk !== null) return this.#feed(chunk)
      await once(stream, 'readable')
    }
  }

  /** As it comes, from here on. */
  readOn(): this {
    this.stream.on('data', (chunk: Buffer) => this.#feed(chunk))
    return this
  }

  #feed(chunk: Buffer): void {
    this.#parser.feed(this.#decoder.decode(chunk, { stream: true }))
  }
}

t.test('a hub that is back, ended or killed, knows all ids before anything is published', async t => {
  const flags = [`--log=sqlite:${t.testdir()}`, `--jwt-issuer=${ISSUER}`, `--jwt-audience=${AUDIENCE}`]
  let hub = await startWithKey(t, flags)
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const publisher = publisherWith(hub, PUBLISHER)
    await publisher.publish(toAnn('zero'))
    const chosen = await publisher.publish(toAnn('one', `urn:order:größe ${signal}`))
    await publisher.publish(FOR_BOB)
    const given = await publisher.publish(toAnn('two'))
    const another = await publisher.publish(toAnn('three', `urn:order:${signal}`))
    const last = await publisher.publish(toAnn('four'))
    hub.child.kill(signal)
    await once(hub.child, 'exit')

    hub = await startWithKey(t, flags)
    const streams: UpdateStream[] = []
    for (const draft of DRAFTS) {
      for (const [id, missed] of [
        [chosen, ['two', 'three', 'four']],
        [given, ['three', 'four']],
        [another, ['four']],
        [last, []],
      ] as const) {
        const stream = await subscribe(t, hub, draft, id)
        const header = Buffer.from(stream.headers.get(draft.header) ?? '', 'latin1').toString()
        t.equal(header, id, `${draft.name}, ${signal}: ${id} is known`)
        t.same(await stream.takeData(missed.length), missed)
        streams.push(stream)
      }
    }
    await publisherWith(hub, PUBLISHER).publish(toAnn('live'))
    for (const stream of streams) t.equal((await stream.next()).data, 'live', 'nothing came twice')
  }
})

async function startWithKey(t: Test, flags: readonly string[]): Promise<Reachable & HubProcess> {
  const hub = await startHubProcess(t, flags, { ...process.env, MILLRACE_JWT_KEY: SECRET })
  const ca = readFileSync(hub.caFile, 'utf8')
  const agent = new Agent({ connect: { ca }, allowH2: true })
  t.teardown(() => agent.destroy())
  return { ...hub, ...reach(hub.url, ca, agent) }
}

/** A log on disk that holds these already, and the ids that a hub gives to its updates. */
async function logOf(t: Test, updates: readonly Update[]): Promise<{ log: string; ids: readonly string[] }> {
  const directory = t.testdir()
  const log = await SqliteLog.open({ ...ROOMY, directory, cacheBytes: 100_000 })
  const hubIds = new HubIds(log.epoch)
  const ids: string[] = []
  for (let from = 0; from < updates.length; from += 1000) {
    const part = updates.slice(from, from + 1000)
    const { last } = await log.append(part.map(update => eventOf(update)))
    for (const [index, { id }] of part.entries()) {
      ids.push(id ?? hubIds.format(last - part.length + 1 + index))
    }
  }
  await log.close()
  return { log: `sqlite:${directory}`, ids }
}

/** Every other one has an id of its own. */
function numbered(data: string, topic = ANN): Update {
  const id = Number(data) % 2 === 0 ? idOf(Number(data)) : undefined
  return { topics: [topic], isPrivate: true, data, id }
}

t.test('an id of 12,000 updates ago is found, and all of them come, each once and in order', async t => {
  const all = numbers(1, 12_010).map(number => numbered(number))
  const { log, ids } = await logOf(t, all)
  // Most of it is on disk only.
  const hub = await startMercureHub(t, { ...TRUSTED, log, logCacheBytes: 100_000 })
  for (const [draft, from] of [
    [DRAFT_7, 10],
    [DRAFT_8, 9],
  ] as const) {
    const id = ids[from - 1]!
    const stream = await subscribe(t, hub, draft, id)
    t.equal(stream.headers.get(draft.header), id)
    t.same(await stream.takeData(12_010 - from), numbers(from + 1, 12_010), `${draft.name}, ${id}`)
    stream.close()
  }
})

t.test('5,000 updates come to a slow reader while others get live ones, which it gets as well', async t => {
  const replayed = numbers(2, 5001)
  const others = numbers(1, 500).map(number => numbered(number, BOB))
  const { log, ids } = await logOf(t, [
    numbered('1'),
    ...replayed.slice(0, 2000).map(number => numbered(number)),
    ...others,
    ...replayed.slice(2000).map(number => numbered(number)),
  ])
  const hub = await startMercureHub(t, { ...TRUSTED, log })
  const publisher = publisherWith(hub, PUBLISHER)
  const witness = await subscribe(t, hub, DRAFT_7)
  const first = ids[0]!
  const client = new Http2Client(t, hub, { settings: { initialWindowSize: 2048 } })
  const path = at({ ...DRAFT_8.parameters, last_event_id: first })
  const slow = new Reader(await client.listen(path, bearer(DRAFT_8.token)))
  const live: string[] = []
  while (slow.received < 4000) {
    await slow.sip()
    live.push(`live ${live.length}`)
    await publisher.publish(toAnn(live.at(-1)!))
    t.equal((await witness.next()).data, live.at(-1), 'nobody waits for it')
  }
  t.ok(live.length > 50, `${live.length} updates came to the others meanwhile`)
  slow.readOn()
  await slow.inbox.take(5000 + live.length)
  await publisher.publish(toAnn('the end'))
  await slow.inbox.take(5001 + live.length)
  t.same(slow.data, [...replayed, ...live, 'the end'], 'each once, in order')
  t.equal(slow.stream.closed, false)
})

t.test('an expired token never counts as none, also where none is needed', async t => {
  const hub = await startMercureHub(t, { ...TRUSTED, authQuery: true })
  const claims = { exp: now() - 1 }
  const tokens = [
    await draft7Token({ subscribe: ['*'], publish: ['*'] }, { claims }),
    await draft8Token([may(['subscribe', 'publish'], ['*'])], { claims }),
  ]
  for (const token of tokens) {
    const carriers = [
      { cookie: `mercureAuthorization=${token}` },
      { cookie: `__Secure-mercure_access_token=${token}` },
      bearer(token),
    ]
    for (const headers of carriers) {
      for (const { parameters, name } of DRAFTS) {
        await refused(t, await hub.fetch(at(parameters), { headers }), 401, 'invalid_token', name)
      }
      const own = { ...headers, origin: hub.url }
      await refused(t, await post(hub, toAnn('late'), own), 401, 'invalid_token', 'publishing')
    }
    const inAddress = at({ ...DRAFT_7.parameters, authorization: token })
    await refused(t, await hub.fetch(inAddress), 401, 'invalid_token', 'in the address')
  }
  t.equal((await UpdateStream.open(t, hub, at(DRAFT_7.parameters))).response.status, 200, 'anyone may')
})

t.test('a stream whose cookie expires is ended, and does not come back without its rights', async t => {
  const hub = await startMercureHub(t, TRUSTED)
  const publisher = publisherWith(hub, PUBLISHER)
  for (const { name, parameters, cursor, cookieFor } of DRAFTS) {
    const exp = now() + 2
    const headers = { cookie: await cookieFor({ exp }) }
    const stream = await UpdateStream.open(t, hub, at(parameters), { headers })
    await publisher.publish(toAnn('private', `urn:${name}`))
    t.equal((await stream.next()).data, 'private')
    await stream.ended()
    // That was a little before the time.
    await sleep(exp * 1000 - Date.now())
    const back = at({ ...parameters, [cursor]: `urn:${name}` })
    await refused(t, await hub.fetch(back, { headers }), 401, 'invalid_token', name)
  }
})

t.test('workers are one hub to publishers and subscribers', async t => {
  const hub = await startMercureHub(t, { ...TRUSTED, workers: 2, anonymousMetrics: true })
  const clients = await clientOfEach(t, hub, ['worker-1', 'worker-2'])
  const publish = async (client: Http2Client, fields: Fields): Promise<string> => {
    const answer = await client.post(HUB, form(fields), { 'content-type': FORM, ...bearer(PUBLISHER) })
    if (answer.status !== 200) throw new Error(answer.text)
    return answer.text
  }
  const listen = async (client: Http2Client, draft: Draft, lastEventId?: string): Promise<Reader> => {
    const headers = {
      ...bearer(draft.token),
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    }
    return new Reader(await client.listen(at(draft.parameters), headers)).readOn()
  }

  t.test('an update reaches the subscribers of both, whichever took it', async t => {
    const readers = await Promise.all(clients.map(client => listen(client, DRAFT_8)))
    for (const [number, client] of clients.entries()) {
      await publish(client, toAnn(`from ${number}`))
      await publish(client, FOR_BOB)
      for (const { inbox } of readers) await inbox.take(number + 1)
    }
    for (const { data, stream } of readers) {
      t.same(data, ['from 0', 'from 1'])
      stream.close()
    }
  })

  t.test('each lists the subscriptions of both', async t => {
    for (const [draft, token] of [
      [DRAFT_7, await draft7Token({ subscribe: [SUBSCRIPTIONS] })],
      [DRAFT_8, await draft8Token([may('subscribe', [SUBSCRIPTIONS])])],
    ] as const) {
      const topic = Object.values(draft.parameters)[0] as string
      const streams = await Promise.all(
        clients.map(client => client.listen(at({ ...draft.parameters }), bearer(draft.token))),
      )
      for (const client of clients) {
        const { text } = await client.get(SUBSCRIPTIONS, bearer(token))
        const { subscriptions } = JSON.parse(text) as {
          subscriptions: { subscriber: string; topic?: string; match?: string }[]
        }
        t.same(
          subscriptions.map(({ topic: selector, match }) => selector ?? match),
          [topic, topic],
        )
        t.equal(new Set(subscriptions.map(({ subscriber }) => subscriber)).size, 2)
      }
      for (const stream of streams) stream.close()
    }
  })

  t.test('an id that a publisher chose is known to both as soon as the publisher has its answer', async t => {
    const [one, two] = clients
    const unknown: string[] = []
    for (let number = 0; number < 200; number++) {
      const [here, there] = number % 2 === 0 ? [one, two] : [two, one]
      const id = await publish(here, toAnn(String(number), `urn:quick:${number}`))
      for (const client of [there, here]) {
        const headers = { ...bearer(DRAFT_7.token), 'last-event-id': id, ':method': 'HEAD' }
        const answer = await client.get(at(DRAFT_7.parameters), headers)
        if (answer.headers['last-event-id'] !== id) unknown.push(id)
      }
    }
    t.same(unknown, [])
    for (const client of clients) {
      const { inbox } = await listen(client, DRAFT_8, 'urn:quick:97')
      const missed = await inbox.take(102)
      t.same(
        missed.map(({ data }) => data),
        numbers(98, 199),
      )
    }
  })
})

t.test('an id whose successors are partly gone is answered with earliest and all that is kept', async t => {
  const hub = await startMercureHub(t, { ...TRUSTED, ...KEEP_100 })
  const publisher = publisherWith(hub, PUBLISHER)
  const ids: string[] = []
  for (const data of numbers(1, 150)) {
    ids.push(await publisher.publish(toAnn(data, Number(data) % 2 === 0 ? idOf(Number(data)) : undefined)))
  }
  for (const draft of DRAFTS) {
    for (const lost of [10, 11, 48, 49]) {
      const stream = await subscribe(t, hub, draft, ids[lost - 1])
      t.equal(stream.headers.get(draft.header), 'earliest', `${draft.name}, ${lost}`)
      t.same(await stream.takeData(100), numbers(51, 150))
    }
    // Of the first it is gone itself, but nothing behind it.
    for (const kept of [50, 51, 52, 99]) {
      const stream = await subscribe(t, hub, draft, ids[kept - 1])
      if (kept > 50) t.equal(stream.headers.get(draft.header), ids[kept - 1], `${draft.name}, ${kept}`)
      t.same(await stream.takeData(150 - kept), numbers(kept + 1, 150))
    }
  }
})

t.test('a stream that retention overtakes while it is open is told', async t => {
  const hub = await startMercureHub(t, { ...TRUSTED, ...KEEP_100 })
  const publisher = publisherWith(hub, PUBLISHER)
  const client = new Http2Client(t, hub, { settings: { initialWindowSize: 2048 } })
  const readers = await Promise.all(
    DRAFTS.map(
      async ({ parameters, token }) => new Reader(await client.listen(at(parameters), bearer(token))),
    ),
  )
  const filler = ` ${'.'.repeat(4000)}`
  for (const number of numbers(1, 300)) await publisher.publish(toAnn(number + filler, idOf(Number(number))))
  for (const [index, draft] of DRAFTS.entries()) {
    const { inbox } = readers[index]!.readOn()
    await inbox.find(({ id }) => id === idOf(300))
    const received = inbox.items
    const gapAt = received.findIndex(({ type }) => type === 'millrace:gap')
    const gap = received[gapAt]!
    t.match({ ...gap, data: JSON.parse(gap.data) as object }, { id: undefined, data: { reason: 'expired' } })
    const heard = (items: typeof received): string[] => items.map(({ data }) => data.replace(filler, ''))
    t.ok(gapAt > 0)
    t.same(heard(received.slice(0, gapAt)), numbers(1, gapAt), 'nothing is missing before')
    t.same(heard(received.slice(gapAt + 1)), numbers(201, 300), 'nothing is missing behind')
    const again = await subscribe(t, hub, draft, idOf(gapAt))
    t.equal(again.headers.get(draft.header), 'earliest', 'the same to who comes back')
  }
})
