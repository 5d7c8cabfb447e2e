// A connection with event streams on it, as the load generators see it, whatever the protocol is.

import type { OutgoingHttpHeaders } from 'node:http2'

export interface Target {
  readonly port: number
  /** PEM of the authority that signed the server's certificate. */
  readonly ca: string
  readonly path: string
  /** What the server may send on a stream before the client has read it. Default: 6 MiB, as browsers grant. */
  readonly streamWindow?: number | undefined
  /**
   * JSON, sets of headers that requests bring in turn. A file: an argument may not be as long, and is for all to see.
   * Default: none.
   */
  readonly headersFile?: string | undefined
}

// What browsers grant: with Node's 64 KiB the client would slow the server down.
export const STREAM_WINDOW = 6 * 2 ** 20
export const CONNECTION_WINDOW = 15 * 2 ** 20

export interface EventConnection {
  /** Resolves when the first bytes of the stream have come. */
  subscribe(path: string, take: ByteTaker, headers?: OutgoingHttpHeaders): Promise<void>
  /** Takes nothing more than what was granted to the server before. */
  pause(): void
  resume(): void
  close(): Promise<void>
}

/** The bytes are its own during the call only. */
export type ByteTaker = (bytes: Buffer) => void

export interface ConnectionEvents {
  /** Before something that was read is taken. */
  onRead(): void
  /** For each stream that ends before `close`. */
  onEnd(): void
}
