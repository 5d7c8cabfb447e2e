// Counts the numbered events on a stream that gets only some of them, and those that do not come in order.

import { MARK_LENGTH, markAt, numberAt } from './sequence-check.ts'

export class OrderedCount {
  received = 0
  /** Not after the one before: repeated, or out of order. */
  disordered = 0
  #last = 0
  #carry: Buffer | undefined
  readonly #onEvent: () => void

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent
  }

  /** Keeps nothing of the chunk itself. */
  feed(chunk: Buffer): void {
    const bytes = this.#carry === undefined ? chunk : Buffer.concat([this.#carry, chunk])
    let end = 0
    for (let at = markAt(bytes, 0); at !== -1 && at + MARK_LENGTH <= bytes.length; at = markAt(bytes, end)) {
      end = at + MARK_LENGTH
      this.#count(numberAt(bytes, at))
    }
    // A mark may be cut at the end.
    const rest = Math.max(end, bytes.length - MARK_LENGTH + 1)
    this.#carry = rest < bytes.length ? Buffer.from(bytes.subarray(rest)) : undefined
  }

  #count(sequence: number): void {
    if (sequence <= this.#last) this.disordered++
    this.#last = Math.max(this.#last, sequence)
    this.received++
    this.#onEvent()
  }
}
