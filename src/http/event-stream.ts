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

// Large chunks are written in pieces of this size: a write counts as taken when all of it is, so small ones tell a slow
// client from one that stands still, and nobody's HTTP/2 session holds a copy of a whole chunk.
const PIECE_BYTES = 16 * 1024

const WRITE_ALL = '_writev'

const NOTHING = Buffer.alloc(0)

// A client that does not read its `millrace:bye` is cut off after this time.
const END_GRACE_MS = 1000

export class EventStream implements Sink {
  readonly connection: HttpConnection
  readonly #outgoing: Writable
  readonly #options: EventStreamOptions
  #subscriber: Subscriber | undefined
  #endReason: CloseReason | undefined
  /** Why the log could not be read. */
  error: unknown
  /** What is left of a chunk that is larger than a piece, with whatever came after it. */
  #rest: Buffer = NOTHING
  #written = 0
  /** How much the client had taken at the last beat. */
  #taken = 0
  #stalledMs = 0
  #writeAll: unknown

  constructor(outgoing: Writable, connection: HttpConnection, options: EventStreamOptions) {
    this.#outgoing = outgoing
    this.connection = connection
    this.#options = options
    connection.streams++
    // A vanished peer emits 'close' but never 'drain', and a reset one may emit 'error' first: 'close' tells.
    outgoing.on('error', () => {})
    outgoing.on('drain', () => this.#drained())
    outgoing.once('close', () => {
      connection.streams--
      this.#subscriber?.close(this.closeReason)
    })
  }

  /** Called once, as soon as there is a subscriber. */
  carry(subscriber: Subscriber): void {
    this.#subscriber = subscriber
    if (this.#outgoing.destroyed) subscriber.close(this.closeReason)
  }

  /** Why it ended, once it has. */
  get closeReason(): CloseReason {
    return this.#endReason ?? (this.connection.hasVanished ? 'vanished' : 'client')
  }

  /** What the connection has taken so far. */
  get bytesSent(): number {
    return this.#written - this.#outgoing.writableLength
  }

  get hasRoom(): boolean {
    if (this.#rest.length > 0) return false
    const { writableLength, writableNeedDrain } = this.#outgoing
    return writableLength < this.#options.maxBufferedBytes || !writableNeedDrain
  }

  write(chunk: Buffer): void {
    if (this.#rest.length > 0) {
      this.#rest = Buffer.concat([this.#rest, chunk])
    } else if (chunk.length <= PIECE_BYTES) {
      this.#pass(chunk)
    } else {
      this.#rest = chunk
      this.#writeRest()
    }
  }

  /** Called every `heartbeatMs`: keeps an idle connection busy, and ends one that does not move. */
  beat(): void {
    const waiting = this.#outgoing.writableLength
    if (waiting === 0) this.write(HEARTBEAT)
    // Not by what waits: of a slow client that could always be one chunk of the same size.
    const taken = this.bytesSent
    this.#stalledMs = waiting > 0 && taken === this.#taken ? this.#stalledMs + this.#options.heartbeatMs : 0
    this.#taken = taken
    if (this.#stalledMs >= this.#options.stallTimeoutMs) this.end('stalled')
  }

  end(reason: CloseReason, error?: unknown, retryMs?: number): void {
    if (this.#endReason !== undefined) return
    this.#endReason = reason
    this.error = error
    if (reason === 'stalled') return void this.#outgoing.destroy()
    const data: ByeData = { reason }
    this.write(Buffer.from(encodeSse({ type: BYE, data: JSON.stringify(data), retryMs })))
    if (this.#rest.length === 0) this.#outgoing.end()
    setTimeout(() => this.#outgoing.destroy(), END_GRACE_MS).unref()
  }

  #pass(chunk: Buffer): boolean {
    if (!this.#outgoing.writable) return false
    this.#written += chunk.length
    const isTaken = this.#outgoing.write(chunk)
    // Not those that catch up: most of them are fast, and their pages come in pieces.
    if (!isTaken && this.#subscriber?.phase === 'live') this.#writeSingly(true)
    return isTaken
  }

  // Node hands over all that waits as one write, of 64 KiB: at 1 KB a second nothing of it is taken for a minute.
  #writeSingly(isSlow: boolean): void {
    const outgoing = this.#outgoing as { [WRITE_ALL]?: unknown }
    this.#writeAll ??= outgoing[WRITE_ALL]
    outgoing[WRITE_ALL] = isSlow ? null : this.#writeAll
  }

  #writeRest(): void {
    let isTaken = true
    while (isTaken && this.#rest.length > 0) {
      const piece = this.#rest.subarray(0, PIECE_BYTES)
      this.#rest = this.#rest.subarray(piece.length)
      isTaken = this.#pass(piece)
    }
  }

  #drained(): void {
    if (this.#writeAll !== undefined) this.#writeSingly(false)
    this.#writeRest()
    if (this.#rest.length > 0) return
    if (this.#endReason === undefined) this.#subscriber?.drained()
    else this.#outgoing.end()
  }
}
