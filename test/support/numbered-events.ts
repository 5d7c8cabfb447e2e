// Events that carry their number and the time they were sent: published at a steady rate, and checked by whoever reads.

import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'

/** Milliseconds since 1970, to the microsecond, the same in all processes of a machine. */
function now(): number {
  return performance.timeOrigin + performance.now()
}

export class SteadyPublisher {
  /** The number of the event that was sent last; the first is 1. */
  last = 0
  /** Each POST from its beginning to its answer, in milliseconds. */
  readonly answerMs: number[] = []
  readonly #session: ClientHttp2Session
  readonly #path: string
  readonly #filler: string
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(session: ClientHttp2Session, topic: string, rate: number, eventBytes: number) {
    this.#session = session
    this.#path = `/topics/${topic}`
    this.#filler = 'x'.repeat(eventBytes)
    this.#running = this.#run(1000 / rate)
  }

  /** Resolves when all are answered; rejects when one was not kept. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(intervalMs: number): Promise<void> {
    const startedAt = performance.now()
    const answers: Promise<void>[] = []
    while (!this.#stop.signal.aborted) {
      answers.push(this.#post())
      await sleep(Math.max(0, startedAt + answers.length * intervalMs - performance.now()))
    }
    await Promise.all(answers)
  }

  async #post(): Promise<void> {
    const number = ++this.last
    const sentAt = now()
    const head = { ':method': 'POST', ':path': this.#path, 'content-type': 'text/plain' }
    const stream = this.#session.request(head)
    stream.end(`${number} ${sentAt} ${this.#filler}`)
    stream.resume()
    const status = await new Promise((resolve, reject) => {
      stream.once('response', headers => resolve(headers[':status'])).once('error', reject)
      stream.once('close', () => reject(new Error(`event ${number} was not answered`)))
    })
    if (status !== 201) throw new Error(`event ${number} was answered with ${String(status)}`)
    this.answerMs.push(now() - sentAt)
  }
}

/** What one client has received of them, over all its streams. */
export class NumberedEvents {
  lastId: string | undefined
  received = 0
  /** Of the event that came last. */
  number: number | undefined
  /** What came twice, or not at all, or out of order; and control events but for `millrace:open` and `ready`. */
  readonly faults: string[] = []
  latenciesMs: number[] = []

  /** Takes what a new stream brings; whatever was cut off of the last one is forgotten. */
  newStream(): (chunk: Buffer) => void {
    const decoder = new TextDecoder()
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        if (id !== undefined) this.lastId = id
        if (event === undefined) this.#take(data)
        else if (event !== 'millrace:open' && event !== 'millrace:ready') this.faults.push(`${event} ${data}`)
      },
    })
    return chunk => parser.feed(decoder.decode(chunk, { stream: true }))
  }

  #take(data: string): void {
    const [number, sentAt] = data.split(' ', 2).map(Number)
    if (this.number !== undefined && number !== this.number + 1) {
      this.faults.push(`${number} came after ${this.number}`)
    }
    this.number = number
    this.received++
    this.latenciesMs.push(now() - sentAt!)
  }
}

/** The value below which this share of them lies, such as 0.99. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** For people: `p50 1.2 p99 3.4 most 5.6 ms`. */
export function summary(values: readonly number[]): string {
  const figures = [0.5, 0.99, 1].map(share => quantile(values, share).toFixed(1))
  return `p50 ${figures[0]} p99 ${figures[1]} most ${figures[2]} ms (${values.length})`
}
