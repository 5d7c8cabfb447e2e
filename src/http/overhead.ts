// Ends HTTP/2 connections that keep the hub busy with frames that carry nothing: PING, SETTINGS, WINDOW_UPDATE, empty or
// padded DATA. Node reports few of them, so they are not counted: bytes that came and that nothing explains tell.

import { Rounds } from './rounds.ts'

export interface OverheadOptions {
  /** Bytes a second. */
  readonly maxOverheadRate: number
}

/** What one connection sent that is accounted for. */
export interface Explained {
  explainedBytes: number
  /** Request bodies that are being read: what of them has come, and waits, is not explained yet. */
  openBodies: number
}

// The cost of looking is that of touching each connection's socket.
const CHECK_MS = 2000

/** A DATA frame for each line, even for the shortest that is an event, is unwise, but no attack. */
export const BODY_EXPLAINS = 5

/** For each request: RST_STREAM, PRIORITY and WINDOW_UPDATE frames, and what HPACK adds to the header's text. */
export const REQUEST_EXPLAINS = 128

/** What a client may send of a body before any of it is read (RFC 9113, section 6.9.2: the hub keeps the default). */
export const WINDOW_BYTES = 65_535

// Some clients return two WINDOW_UPDATE frames for each DATA frame, however small: 26 bytes for the 46 of the smallest
// event. For a PING we send as much as we got, so it must be less than all.
const SENT_EXPLAINS = 0.6

interface Watched {
  readonly socket: { readonly bytesRead: number; readonly bytesWritten: number }
  readonly connection: Explained
  readonly end: () => void
  unexplained: number
  /** How much more than allowed has come, less what there was room for since. */
  excess: number
  checkedAt: number
}

export class OverheadGuard {
  readonly #perMs: number
  readonly #rounds: Rounds<Watched>

  constructor({ maxOverheadRate }: OverheadOptions) {
    this.#perMs = maxOverheadRate / 1000
    this.#rounds = new Rounds(CHECK_MS, watched => this.#check(watched))
  }

  /** `socket` counts bytes without TLS. Returns the function that ends the watch. */
  watch(socket: Watched['socket'], connection: Explained, end: () => void): () => void {
    return this.#rounds.add({
      socket,
      connection,
      end,
      unexplained: 0,
      excess: 0,
      checkedAt: performance.now(),
    })
  }

  close(): void {
    this.#rounds.close()
  }

  #check(watched: Watched): void {
    const { bytesRead, bytesWritten } = watched.socket
    const unexplained = bytesRead - bytesWritten * SENT_EXPLAINS - watched.connection.explainedBytes
    const now = performance.now()
    // The first look comes early.
    const allowed = Math.max(CHECK_MS, now - watched.checkedAt) * this.#perMs
    const grown = unexplained - watched.unexplained
    watched.unexplained = unexplained
    watched.checkedAt = now
    watched.excess = Math.max(0, watched.excess + grown - allowed)
    // Publishers that wait for the log have as much under way as HTTP/2 lets them.
    if (watched.excess > watched.connection.openBodies * WINDOW_BYTES) watched.end()
  }
}
