// Publishes numbered events at a set pace over one HTTP/2 connection.

import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { post } from './post.ts'
import { sequenceMark } from './sequence-check.ts'
import { connectTo, type Target } from './subscribers.ts'

export class Publisher {
  /** The number of the event that was last sent. */
  last = 0
  /** POSTs that were not answered with 201. */
  refused = 0
  /** When each event was sent, by its number: `performance.now()`. */
  readonly sentAt: number[] = [0]
  readonly #session: ClientHttp2Session
  readonly #path: string
  readonly #filler: string

  static async open(target: Target, eventBytes: number): Promise<Publisher> {
    return new Publisher(await connectTo(target), target.path, eventBytes)
  }

  constructor(session: ClientHttp2Session, path: string, eventBytes: number) {
    this.#session = session
    this.#path = path
    this.#filler = ' ' + 'x'.repeat(Math.max(0, eventBytes - sequenceMark(0).length - 1))
  }

  /** Sends `burst` events at once, `ticks` times, `intervalMs` apart; resolves when all are answered. */
  async publish(ticks: number, burst: number, intervalMs: number): Promise<void> {
    const start = performance.now()
    const answers: Promise<void>[] = []
    for (let tick = 0; tick < ticks; tick++) {
      const wait = start + tick * intervalMs - performance.now()
      if (wait > 0) await sleep(wait)
      for (let at = 0; at < burst; at++) answers.push(this.#post())
    }
    await Promise.all(answers)
  }

  close(): void {
    this.#session.destroy()
  }

  async #post(): Promise<void> {
    const sequence = ++this.last
    this.sentAt[sequence] = performance.now()
    if (!(await post(this.#session, this.#path, sequenceMark(sequence) + this.#filler))) this.refused++
  }
}
