// The load of bench/many-topics.ts, in a process of its own: many subscribers with topics of their own, and a publisher.
// Takes its options as JSON in the first argument and sends a ManyTopicsResult to its parent.

import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuTime, memoryKiB } from '../support/process-figures.ts'
import { Http2Connection } from './http2-connection.ts'
import { OrderedCount } from './ordered-count.ts'
import { post } from './post.ts'
import { reportBack } from './report-back.ts'
import { shapes, type ManyTopicsShape, type Shape } from './many-topics-shapes.ts'
import { numberedData } from './sequence-check.ts'
import { connectTo, type Target } from './subscribers.ts'

export interface ManyTopicsOptions extends Target {
  readonly serverPid: number
  readonly shape: ManyTopicsShape
  readonly size: number
  /** How many are measured, about. */
  readonly deliveries: number
}

export interface ManyTopicsResult {
  readonly microsPerEvent: number
  readonly readersPerEvent: number
  /** The growth of the hub's PSS by a stream, topics and all. */
  readonly streamKiB: number
  /** Streams that did not get what their topics had, or not in order. */
  readonly wrong: number
  /** Streams that ended, and POSTs that were refused. */
  readonly failures: number
}

const EVENT_BYTES = 100
// The same for all sizes, so that a batch is spread over as many writes to sockets.
const CONNECTIONS = 100
// Requests at a time on a connection: more would time out behind each other.
const OPENING = 100
const SETTLE_MS = 1000
// An event that has not arrived after this long is lost.
const DEADLINE_MS = 20_000
// So many batches before it counts: code gets fast with use, and buffers find their size.
const WARM_UP = 20

async function run(options: ManyTopicsOptions): Promise<ManyTopicsResult> {
  const { serverPid, deliveries } = options
  const shape = shapes[options.shape](options.size)
  const publisher = await connectTo(options)
  const arrivals = new Arrivals()
  // What is loaded at the first stream and the first event is not charged to the others.
  const first = await Readers.open(options, [shape.paths[0]!], arrivals)
  await sleep(SETTLE_MS)
  const before = await memoryKiB(serverPid)
  const others = await Readers.open(options, shape.paths.slice(1), arrivals)
  await sleep(SETTLE_MS)
  const streamKiB = ((await memoryKiB(serverPid)) - before) / shape.paths.length
  const topics = topicsInTurn(shape.topics)
  const feed = new Feed(publisher, options.path, arrivals, shape)
  const batches = Math.ceil(deliveries / shape.readersPerEvent / shape.batch)
  for (let batch = 0; batch < WARM_UP; batch++) await feed.publish(topics)
  const cpuBefore = await cpuTime(serverPid)
  for (let batch = 0; batch < batches; batch++) await feed.publish(topics)
  const cpu = await cpuTime(serverPid)
  // Whoever gets too much may get it late.
  await sleep(SETTLE_MS / 4)
  const counts = [...first.counts, ...others.counts]
  const wrong = counts.filter((count, at) => {
    const expected = shape.wanted(at).reduce((sum, topic) => sum + (feed.published.get(topic) ?? 0), 0)
    return count.received !== expected || count.disordered > 0
  }).length
  const failures = first.failed + others.failed + feed.refused
  await Promise.all([first.close(), others.close()])
  publisher.destroy()
  const microsPerEvent = ((cpu.usedMs - cpuBefore.usedMs) * 1000) / (batches * shape.batch)
  return { microsPerEvent, readersPerEvent: shape.readersPerEvent, streamKiB, wrong, failures }
}

/** All of them, again and again, in an order that leaps from site to site. */
function topicsInTurn(topics: readonly string[]): () => string {
  let at = 0
  // Prime, and so no divisor of any number of topics that has no others than 2 and 5.
  const step = topics.length > 1000 ? 7919 : 37
  return () => topics[(at += step) % topics.length]!
}

class Arrivals {
  count = 0
  #awaited = Infinity
  #onAwaited = () => {}

  add(): void {
    if (++this.count >= this.#awaited) this.#onAwaited()
  }

  /** Resolves when so many have come; rejects after a while without them. */
  async reached(count: number): Promise<void> {
    if (this.count >= count) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const late = (): void => reject(new Error(`${this.count} of ${count} events arrived`))
    const timer = setTimeout(late, DEADLINE_MS)
    this.#awaited = count
    this.#onAwaited = resolve
    await promise.finally(() => clearTimeout(timer))
  }
}

class Readers {
  readonly counts: OrderedCount[] = []
  failed = 0
  readonly #connections: Http2Connection[] = []

  static async open(target: Target, paths: readonly string[], arrivals: Arrivals): Promise<Readers> {
    const readers = new Readers()
    const each = Math.ceil(paths.length / CONNECTIONS)
    for (let from = 0; from < paths.length; from += each) {
      await readers.#connect(target, paths.slice(from, from + each), arrivals)
    }
    return readers
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map(connection => connection.close()))
  }

  async #connect(target: Target, paths: readonly string[], arrivals: Arrivals): Promise<void> {
    const events = { onRead() {}, onEnd: () => void this.failed++ }
    const connection = await Http2Connection.open(target, events)
    this.#connections.push(connection)
    for (let from = 0; from < paths.length; from += OPENING) {
      const opened = paths.slice(from, from + OPENING).map(path => {
        const count = new OrderedCount(() => arrivals.add())
        this.counts.push(count)
        return connection.subscribe(path, bytes => count.feed(bytes))
      })
      await Promise.all(opened)
    }
  }
}

class Feed {
  /** How many events each topic had. */
  readonly published = new Map<string, number>()
  refused = 0
  readonly #session: ClientHttp2Session
  readonly #path: string
  readonly #arrivals: Arrivals
  readonly #shape: Shape
  #sequence = 0

  constructor(session: ClientHttp2Session, path: string, arrivals: Arrivals, shape: Shape) {
    this.#session = session
    this.#path = path
    this.#arrivals = arrivals
    this.#shape = shape
  }

  /** A batch; resolves when it has arrived. */
  async publish(next: () => string): Promise<void> {
    let lines = ''
    for (let at = 0; at < this.#shape.batch; at++) {
      const topic = next()
      this.published.set(topic, (this.published.get(topic) ?? 0) + 1)
      lines += JSON.stringify({ topic, data: numberedData(++this.#sequence, EVENT_BYTES) }) + '\n'
    }
    if (!(await post(this.#session, this.#path, lines, 'application/x-ndjson'))) this.refused++
    await this.#arrivals.reached(this.#sequence * this.#shape.readersPerEvent)
  }
}

await reportBack(run)
