// Promises 2 and 3 over real sockets: a hub with a tiny log, publishers that overlap, and clients that come, stop
// reading, read on, are cut off and resume from their last id. With and without gzip.

import assert from 'node:assert/strict'
import { constants } from 'node:http2'
import { createGunzip } from 'node:zlib'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { ClientHttp2Stream } from 'node:http2'
import { RESET, type NewEvent, type Position, type Topic } from '../../src/event.ts'
import { GAP, OPEN, READY, type GapData } from '../../src/protocol/control-events.ts'
import { formatId, parseId } from '../../src/protocol/ids.ts'
import { selectorOf } from '../../src/topic-pattern.ts'
import { pageOf } from '../support/history.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metric } from '../support/metrics.ts'
import { holds } from '../support/properties.ts'
import { checkRecord, type Received } from '../support/record.ts'

const TOPICS = ['a', 'b', 'x/a', 'x/b', 'x/y/z']
const CLIENTS = ['a', 'a', 'x/b', ['b'], ['a', 'x/b'], ['x/*'], ['x/**', 'a'], ['**'], ['**'], ['*', 'x/y/*']]

// A stream takes 64 KiB before its reader counts as slow: a few large events, and topics go from the log meanwhile.
const LIMITS = {
  logMaxTopicEvents: 12,
  logMaxTopicBytes: 60_000,
  logMaxBytes: 100_000,
  compressionMinReaders: 1,
  compressionMinBytes: 2000,
}

// A client that does not read stops the hub soon, so that it is the hub that has to keep what waits.
const SLOW = { settings: { initialWindowSize: 8192 } }

const topic = fc.constantFrom(...TOPICS)
const anyPublication = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('post' as const),
      topic,
      size: fc.constantFrom(0, 3000, 8000, 8000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('put' as const), topic }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), topic }) },
  // Small enough to come in one piece, and hence to be one append.
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('lines' as const),
      topics: fc.array(topic, { minLength: 1, maxLength: 6 }),
    }),
  },
)
const client = fc.nat({ max: CLIENTS.length - 1 })
const action = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constantFrom('pause' as const, 'pause' as const, 'read' as const, 'cut' as const),
      client,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constantFrom(
        'resume' as const,
        'resume' as const,
        'now' as const,
        'earliest' as const,
        'unknown' as const,
      ),
      client,
    }),
  },
)
const round = fc.record({
  publications: fc.array(anyPublication, { minLength: 1, maxLength: 6 }),
  actions: fc.array(action, { maxLength: 5 }),
})

type Round = typeof round extends fc.Arbitrary<infer R> ? R : never
type Publication = Round['publications'][number]

t.test(
  'over any connection, at any speed, each client gets the order of the log without a silent hole',
  async t => {
    const property = fc.asyncProperty(fc.array(round, { minLength: 10, maxLength: 30 }), async rounds => {
      await live(t, rounds, { isCompressed: true })
    })
    await holds(t, property, { numRuns: 4, endOnFailure: true })
  },
)

t.test('a client that stops reading while topics leave the log is told when it reads on', async t => {
  const everyone = (does: 'earliest' | 'pause'): Round['actions'] =>
    CLIENTS.map((_, at) => ({ does, client: at }))
  const publications = TOPICS.map(each => ({ kind: 'post' as const, topic: each, size: 8000 as const }))
  const rounds = Array.from({ length: 25 }, (): Round => ({ publications, actions: [] }))
  rounds[0] = { publications, actions: [...everyone('earliest'), ...everyone('pause')] }
  // What is compressed does not fill a backlog so soon.
  const { fellBehind, gaps } = await live(t, rounds, { isCompressed: false })
  t.ok(fellBehind >= CLIENTS.length / 2 && gaps >= fellBehind, `${fellBehind} fell behind, ${gaps} gaps`)
})

