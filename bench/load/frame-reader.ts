// Takes HTTP/2 frames (RFC 9113, section 4.1) out of the bytes of a connection, cut anywhere, without copying what DATA
// frames carry.

import { FRAME } from '../../test/support/raw-http2.ts'

export interface FrameTaker {
  /** A part of what a DATA frame carries. The bytes are the taker's during the call only. */
  data(stream: number, bytes: Buffer): void
  /** Every other frame, whole; of DATA frames those that carry nothing, or end a stream, once they were taken. */
  frame(type: number, flags: number, stream: number, payload: Buffer): void
}

const HEAD = 9
const END_STREAM = 1
const PADDED = 8
const NOTHING = Buffer.alloc(0)

export class FrameReader {
  readonly #taker: FrameTaker
  readonly #head = Buffer.alloc(HEAD)
  /** Of the current frame: how much of its head has come, and how much of its payload has not. */
  #headLength = 0
  #left = 0
  #type = 0
  #flags = 0
  #stream = 0
  #payload = NOTHING

  constructor(taker: FrameTaker) {
    this.#taker = taker
  }

  feed(bytes: Buffer, length = bytes.length): void {
    for (let at = 0; at < length;) {
      at = this.#headLength < HEAD ? this.#readHead(bytes, at, length) : this.#readPayload(bytes, at, length)
    }
  }

  #readHead(bytes: Buffer, at: number, length: number): number {
    if (this.#headLength === 0 && length - at >= HEAD) {
      this.#start(bytes, at)
      return at + HEAD
    }
    const taken = Math.min(HEAD - this.#headLength, length - at)
    bytes.copy(this.#head, this.#headLength, at, at + taken)
    this.#headLength += taken
    if (this.#headLength === HEAD) this.#start(this.#head, 0)
    return at + taken
  }

  #start(head: Buffer, at: number): void {
    this.#headLength = HEAD
    this.#left = (head[at]! << 16) | (head[at + 1]! << 8) | head[at + 2]!
    this.#type = head[at + 3]!
    this.#flags = head[at + 4]!
    this.#stream = head.readUInt32BE(at + 5) & 0x7fffffff
    // No server of ours pads; counting the padding as text would be wrong.
    if (this.#type === FRAME.data && (this.#flags & PADDED) !== 0) throw new Error('a DATA frame is padded')
    if (this.#left === 0) this.#finish()
  }

  #readPayload(bytes: Buffer, at: number, length: number): number {
    const end = Math.min(length, at + this.#left)
    this.#left -= end - at
    if (this.#type === FRAME.data) this.#taker.data(this.#stream, bytes.subarray(at, end))
    else this.#payload = Buffer.concat([this.#payload, bytes.subarray(at, end)])
    if (this.#left === 0) this.#finish()
    return end
  }

  #finish(): void {
    this.#headLength = 0
    const payload = this.#payload
    this.#payload = NOTHING
    if (this.#type !== FRAME.data || (this.#flags & END_STREAM) !== 0) {
      this.#taker.frame(this.#type, this.#flags, this.#stream, payload)
    }
  }
}
