// What one connection makes the hub hold in memory: bodies that have begun to arrive, and answers that are not read yet.

import type { EventEmitter } from 'node:events'
import { MillraceError } from '../errors.ts'

// Smaller ones are not counted one by one: a connection has only so many streams for them.
const SMALL_BYTES = 4096

export class HeldBytes {
  readonly #maxBytes: number
  #total = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Counts one body or answer, for as long as its stream or response is open. */
  open(until: EventEmitter & { readonly destroyed: boolean }): HeldPiece {
    let counted = 0
    let isWatched = false
    const hold = (bytes: number): void => {
      const others = this.#total - counted
      const next = bytes < SMALL_BYTES || until.destroyed ? 0 : bytes
      // One always fits, however large.
      if (next > counted && others > 0 && others + next > this.#maxBytes) throw full(this.#maxBytes)
      this.#total = others + next
      counted = next
      if (next === 0 || isWatched) return
      isWatched = true
      until.once('close', () => hold(0))
    }
    return { hold }
  }
}

export interface HeldPiece {
  /** It has this many bytes now. Errors: MILLRACE_CONNECTION_FULL. */
  hold(bytes: number): void
}

function full(maxBytes: number): MillraceError {
  const detail = `Bodies that are under way and answers that wait take ${maxBytes} bytes on this connection.`
  return new MillraceError('MILLRACE_CONNECTION_FULL', detail, { retryAfter: 1 })
}