/** One life of a hub; throws when a client did not get what it was promised. */
async function live(
  t: Test,
  rounds: readonly Round[],
  { isCompressed }: { isCompressed: boolean },
): Promise<{ fellBehind: number; gaps: number }> {
  const hub = await startHub(t, LIMITS)
  const history = new PublishedHistory(hub)
  const connections = [new Http2Client(t, hub), new Http2Client(t, hub, SLOW), new Http2Client(t, hub, SLOW)]
  const clients = CLIENTS.map(
    (wanted, at) => new Client(connections[at % 3]!, wanted, isCompressed && at % 2 === 1),
  )
  for (const { publications, actions } of rounds) {
    const published = publications.map(each => history.publish(each))
    for (const { does, client: at } of actions) await clients[at]!.do(does)
    await Promise.all(published)
  }
  for (const each of clients) await each.do('resume')
  for (const each of clients) await each.do('read')
  await history.publish({ kind: 'lines', topics: TOPICS })
  for (const each of clients) await each.reach(history)
  const lost = await history.losses()
  const truth = { history: history.events(), isPrecise: true, lostThrough: (name: Topic) => lost.get(name)! }
  for (const each of clients) checkRecord(truth, each.selector, each.received(history), truth.history.length)
  const numbers = {
    fellBehind: await metric(hub, 'millrace_fell_behind_total'),
    gaps: await metric(hub, 'millrace_gaps_total'),
  }
  for (const each of connections) each.session.destroy()
  await hub.agent.destroy()
  await hub.server.close()
  return numbers
}

/** What was published, in the order of the ids that the hub answered with. */
class PublishedHistory {
  readonly #hub: TestHub
  readonly #events = new Map<Position, NewEvent>()
  readonly #numbers = new Map<string, Position>()
  #published = 0
  #epoch = ''

  constructor(hub: TestHub) {
    this.#hub = hub
  }

  async publish(publication: Publication): Promise<void> {
    if (publication.kind === 'lines') return this.#publishLines(publication.topics)
    const { kind, topic: name } = publication
    if (kind === 'delete') {
      const id = await this.#send('DELETE', `/topics/${name}`)
      if (id !== undefined) this.#add(id, { topic: name, data: '', type: RESET })
      return
    }
    const number = this.#published++
    const data = `${number}${filler(number, kind === 'post' ? publication.size : 0)}`
    const id = await this.#send(kind === 'post' ? 'POST' : 'PUT', `/topics/${name}`, data)
    assert(id !== undefined)
    this.#add(id, { topic: name, data, isState: kind === 'put' })
  }

  async #publishLines(topics: readonly Topic[]): Promise<void> {
    const events = topics.map(name => ({ topic: name, data: `${this.#published++}` }))
    const body = events.map(event => `${JSON.stringify(event)}\n`).join('')
    const last = await this.#send('POST', '/events', body, 'application/x-ndjson')
    assert(last !== undefined)
    for (const [at, event] of events.entries()) this.#add(last - events.length + 1 + at, event)
  }

  /** The position that the hub answers with; undefined where there was nothing to delete. */
  async #send(
    method: string,
    path: string,
    body: string | null = null,
    type = 'text/plain',
  ): Promise<Position | undefined> {
    const headers = body === null ? {} : { 'content-type': type }
    const response = await this.#hub.fetch(path, { method, body, headers })
    const answer = (await response.json()) as { id?: string }
    if (method === 'DELETE' && response.status === 404) return undefined
    assert(response.ok && answer.id !== undefined, `${method} ${path}: ${JSON.stringify(answer)}`)
    const { epoch, position } = parseId(answer.id)!
    this.#epoch = epoch
    return position
  }

  #add(position: Position, event: NewEvent): void {
    assert(!this.#events.has(position), `${position} was given twice`)
    this.#events.set(position, event)
    if (event.type !== RESET) this.#numbers.set(numberOf(event.data), position)
  }

  events(): NewEvent[] {
    return Array.from({ length: this.#events.size }, (_, at) => {
      const event = this.#events.get(at + 1)
      assert(event !== undefined, `${at + 1} was given to nobody`)
      return event
    })
  }

  /** Where the event with this data stands. */
  positionOf(data: string): Position {
    const position = this.#numbers.get(numberOf(data))
    assert(position !== undefined, `nobody published '${numberOf(data)}'`)
    return position
  }

  dataAt(position: Position): string | undefined {
    return this.#events.get(position)?.data
  }

  /** What each topic lost, as its history tells whoever comes with the very first id. */
  async losses(): Promise<Map<Topic, Position>> {
    const lost = new Map<Topic, Position>()
    for (const name of TOPICS) {
      const { gap } = await pageOf(this.#hub, name, `after=${formatId(this.#epoch, 0)}&limit=1`)
      lost.set(name, parseId(gap?.lostThrough ?? '')?.position ?? 0)
    }
    return lost
  }
}

function numberOf(data: string): string {
  return data.split(' ', 1)[0]!
}

/** Words that differ from event to event, as far as compression is concerned. */
function filler(number: number, bytes: number): string {
  let text = ''
  for (let at = 0; text.length < bytes; at++)
    text += ` ${((number * 7919 + at * 104_729) % 999_983).toString(36)}`
  return text.slice(0, bytes)
}

