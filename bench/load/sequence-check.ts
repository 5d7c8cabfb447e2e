// Finds the numbers of a stream's events in its bytes, and keeps exact account of what is lost, repeated or
// out of order. It does not parse: a benchmark's client must cost less than the server that it measures.

// With a character that no random name (a feed's, say) contains.
const MARK = 'SEQ#'
const DIGITS = 8
const LENGTH = MARK.length + DIGITS
const ZERO = 48
const S = 83

/** The text that an event of this number carries in its data: `SEQ#` and eight digits. */
export function sequenceMark(sequence: number): string {
  return MARK + String(sequence).padStart(DIGITS, '0')
}

export class SequenceCheck {
  received = 0
  repeated = 0
  outOfOrder = 0
  /** The highest number so far. */
  highest: number
  readonly #missing = new Set<number>()
  readonly #onEvent: (sequence: number) => void
  #carry: Buffer | undefined

  /** `after`: the number before the first that is expected. */
  constructor(after: number, onEvent: (sequence: number) => void) {
    this.highest = after
    this.#onEvent = onEvent
  }

  /** How many numbers up to `last` have not come. */
  lost(last: number): number {
    return this.#missing.size + Math.max(0, last - this.highest)
  }

  feed(chunk: Buffer): void {
    const bytes = this.#carry ? Buffer.concat([this.#carry, chunk]) : chunk
    this.#carry = undefined
    let end = 0
    for (let at = bytes.indexOf(MARK); at !== -1; at = bytes.indexOf(MARK, end)) {
      if (at + LENGTH > bytes.length) break
      end = at + LENGTH
      this.#count(numberAt(bytes, at + MARK.length))
    }
    this.#carry = cutMark(bytes, end)
  }

  #count(sequence: number): void {
    this.received++
    if (sequence === this.highest + 1) this.highest = sequence
    else this.#countUnexpected(sequence)
    this.#onEvent(sequence)
  }

  #countUnexpected(sequence: number): void {
    for (let missing = this.highest + 1; missing < sequence; missing++) this.#missing.add(missing)
    if (sequence > this.highest) this.highest = sequence
    else if (this.#missing.delete(sequence)) this.outOfOrder++
    else this.repeated++
  }
}

function numberAt(bytes: Buffer, start: number): number {
  let value = 0
  for (let at = start; at < start + DIGITS; at++) value = value * 10 + bytes[at]! - ZERO
  return value
}

/** What may be the beginning of a mark that the next chunk ends. */
function cutMark(bytes: Buffer, from: number): Buffer | undefined {
  const at = bytes.indexOf(S, Math.max(from, bytes.length - LENGTH + 1))
  return at === -1 ? undefined : Buffer.from(bytes.subarray(at))
}
