// The load of bench/both-sides.ts, in a process of its own: readers, a publisher at a pace, and one in a hurry.
// Takes its options as JSON in the first argument and sends a BothSidesResult to its parent.

import type { ClientHttp2Session } from 'node:http2'
import { percentile } from '../support/statistics.ts'
import { numberedLines } from './numbered-lines.ts'
import { Publisher } from './publisher.ts'
import { reportBack } from './report-back.ts'
import { connectTo, Subscribers, type Account, type Target } from './subscribers.ts'
import { upload, type Block } from './upload.ts'

export interface BothSidesOptions extends Target {
  readonly streams: number
  readonly connections: number
  readonly eventBytes: number
  /** Of the most events/s. */
  readonly share: number
  readonly phaseMs: number
}

/** Milliseconds. */
export interface Latencies {
  readonly deliveryP50: number
  readonly deliveryP99: number
  readonly answerP50: number
  readonly answerP99: number
}

export interface BothSidesResult extends Account {
  readonly mostPerSecond: number
  readonly paced: Latencies
  readonly besideUpload: Latencies
  /** Lines/s of the upload: beside the paced publisher, and by itself. */
  readonly uploadBeside: number
  readonly uploadAlone: number
  /** POSTs that were refused, streams that ended by themselves, and lines that were not kept. */
  readonly failures: number
}

const LEAD = { inFlight: 16, undelivered: 64 }
const UPLOAD_READERS = 10
// More than is taken in the time of a phase.
const MANY_LINES = 10_000_000

async function run(options: BothSidesOptions): Promise<BothSidesResult> {
  const { streams, connections, eventBytes, phaseMs, share } = options
  const publisher = await Publisher.open(options, eventBytes, streams)
  const subscribers = new Subscribers(
    sequence => publisher.arrivals.add(sequence),
    () => publisher.arrivals.read(),
  )
  await subscribers.open(options, connections, streams, 0)
  const uploader = await Uploader.open(options)
  // A server's code gets fast with use.
  await publisher.saturate(phaseMs / 2, LEAD)
  await uploader.upload(phaseMs / 4)
  const before = publisher.last
  const start = performance.now()
  await publisher.saturate(phaseMs, LEAD)
  const mostPerSecond = ((publisher.last - before) * 1000) / (publisher.arrivals.lastAt - start)

  const intervalMs = 1000 / (mostPerSecond * share)
  const ticks = Math.ceil(phaseMs / intervalMs)
  await publisher.publish(ticks, 1, intervalMs)
  const paced = latenciesOf(publisher)
  const [uploadBeside] = await Promise.all([
    uploader.upload(phaseMs),
    publisher.publish(ticks, 1, intervalMs),
  ])
  const besideUpload = latenciesOf(publisher)
  const uploadAlone = await uploader.upload(phaseMs)
  const account = subscribers.account(publisher.last)
  const failures = publisher.refused + subscribers.failed + (await uploader.close())
  await subscribers.close()
  publisher.close()
  return { ...account, failures, mostPerSecond, paced, besideUpload, uploadBeside, uploadAlone }
}

function latenciesOf({ arrivals, answers }: Publisher): Latencies {
  const sorted = [...answers].sort((a, b) => a - b)
  return {
    deliveryP50: arrivals.percentile(50),
    deliveryP99: arrivals.percentile(99),
    answerP50: percentile(sorted, 50),
    answerP99: percentile(sorted, 99),
  }
}

/** Publishes lines as fast as they are taken, to a topic with a few readers of its own. */
class Uploader {
  readonly #session: ClientHttp2Session
  readonly #path: string
  readonly #bytes: number
  readonly #readers = new Subscribers(() => {})
  #last = 0
  #failures = 0

  static async open(options: BothSidesOptions): Promise<Uploader> {
    const target = { ...options, path: `${options.path}-upload` }
    const uploader = new Uploader(await connectTo(target), target.path, options.eventBytes)
    await uploader.#readers.open(target, UPLOAD_READERS, UPLOAD_READERS, 0)
    return uploader
  }

  private constructor(session: ClientHttp2Session, path: string, bytes: number) {
    this.#session = session
    this.#path = path
    this.#bytes = bytes
  }

  /** For so long; returns the lines/s. */
  async upload(forMs: number): Promise<number> {
    const start = performance.now()
    const { sent, published } = await upload(this.#session, this.#path, this.#blocks(start + forMs))
    this.#failures += sent - published
    return (published * 1000) / (performance.now() - start)
  }

  /** Returns how many lines were not kept, and streams that were ended. */
  async close(): Promise<number> {
    await this.#readers.close()
    this.#session.destroy()
    return this.#failures + this.#readers.failed
  }

  *#blocks(endsAt: number): Generator<Block> {
    for (const block of numberedLines(this.#last, this.#last + MANY_LINES, this.#bytes, data => data)) {
      yield block
      this.#last += block.lines
      if (performance.now() > endsAt) return
    }
  }
}

await reportBack(run)