interface Message extends EventSourceMessage {
  /** How the stream that brought it was asked for. */
  readonly start: 'now' | 'earliest' | 'resume' | 'unknown'
}

class Client {
  readonly selector
  readonly #connection: Http2Client
  readonly #path: string
  readonly #isFeed: boolean
  readonly #isCompressed: boolean
  readonly #messages: Message[] = []
  #stream: ClientHttp2Stream | undefined
  #lastId: string | undefined
  #arrived = Promise.withResolvers<void>()

  constructor(connection: Http2Client, wanted: string | string[], isCompressed: boolean) {
    this.#isCompressed = isCompressed
    const names = [wanted].flat()
    this.selector = selectorOf(names)
    this.#connection = connection
    this.#isFeed = Array.isArray(wanted)
    this.#path = this.#isFeed
      ? `/feed?${names.map(name => `topic=${encodeURIComponent(name)}`).join('&')}`
      : `/topics/${names[0]}`
  }

  async do(what: 'pause' | 'read' | 'cut' | Message['start']): Promise<void> {
    if (what === 'pause') this.#stream?.pause()
    else if (what === 'read') this.#stream?.resume()
    else if (what === 'cut') this.#cut()
    else if (this.#stream === undefined) await this.#open(what)
  }

  async #open(asked: Message['start']): Promise<void> {
    const start = asked === 'resume' && this.#lastId === undefined ? 'now' : asked
    const cursors = {
      now: undefined,
      earliest: 'earliest',
      resume: this.#lastId,
      unknown: formatId('0'.repeat(11), 7),
    }
    const cursor = cursors[start]
    if (start === 'now' || start === 'earliest') this.#lastId = undefined
    const stream = await this.#connection.listen(this.#path, {
      ...(cursor !== undefined && { 'last-event-id': cursor }),
      ...(this.#isCompressed && { 'accept-encoding': 'gzip' }),
    })
    this.#stream = stream
    const parser = createParser({ onEvent: message => this.#take(stream, { ...message, start }) })
    const plain = this.#isCompressed ? stream.pipe(createGunzip()) : stream
    plain.on('error', error => this.#fail(error as NodeJS.ErrnoException))
    plain.setEncoding('utf8').on('data', (text: string) => parser.feed(text))
  }

  #cut(): void {
    this.#stream?.close(constants.NGHTTP2_CANCEL)
    this.#stream = undefined
  }

  // A stream that is cut ends in the middle of its gzip.
  #fail(error: NodeJS.ErrnoException): void {
    if (error.code === 'Z_DATA_ERROR') this.#arrived.reject(error)
  }

  #take(stream: ClientHttp2Stream, message: Message): void {
    // What comes after the cut is not received.
    if (this.#stream !== stream) return
    this.#messages.push(message)
    if (message.id !== undefined) this.#lastId = message.id
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers()
  }

  /** Resolves when the last event that this client wants has come. */
  async reach(history: PublishedHistory): Promise<void> {
    const last = history.events().findLastIndex(event => this.selector.matches(event.topic)) + 1
    while (parseId(this.#lastId ?? '')?.position !== last) await this.#arrived.promise
  }

  received(history: PublishedHistory): Received[] {
    return this.#messages.map(message => this.#receivedAs(message, history))
  }

  #receivedAs({ event: type, id, data, start }: Message, history: PublishedHistory): Received {
    const position = id === undefined ? undefined : parseId(id)!.position
    if (type === OPEN) return { kind: 'open', start, position: position ?? 0, acceptsThrough: Infinity }
    if (type === GAP) {
      const { reason, resumesAfter, lostThrough = '' } = JSON.parse(data) as GapData
      assert.equal(resumesAfter, id)
      return {
        kind: 'gap',
        reason,
        resumesAfter: position!,
        lostThrough: parseId(lostThrough)?.position ?? 0,
      }
    }
    if (type === READY) return { kind: 'ready', position: position! }
    const event = this.#eventOf(type, data)
    if (position === undefined)
      return { kind: 'state', topic: event.topic, position: history.positionOf(event.data) }
    if (type !== RESET) assert.equal(event.data, history.dataAt(position))
    return { kind: 'event', topic: event.topic, position, head: Infinity }
  }

  #eventOf(type: string | undefined, data: string): { topic: Topic; data: string } {
    if (type === RESET || this.#isFeed) return JSON.parse(data) as { topic: Topic; data: string }
    return { topic: this.selector.topics[0]!, data }
  }
}
