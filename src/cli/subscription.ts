// Follows one event stream through reconnects, and always knows the position behind what was printed.

import { setTimeout as sleep } from 'node:timers/promises'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import type { Dispatcher } from 'undici'
import { Backoff } from './backoff.ts'
import { describeControl, isControl, isGap } from './control-notices.ts'
import { Failure } from './failure.ts'
import {
  describeProblem,
  describeTrouble,
  hopelessReason,
  isPassing,
  readProblem,
  requestHub,
  retryAfterMs,
  type HubClient,
} from './hub-client.ts'

export interface SubscriptionOptions {
  readonly path: string
  /** The position that an earlier run reached; goes before `after`. */
  readonly resumeFrom: string | undefined
  readonly after: string | undefined
  readonly giveUpAfterMs: number
  readonly print: (events: readonly EventSourceMessage[]) => Promise<{ isDone: boolean; count: number }>
  /** Everything up to here is printed. */
  readonly onPosition: (id: string) => void
  /** Losses and deletions. */
  readonly notice: (text: string) => void
  /** Said once an outage. */
  readonly trouble: (text: string) => void
}

interface Received {
  readonly id?: string
  readonly event?: EventSourceMessage
}

// Hubs send something at least every 72 s, so a stream that is silent for longer is dead.
const SILENCE_MS = 100_000
const ANSWER_TIMEOUT_MS = 30_000
const DEFAULT_RETRY_MS = 2000
// The largest event that a hub can be told to take, and its envelope.
const MAX_EVENT_LENGTH = 300_000_000

export class Subscription {
  readonly #client: HubClient
  readonly #options: SubscriptionOptions
  readonly #backoff: Backoff
  readonly #stopping = new AbortController()
  #position: string | undefined
  #retryMs = DEFAULT_RETRY_MS
  #isTroubled = false
  #hasGap = false

  constructor(client: HubClient, options: SubscriptionOptions) {
    this.#client = client
    this.#options = options
    this.#position = options.resumeFrom
    this.#backoff = new Backoff({ firstMs: 250, maxMs: 30_000, giveUpAfterMs: options.giveUpAfterMs })
  }

  /** Whether events were lost on the way. */
  get hasGap(): boolean {
    return this.#hasGap
  }

  /** Resolves when it was stopped, or printed all that was wanted. Errors: Failure. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#reconnectAfter(await this.#connection())
      } catch (error) {
        if (!this.#isStopped) throw error
      }
    }
  }

  stop(): void {
    this.#stopping.abort()
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  // Resolves when the connection is over, with what is known of when to come back.
  async #connection(): Promise<{ trouble?: string; waitMs: number }> {
    let isOpen = false
    try {
      const response = await this.#open()
      isOpen = response.statusCode === 200
      if (isOpen) return await this.#follow(response)
      const problem = await readProblem(response)
      if (isPassing(problem)) return { trouble: describeProblem(problem), waitMs: retryAfterMs(response) }
      throw new Failure(describeProblem(problem))
    } catch (error) {
      if (error instanceof Failure) throw error
      const reason = hopelessReason(error)
      if (reason !== undefined) throw new Failure(reason)
      // That a stream is cut is nothing to tell; that no other can be had is.
      return isOpen ? { waitMs: 0 } : { trouble: describeTrouble(error), waitMs: 0 }
    }
  }

  async #open(): Promise<Dispatcher.ResponseData> {
    const resume = this.#position === undefined ? {} : { 'last-event-id': this.#position }
    return await requestHub(this.#client, this.#path(), {
      method: 'GET',
      headers: { accept: 'text/event-stream', 'cache-control': 'no-cache', ...resume },
      headersTimeout: ANSWER_TIMEOUT_MS,
      bodyTimeout: SILENCE_MS,
      signal: this.#stopping.signal,
    })
  }

  #path(): string {
    const { path, after } = this.#options
    if (this.#position !== undefined || after === undefined) return path
    return `${path}${path.includes('?') ? '&' : '?'}after=${encodeURIComponent(after)}`
  }

  async #follow(response: Dispatcher.ResponseData): Promise<{ waitMs: number }> {
    if (!String(response.headers['content-type']).startsWith('text/event-stream')) {
      throw new Failure('the answer is no event stream: is there a hub at this URL?')
    }
    const received: Received[] = []
    const parser = createParser({
      onId: id => received.push({ id }),
      onEvent: event => received.push({ event }),
      onRetry: retryMs => (this.#retryMs = retryMs),
      maxBufferSize: MAX_EVENT_LENGTH,
    })
    const decoder = new TextDecoder()
    // The next chunk is asked for when the last one is printed: a slow reader slows the hub, not fills memory.
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      parser.feed(decoder.decode(chunk, { stream: true }))
      if (received.length > 0) await this.#take(received.splice(0))
    }
    return { waitMs: 0 }
  }

  async #take(received: readonly Received[]): Promise<void> {
    this.#opened()
    let position = this.#position
    const events: EventSourceMessage[] = []
    for (const { id, event } of received) {
      if (id !== undefined && id !== '') position = id
      if (event !== undefined && isControl(event)) this.#control(event)
      else if (event !== undefined) events.push(event)
    }
    const { isDone, count } = await this.#print(events)
    if (count < events.length) position = events.slice(0, count).findLast(event => event.id)?.id
    if (position !== undefined && position !== this.#position) this.#moveTo(position)
    if (isDone) this.stop()
  }

  #opened(): void {
    this.#backoff.progressed()
    if (this.#isTroubled) this.#options.trouble('the hub answers again')
    this.#isTroubled = false
  }

  #control(event: EventSourceMessage): void {
    if (isGap(event)) this.#hasGap = true
    const text = describeControl(event)
    if (text !== undefined) this.#options.notice(text)
  }

  async #print(events: readonly EventSourceMessage[]): Promise<{ isDone: boolean; count: number }> {
    try {
      return await this.#options.print(events)
    } catch (error) {
      // `millrace subscribe ... | head`: the reader has what it wanted.
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') return { isDone: true, count: 0 }
      throw new Failure(`stdout: ${(error as Error).message}`)
    }
  }

  #moveTo(position: string): void {
    this.#position = position
    this.#options.onPosition(position)
  }

  async #reconnectAfter({ trouble, waitMs }: { trouble?: string; waitMs: number }): Promise<void> {
    const delayMs = this.#backoff.next(Math.max(this.#retryMs, waitMs))
    if (delayMs === undefined) throw new Failure(`gave up: ${trouble ?? 'the stream ends again and again'}`)
    if (trouble !== undefined && !this.#isTroubled) {
      this.#options.trouble(`${trouble}; trying again...`)
      this.#isTroubled = true
    }
    await sleep(delayMs, undefined, { signal: this.#stopping.signal })
  }
}
