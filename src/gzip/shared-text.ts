// The text that all subscribers of an audience get, compressed once for all of them: chunk by chunk, each either by
// itself or with the text before it as its dictionary, for those who have had that without interruption.

import { crc32 } from 'node:zlib'
import { deflated, DICTIONARY_BYTES, stored, type Pieces } from './deflate.ts'

// By itself, less than this does not get much smaller.
const MIN_ALONE_BYTES = 512

// Compressing holds up everybody else: about 7 ms a MiB.
const MAX_DEFLATED_BYTES = 1024 * 1024

const NOTHING = Buffer.alloc(0)

// Never 0: that is no text.
let texts = 0

/** A stretch of a text, and the forms in which it is sent. Each is made when somebody needs it, and once. */
export class SharedChunk {
  readonly bytes: Buffer
  /** Which text; a number, so that nobody who remembers it holds the text. */
  readonly text: number
  /** Where it begins and ends in the text, and the text's CRC-32 there. */
  readonly from: number
  readonly fromCrc: number
  readonly to: number
  readonly #pays: () => boolean
  readonly #dictionary: Buffer
  #toCrc: number | undefined
  #stored: Pieces | undefined
  #alone: Pieces | undefined
  #inContext: Pieces | undefined

  /** `pays`: whether to compress it, asked each time that somebody takes it; otherwise it is sent as it is. */
  constructor(
    bytes: Buffer,
    pays: () => boolean,
    text = ++texts,
    from = 0,
    fromCrc = 0,
    dictionary: Buffer = NOTHING,
  ) {
    this.bytes = bytes
    this.text = text
    this.from = from
    this.fromCrc = fromCrc
    this.to = from + bytes.length
    this.#pays = pays
    this.#dictionary = dictionary
  }

  get toCrc(): number {
    return (this.#toCrc ??= crc32(this.bytes, this.fromCrc >>> 0) | 0)
  }

  /** For somebody who has had all of the text from this offset on, and nothing else since. */
  encoded(since: number): Pieces {
    const isTooLarge = this.bytes.length > MAX_DEFLATED_BYTES
    if (isTooLarge || !this.#pays()) return (this.#stored ??= stored(this.bytes))
    if (this.#dictionary.length > 0 && since <= this.from - this.#dictionary.length) {
      return (this.#inContext ??= deflated(this.bytes, this.#dictionary))
    }
    if (this.bytes.length < MIN_ALONE_BYTES) return (this.#stored ??= stored(this.bytes))
    return (this.#alone ??= deflated(this.bytes))
  }
}

export class SharedText {
  readonly #id = ++texts
  #length = 0
  #crc = 0
  /** The last of it. */
  #tail: Buffer = NOTHING

  /** The text goes on with these bytes, which are not empty. */
  next(bytes: Buffer, pays: () => boolean): SharedChunk {
    const chunk = new SharedChunk(bytes, pays, this.#id, this.#length, this.#crc, this.#tail)
    this.#length = chunk.to
    this.#crc = chunk.toCrc
    this.#tail = tailOf(this.#tail, bytes)
    return chunk
  }
}

// A copy: a part of a large chunk would hold all of it.
function tailOf(tail: Buffer, bytes: Buffer): Buffer {
  const kept = Math.min(tail.length, Math.max(0, DICTIONARY_BYTES - bytes.length))
  return Buffer.concat([tail.subarray(tail.length - kept), bytes.subarray(-DICTIONARY_BYTES)])
}
