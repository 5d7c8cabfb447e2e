// One open event stream: a subscriber's sink over an HTTP/2 stream or an HTTP/1.1 response.

import type { Writable } from 'node:stream'
import type { Pieces } from '../gzip/deflate.ts'
import type { GzipStream } from '../gzip/gzip-stream.ts'
import type { SharedChunk } from '../gzip/shared-text.ts'
import type { CloseReason } from '../hub/close-reason.ts'
import type { Sink } from '../hub/frames.ts'
import type { Subscriber } from '../hub/subscriber.ts'
import { HEARTBEAT } from '../protocol/sse.ts'
import type { HttpConnection } from './connections.ts'
import type { StreamKind } from './stream-kind.ts'

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

// A client that does not read its `millrace:bye` is cut off after this time.
const END_GRACE_MS = 1000

export class EventStream implements Sink {
  readonly connection: HttpConnection
  readonly #outgoing: Writable
  readonly #options: EventStreamOptions
  readonly #kind: StreamKind
  #subscriber: Subscriber | undefined
  #endReason: CloseReason | undefined
  /** Why the log could not be read. */
  error: unknown
  /** Undefined: nothing is compressed. */
  readonly #gzip: GzipStream | undefined
  /** What is left of a chunk that is larger than a piece, with whatever came after it; if anything, not empty. */
  #rest: Buffer[] | undefined
  #written = 0
  /** How much was written at the last beat. */
  #beaten = 0
  /** How much the client had taken at the last beat. */
  #taken = 0
  #stalledMs = 0
  #writeAll: unknown

  constructor(
    outgoing: Writable,
    connection: HttpConnection,
    options: EventStreamOptions,
    kind: StreamKind,
    gzip?: GzipStream,
  ) {
    this.#kind = kind
    this.#gzip = gzip
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

  /** It has said its goodbye, or is gone. */
  get hasEnded(): boolean {
    return this.#endReason !== undefined || this.#outgoing.destroyed
  }

  /** Why it ended, once it has. */
  get closeReason(): CloseReason {
    return this.#endReason ?? (this.connection.hasVanished ? 'vanished' : 'client')
  }

  /** What the connection has taken so far. */
  get bytesSent(): number {
    return this.#written - this.#outgoing.writableLength
  }

  /** What was written and the connection has not taken yet. */
  get bufferedBytes(): number {
    return (this.#rest ?? []).reduce((sum, { length }) => sum + length, this.#outgoing.writableLength)
  }

  get isCompressing(): boolean {
    return this.#gzip !== undefined
  }

  get hasRoom(): boolean {
    if (this.#rest !== undefined) return false
    const { writableLength, writableNeedDrain } = this.#outgoing
    return writableLength < this.#options.maxBufferedBytes || !writableNeedDrain
  }

  write(chunk: Buffer, shared?: SharedChunk): void {
    // Nothing may stand behind the end of a gzip stream.
    if (this.#endReason !== undefined) return
    if (this.#gzip === undefined) this.#send(chunk)
    else this.#sendAll(shared === undefined ? this.#gzip.personal(chunk) : this.#gzip.shared(shared))
  }

  /** Called every `heartbeatMs`: keeps an idle connection busy, and ends one that does not move. */
  beat(): void {
    const waiting = this.#outgoing.writableLength
    if (waiting === 0) this.#keepBusy()
    // Not by what waits: of a slow client that could always be one chunk of the same size.
    const taken = this.bytesSent
    this.#stalledMs = waiting > 0 && taken === this.#taken ? this.#stalledMs + this.#options.heartbeatMs : 0
    this.#taken = taken
    if (this.#stalledMs >= this.#options.stallTimeoutMs) this.end('stalled')
  }

  end(reason: CloseReason, error?: unknown, retryMs?: number): void {
    if (this.#endReason !== undefined) return
    if (reason !== 'stalled') this.#sayGoodbye(reason, retryMs)
    this.#endReason = reason
    this.error = error
    if (reason === 'stalled') return void this.#outgoing.destroy()
    if (this.#rest === undefined) this.#outgoing.end()
    setTimeout(() => this.#outgoing.destroy(), END_GRACE_MS).unref()
  }

  // A comment would take the stream out of step with those that it shares compressed chunks with, and is not needed while
  // there are events.
  #keepBusy(): void {
    const isSilent = this.#written === this.#beaten
    if (this.#gzip === undefined || isSilent) this.write(HEARTBEAT)
    else if (this.#endReason === undefined) this.#sendAll(this.#gzip.nothing())
    this.#beaten = this.#written
  }

  #sayGoodbye(reason: CloseReason, retryMs: number | undefined): void {
    this.write(Buffer.from(this.#kind.goodbye(reason, retryMs)))
    if (this.#gzip !== undefined) this.#sendAll(this.#gzip.end())
  }

  #sendAll(pieces: Pieces): void {
    for (const piece of pieces) this.#send(piece)
  }

  #send(chunk: Buffer): void {
    if (this.#rest !== undefined) this.#rest.push(chunk)
    else if (chunk.length <= PIECE_BYTES) this.#pass(chunk)
    else {
      this.#rest = [chunk]
      this.#writeRest()
    }
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
    while (isTaken && this.#rest !== undefined) {
      const [first] = this.#rest as [Buffer]
      const piece = first.subarray(0, PIECE_BYTES)
      if (piece.length < first.length) this.#rest[0] = first.subarray(PIECE_BYTES)
      else if (this.#rest.length > 1) this.#rest.shift()
      else this.#rest = undefined
      isTaken = this.#pass(piece)
    }
  }

  #drained(): void {
    if (this.#writeAll !== undefined) this.#writeSingly(false)
    this.#writeRest()
    if (this.#rest !== undefined) return
    if (this.#endReason === undefined) this.#subscriber?.drained()
    else this.#outgoing.end()
  }
}
