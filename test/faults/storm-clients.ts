// The clients of storm.test.ts, in a process of their own: so many streams on so many connections, of which each keeps
// exact account. Takes its orders from its parent: `connect` opens all streams, `drop` cuts all sockets at once,
// `account` asks what came.

import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { NumberedEvents } from '../support/numbered-events.ts'

export interface StormOptions {
  readonly url: string
  readonly ca: string
  readonly topic: string
  readonly connections: number
  readonly streams: number
}

export type Order =
  | { readonly do: 'connect' }
  | { readonly do: 'drop' }
  | { readonly do: 'account'; readonly last: number }

export interface Account {
  readonly streams: number
  /** Streams that have everything up to the number that was asked about. */
  readonly complete: number
  /** Of some of those that have not the right events, or an id of another life of the log. */
  readonly faults: string[]
  readonly latenciesMs: number[]
  /** From the order until all had their responses. */
  readonly connectMs: number
}

// More TLS handshakes at a time would only time out behind each other.
const HANDSHAKES = 50

const options = JSON.parse(process.argv[2]!) as StormOptions
const clients = Array.from({ length: options.streams }, () => new NumberedEvents())
const epochs = new Set<string>()
let sessions: ClientHttp2Session[] = []
let connectMs = 0

process.on('disconnect', () => process.exit())
process.on('message', (order: Order) => {
  obey(order).then(
    answer => process.send!(answer),
    (error: unknown) => {
      process.send!({ error: String(error) })
      process.exit(1)
    },
  )
})

async function obey(order: Order): Promise<object> {
  if (order.do === 'connect') await connectAll()
  else if (order.do === 'drop') drop()
  else return account(order.last)
  return {}
}

async function connectAll(): Promise<void> {
  const startedAt = performance.now()
  const each = options.streams / options.connections
  const waiting = Array.from({ length: options.connections }, (_, at) =>
    clients.slice(at * each, (at + 1) * each),
  )
  await Promise.all(
    Array.from({ length: Math.min(HANDSHAKES, waiting.length) }, async () => {
      for (let group; (group = waiting.shift()) !== undefined;) await openAll(group)
    }),
  )
  connectMs = performance.now() - startedAt
}

async function openAll(group: readonly NumberedEvents[]): Promise<void> {
  const session = connect(options.url, { ca: options.ca })
  session.on('error', () => {})
  sessions.push(session)
  await once(session, 'connect')
  await Promise.all(group.map(events => open(session, events)))
}

async function open(session: ClientHttp2Session, events: NumberedEvents): Promise<void> {
  const cursor = events.lastId === undefined ? {} : { 'last-event-id': events.lastId }
  const stream = session.request({
    ':path': `/topics/${options.topic}`,
    accept: 'text/event-stream',
    ...cursor,
  })
  const feed = events.newStream()
  stream.on('error', () => {})
  stream.on('data', (chunk: Buffer) => {
    // What comes after the cut is not received.
    if (session.destroyed) return
    feed(chunk)
  })
  const [{ ':status': status }] = (await once(stream, 'response')) as [{ ':status'?: number }]
  if (status !== 200) throw new Error(`a stream was answered with ${status}`)
  // `millrace:open` brings the id that it starts from.
  await once(stream, 'data')
}

/** As when a network fails: no goodbye on any layer but the kernel's. */
function drop(): void {
  const dropped = sessions
  sessions = []
  for (const session of dropped) session.destroy()
}

async function account(last: number): Promise<Account> {
  const isComplete = (events: NumberedEvents): boolean => events.number === last
  for (let patience = 300; !clients.every(isComplete) && patience > 0; patience--) await sleep(100)
  for (const { lastId } of clients) epochs.add(lastId!.slice(0, 11))
  const wrong = clients.filter(events => events.faults.length > 0)
  const latenciesMs = clients.flatMap(events => events.latenciesMs)
  for (const events of clients) events.latenciesMs = []
  return {
    streams: clients.length,
    complete: clients.filter(isComplete).length,
    faults: [
      ...wrong.slice(0, 5).flatMap(events => events.faults.slice(0, 3)),
      ...(epochs.size > 1 ? [`epochs ${[...epochs].join()}`] : []),
    ],
    latenciesMs: sample(latenciesMs, 20_000),
    connectMs,
  }
}

function sample(values: readonly number[], most: number): number[] {
  const step = Math.max(1, Math.ceil(values.length / most))
  return values.filter((_, at) => at % step === 0)
}
