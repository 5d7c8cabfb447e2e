// One open event stream: a subscriber's sink over an HTTP/2 stream or an HTTP/1.1 response.

import type { Writable } from 'node:stream'
import type { CloseReason } from '../hub/close-reason.ts'
import type { Sink } from '../hub/frames.ts'
import type { Subscriber } from '../hub/subscriber.ts'
import { BYE, type ByeData } from '../protocol/control-events.ts'
import { encodeSse, HEARTBEAT } from '../protocol/sse.ts'
import type { HttpConnection } from './connections.ts'

export interface EventStreamOptions {
  /** Unsent bytes above which the stream takes no live chunk; at least 65,536, from where on Node says 'drain'. */
  readonly maxBufferedBytes: number
  readonly heartbeatMs: number
  /** How long a client may read nothing of what waits for it, in milliseconds. */
  readonly stallTimeoutMs: number
}

// A client that does not read its `millrace:bye` is cut off after this time.
const END_GRACE_MS = 1000

export class EventStream implements Sink {
  readonly connection: HttpConnection
  readonly #outgoing: Writable
  readonly #options: EventStreamOptions
  #subscriber: Subscriber | undefined
  #endReason: CloseReason | undefined
  #stalledMs = 0
  /** What waited unsent at the last beat. */
  #waiting = 0

  constructor(outgoing: Writable, connection: HttpConnection, options: EventStreamOptions) {
    this.#outgoing = outgoing
    this.connection = connection
    this.#options = options
    connection.streams++
    // A vanished peer emits 'close' but never 'drain', and a reset one may emit 'error' first: 'close' tells.
    outgoing.on('error', () => {})
    outgoing.on('drain', () => this.#subscriber?.drained())
    outgoing.once('close', () => {
      connection.streams--
      this.#subscriber?.close(this.#closeReason())
    })
  }

  /** Called once, as soon as there is a subscriber. */
  carry(subscriber: Subscriber): void {
    this.#subscriber = subscriber
    if (this.#outgoing.destroyed) subscriber.close(this.#closeReason())
  }

  get hasRoom(): boolean {
    const { writableLength, writableNeedDrain } = this.#outgoing
    return writableLength < this.#options.maxBufferedBytes || !writableNeedDrain
  }

  write(chunk: Buffer): void {
    if (this.#outgoing.writable) this.#outgoing.write(chunk)
  }

  /** Called every `heartbeatMs`: keeps an idle connection busy, and ends one that does not move. */
  beat(): void {
    const waiting = this.#outgoing.writableLength
    if (waiting === 0) this.write(HEARTBEAT)
    this.#stalledMs =
      waiting > 0 && waiting === this.#waiting ? this.#stalledMs + this.#options.heartbeatMs : 0
    this.#waiting = waiting
    if (this.#stalledMs >= this.#options.stallTimeoutMs) this.end('stalled')
  }

  end(reason: CloseReason, retryMs?: number): void {
    if (this.#endReason !== undefined) return
    this.#endReason = reason
    if (reason === 'stalled') return void this.#outgoing.destroy()
    const data: ByeData = { reason }
    this.write(Buffer.from(encodeSse({ type: BYE, data: JSON.stringify(data), retryMs })))
    this.#outgoing.end()
    setTimeout(() => this.#outgoing.destroy(), END_GRACE_MS).unref()
  }

  #closeReason(): CloseReason {
    return this.#endReason ?? (this.connection.hasVanished ? 'vanished' : 'client')
  }
}
