// Finds the numbers of a stream's events in its bytes, and keeps exact account of what is lost, repeated or
// out of order. It does not parse: a benchmark's client must cost less than the server that it measures.

// With a character that no random name (a feed's, say) contains.
const MARK = 'SEQ#'
const DIGITS = 8
/** In bytes. */
export const MARK_LENGTH = MARK.length + DIGITS
const ZERO = 48
const [S, E, Q, HASH] = [83, 69, 81, 35]

/** The text that an event of this number carries in its data: `SEQ#` and eight digits. */
export function sequenceMark(sequence: number): string {
  return MARK + String(sequence).padStart(DIGITS, '0')
}

/** Data of so many bytes with the mark at its beginning. */
export function numberedData(sequence: number, bytes: number): string {
  return sequenceMark(sequence) + fillerOf(bytes)
}

let filler = ''

function fillerOf(bytes: number): string {
  const length = Math.max(0, bytes - MARK_LENGTH)
  if (filler.length !== length) filler = length === 0 ? '' : ' ' + 'x'.repeat(length - 1)
  return filler
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
  #distance = 0
  #shortest = Infinity

  /** `after`: the number before the first that is expected. */
  constructor(after: number, onEvent: (sequence: number) => void) {
    this.highest = after
    this.#onEvent = onEvent
  }

  /** How many numbers up to `last` have not come. */
  lost(last: number): number {
    return this.#missing.size + Math.max(0, last - this.highest)
  }

  /** Keeps nothing of the chunk itself. */
  feed(chunk: Buffer): void {
    const bytes = this.#carry ? Buffer.concat([this.#carry, chunk]) : chunk
    let end = 0
    for (let at = markAt(bytes, 0); at !== -1; at = this.#nextMark(bytes, at)) {
      if (at + MARK_LENGTH > bytes.length) break
      end = at + MARK_LENGTH
      this.#count(numberAt(bytes, at))
    }
    this.#carry = cutMark(bytes, end)
  }

  // Most often the next number stands as far from this one as this one from the last, since a run's events have one
  // size: looking there first makes them ten times cheaper to count. An event between the two would not be overlooked,
  // because a distance that has room for two is not learned.
  #nextMark(bytes: Buffer, at: number): number {
    const guess = at + this.#distance
    if (isMark(bytes, guess) && numberAt(bytes, guess) === this.highest + 1) return guess
    const next = markAt(bytes, at + MARK_LENGTH)
    if (next !== -1) this.#learn(next - at)
    return next
  }

  #learn(distance: number): void {
    this.#shortest = Math.min(this.#shortest, distance)
    this.#distance = distance < 2 * this.#shortest ? distance : 0
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

function isMark(bytes: Buffer, at: number): boolean {
  return bytes[at] === S && bytes[at + 1] === E && bytes[at + 2] === Q && bytes[at + 3] === HASH
}

/** Where the next mark stands, -1 if there is none; it may be cut at the end. */
export function markAt(bytes: Buffer, from: number): number {
  return bytes.indexOf(MARK, from)
}

/** The number of the mark that stands here, whole. */
export function numberAt(bytes: Buffer, at: number): number {
  let value = 0
  for (let digit = at + MARK.length; digit < at + MARK_LENGTH; digit++)
    value = value * 10 + bytes[digit]! - ZERO
  return value
}

/** What may be the beginning of a mark that the next chunk ends. */
function cutMark(bytes: Buffer, from: number): Buffer | undefined {
  const at = bytes.indexOf(S, Math.max(from, bytes.length - MARK_LENGTH + 1))
  return at === -1 ? undefined : Buffer.from(bytes.subarray(at))
}
