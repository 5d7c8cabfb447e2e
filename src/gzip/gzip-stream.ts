// One client's gzip stream: which forms of the shared chunks it can take, and the checksum of everything it was sent. No
// compressor: the state is a few numbers, whatever goes by.

import { crc32 } from 'node:zlib'
import { EMPTY_BLOCK, GZIP_HEAD, gzipEnd, stored, type Pieces } from './deflate.ts'
import { shiftCrc } from './crc32.ts'
import type { SharedChunk } from './shared-text.ts'

/** What all streams together were to carry, and what was sent for it, in bytes. */
export interface GzipTotals {
  plainBytes: number
  sentBytes: number
}

export class GzipStream {
  readonly #totals: GzipTotals
  /** The text that it has had everything of in `[#since, #end)`, and nothing else since; 0: none. */
  #text = 0
  #since = 0
  #end = 0
  /** The text's CRC at `#end`. */
  #endCrc = 0
  /** The CRC of what came before `#since`; with a text, that of the text up to there is taken off. */
  #crc = 0
  /** How much came before `#since`. */
  #length = 0
  #hasBegun = false

  constructor(totals: GzipTotals) {
    this.#totals = totals
  }

  /** Bytes for this client alone. */
  personal(bytes: Buffer): Pieces {
    this.#leaveText()
    this.#crc = crc32(bytes, this.#crc >>> 0) | 0
    this.#length += bytes.length
    return this.#count(bytes.length, this.#begun(stored(bytes)))
  }

  /** Bytes that others get too. */
  shared(chunk: SharedChunk): Pieces {
    if (chunk.text !== this.#text || chunk.from !== this.#end) this.#enterText(chunk)
    this.#end = chunk.to
    this.#endCrc = chunk.toCrc
    return this.#count(chunk.bytes.length, this.#begun(chunk.encoded(this.#since)))
  }

  /** Something to send that brings nothing, and does not interrupt the shared text. */
  nothing(): Pieces {
    return this.#count(0, this.#begun(EMPTY_BLOCK))
  }

  /** Nothing may follow it. */
  end(): Pieces {
    this.#leaveText()
    return this.#count(0, this.#begun(gzipEnd(this.#crc, this.#length)))
  }

  #begun(pieces: Pieces): Pieces {
    if (this.#hasBegun) return pieces
    this.#hasBegun = true
    const [first, ...others] = pieces
    return first === undefined ? [GZIP_HEAD] : [Buffer.concat([GZIP_HEAD, first]), ...others]
  }

  #count(plainBytes: number, pieces: Pieces): Pieces {
    this.#totals.plainBytes += plainBytes
    for (const piece of pieces) this.#totals.sentBytes += piece.length
    return pieces
  }

  #enterText({ text, from, fromCrc }: SharedChunk): void {
    this.#leaveText()
    this.#text = text
    this.#since = from
    this.#crc ^= fromCrc
  }

  // CRCs are linear: the CRC of `[since, end)` is the text's at `end` less the text's at `since`, shifted.
  #leaveText(): void {
    if (this.#text === 0) return
    const length = this.#end - this.#since
    this.#crc = shiftCrc(this.#crc, length) ^ this.#endCrc
    this.#length += length
    this.#text = 0
  }
}
