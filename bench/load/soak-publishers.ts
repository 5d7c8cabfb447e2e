// The publishers of bench/soak.ts: lines under idempotency keys, and single POSTs and PUTs, at a steady rate. The events
// of a topic are numbered, and each topic has one publisher who awaits the answer before the next: their order is known.

import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { lineTopic, onceTopic, SINGLE_PUBLISHERS, singleTopic } from './soak-topics.ts'
import { connectTo, type Target } from './subscribers.ts'

const UPLOADS_PER_SECOND = 20
const SINGLE_SHARE = 0.1
// Every so many events of a single publisher is a state.
const STATE_EVERY = 20

export class SoakPublishers {
  published = 0
  /** Requests that were not answered with 201. */
  refused = 0
  readonly #rate: number
  readonly #filler: string
  readonly #numbers = new Map<string, number>()

  constructor(rate: number, eventBytes: number) {
    this.#rate = rate
    this.#filler = ' ' + 'x'.repeat(eventBytes)
  }

  /** Resolves when the time has come and all is answered. */
  async run(target: Omit<Target, 'path'>, until: number): Promise<void> {
    const session = await connectTo(target)
    const singles = Array.from({ length: SINGLE_PUBLISHERS }, (_, at) => this.#single(session, at, until))
    await Promise.all([this.#lines(session, until), ...singles])
    session.destroy()
  }

  async #lines(session: ClientHttp2Session, until: number): Promise<void> {
    const lines = Math.max(1, Math.round((this.#rate * (1 - SINGLE_SHARE)) / UPLOADS_PER_SECOND) - 1)
    for await (const upload of ticks(1000 / UPLOADS_PER_SECOND, until)) {
      const topics = Array.from({ length: lines }, (_, at) => lineTopic(upload * lines + at))
      topics.push(onceTopic(upload))
      const body = topics.map(topic => JSON.stringify({ topic, data: this.#data(topic) }) + '\n').join('')
      const head = {
        ':path': '/events',
        'content-type': 'application/x-ndjson',
        'idempotency-key': `upload-${upload}`,
      }
      await this.#send(session, { ':method': 'POST', ...head }, body, topics.length)
    }
  }

  async #single(session: ClientHttp2Session, publisher: number, until: number): Promise<void> {
    const intervalMs = (1000 * SINGLE_PUBLISHERS) / (this.#rate * SINGLE_SHARE)
    for await (const at of ticks(intervalMs, until)) {
      const topic = singleTopic(publisher, at)
      const method = at % STATE_EVERY === 0 ? 'PUT' : 'POST'
      const head = { ':method': method, ':path': `/topics/${topic}`, 'content-type': 'text/plain' }
      await this.#send(session, head, this.#data(topic), 1)
    }
  }

  #data(topic: string): string {
    const number = (this.#numbers.get(topic) ?? 0) + 1
    // What is published to once is not worth remembering.
    if (!topic.startsWith('soak/once/')) this.#numbers.set(topic, number)
    return `${number}${this.#filler}`
  }

  #send(
    session: ClientHttp2Session,
    head: Record<string, string>,
    body: string,
    events: number,
  ): Promise<void> {
    const stream = session.request(head)
    stream.end(body)
    return new Promise(resolve => {
      let isKept = false
      stream.on('response', headers => void (isKept = headers[':status'] === 201))
      stream.on('error', () => {})
      stream.on('close', () => {
        if (isKept) this.published += events
        else this.refused++
        resolve()
      })
      stream.resume()
    })
  }
}

/** Counts moments at a steady pace; those that were missed come at once. */
async function* ticks(intervalMs: number, until: number): AsyncGenerator<number> {
  const start = performance.now()
  for (let at = 0; performance.now() < until; at++) {
    const waitMs = start + at * intervalMs - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    yield at
  }
}
