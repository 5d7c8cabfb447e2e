// Publishes numbered events over one HTTP/2 connection: at a set pace, or as fast as they are delivered.

import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { Arrivals } from './arrivals.ts'
import { post } from './post.ts'
import { headersOf, type NextHeaders } from './request-headers.ts'
import { numberedData } from './sequence-check.ts'
import { connectTo, type Target } from './subscribers.ts'

/** How far publishing as fast as possible may be ahead. */
export interface Lead {
  /** POSTs that wait for their answers. */
  readonly inFlight: number
  /** Events that were sent and have not arrived everywhere, on average over the streams. */
  readonly undelivered: number
}

// Events that are still missing after this long are lost.
const DEADLINE_MS = 10_000

export class Publisher {
  /** The number of the event that was last sent. */
  last = 0
  /** POSTs that were not answered as taken. */
  refused = 0
  readonly arrivals: Arrivals
  /** How long each POST since the last start took until its answer, in milliseconds. */
  answers: number[] = []
  readonly #sentAt: number[] = [0]
  readonly #session: ClientHttp2Session
  readonly #path: string
  readonly #bytes: number
  readonly #streams: number
  readonly #headers: NextHeaders

  /** `streams`: to how many each event goes. */
  static async open(target: Target, eventBytes: number, streams: number): Promise<Publisher> {
    return new Publisher(await connectTo(target), target.path, eventBytes, streams, headersOf(target))
  }

  constructor(
    session: ClientHttp2Session,
    path: string,
    eventBytes: number,
    streams: number,
    headers = headersOf({}),
  ) {
    this.#session = session
    this.#path = path
    this.#bytes = eventBytes
    this.#streams = streams
    this.#headers = headers
    this.arrivals = new Arrivals(this.#sentAt)
  }

  /** Sends `burst` events at once, `ticks` times, `intervalMs` apart; resolves when all have arrived or are lost. */
  async publish(ticks: number, burst: number, intervalMs: number): Promise<void> {
    const start = performance.now()
    const first = this.#start()
    const answers: Promise<void>[] = []
    for (let tick = 0; tick < ticks; tick++) {
      const wait = start + tick * intervalMs - performance.now()
      if (wait > 0) await sleep(wait)
      for (let at = 0; at < burst; at++) answers.push(this.#post())
    }
    await Promise.all(answers)
    await this.#delivered(first, 0)
  }

  /** Sends for so long, with no more ahead than this; resolves when all have arrived or are lost. */
  async saturate(forMs: number, { inFlight, undelivered }: Lead): Promise<void> {
    const end = performance.now() + forMs
    const first = this.#start()
    const answers = new Set<Promise<void>>()
    while (performance.now() < end) {
      await this.#delivered(first, undelivered - 1)
      if (answers.size >= inFlight) await Promise.race(answers)
      const answer = this.#post().finally(() => answers.delete(answer))
      answers.add(answer)
    }
    await Promise.all(answers)
    await this.#delivered(first, 0)
  }

  close(): void {
    this.#session.destroy()
  }

  #start(): number {
    this.arrivals.restart()
    this.answers = []
    return this.last
  }

  /** Resolves when no more than `missing` of the events after `first` have not arrived, or are lost. */
  async #delivered(first: number, missing: number): Promise<void> {
    const count = (this.last - first - missing) * this.#streams
    if (this.arrivals.count >= count) return
    const deadline = new AbortController()
    const late = sleep(DEADLINE_MS, undefined, { signal: deadline.signal }).catch(() => {})
    await Promise.race([this.arrivals.reached(count), late])
    deadline.abort()
  }

  async #post(): Promise<void> {
    const sequence = ++this.last
    this.#sentAt[sequence] = performance.now()
    const data = numberedData(sequence, this.#bytes)
    const isTaken = await post(this.#session, this.#path, data, 'text/plain', this.#headers())
    this.answers.push(performance.now() - this.#sentAt[sequence])
    if (!isTaken) this.refused++
  }
}
