// Catching up in turns: every reader gets a step in each turn of the event loop until the time for it is up. Reads that
// take long, on a disk or another thread, run side by side, and nobody whose page is in memory waits for them.

/**
 * What a step came to: `again` asks for another one, in this turn if there is time. A promise is a read that the reader
 * waits for, `no lane` that the log has enough to do: the next step comes when that has changed. Undefined: no more steps.
 */
export type ReadStep = Promise<void> | 'again' | 'no lane' | undefined

export interface Reader {
  readOn(): ReadStep
}

// Catching up gets this much of a turn before other work has its chance, in milliseconds.
const READ_TURN_MS = 4

export class ReadTurns<R extends Reader> {
  readonly #hasLane: () => boolean
  readonly #fail: (reader: R, error: unknown) => void
  #thisTurn = new Queue<R>()
  #nextTurn = new Queue<R>()
  /** They wait for a read; then they have `#arrived`. */
  readonly #reading = new Set<R>()
  readonly #arrived = new Queue<R>()
  /** They wait for a lane. */
  readonly #laneless = new Queue<R>()
  #isScheduled = false

  /** `fail` is told whose read failed. */
  constructor(hasLane: () => boolean, fail: (reader: R, error: unknown) => void) {
    this.#hasLane = hasLane
    this.#fail = fail
  }

  /** Has the reader take a step soon; if it waits for a read, when that is done. */
  queue(reader: R): void {
    this.#nextTurn.add(reader)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => void this.#turn())
  }

  async #turn(): Promise<void> {
    const deadline = performance.now() + READ_TURN_MS
    if (this.#thisTurn.size === 0) [this.#thisTurn, this.#nextTurn] = [this.#nextTurn, this.#thisTurn]
    for (let reader; (reader = this.#next()) !== undefined;) {
      // Who is at the head a turn later may find that it has moved: what memory answers at once is used at once.
      if (this.#step(reader)) await promisesSettled()
      if (performance.now() > deadline) break
    }
    this.#isScheduled = false
    const isIdle = this.#thisTurn.size + this.#nextTurn.size + this.#arrived.size === 0
    if (!isIdle || (this.#laneless.size > 0 && this.#hasLane())) this.#schedule()
  }

  // Pages that have arrived are used before others are asked for: few of them are in memory at a time.
  #next(): R | undefined {
    const arrived = this.#arrived.take()
    if (arrived !== undefined) return arrived
    return (this.#hasLane() ? this.#laneless.take() : undefined) ?? this.#thisTurn.take()
  }

  /** Returns whether the reader waits for a read now. */
  #step(reader: R): boolean {
    // One read at a time: when it is done, the next step follows anyway.
    if (this.#reading.has(reader)) return false
    let step: ReadStep
    try {
      step = reader.readOn()
    } catch (error) {
      this.#fail(reader, error)
      return false
    }
    if (step === 'again') this.#thisTurn.add(reader)
    if (step === 'no lane') this.#laneless.add(reader)
    if (!(step instanceof Promise)) return false
    this.#reading.add(reader)
    void step.catch((error: unknown) => this.#fail(reader, error)).then(() => this.#arrive(reader))
    return true
  }

  #arrive(reader: R): void {
    this.#reading.delete(reader)
    this.#arrived.add(reader)
    this.#schedule()
  }
}

/** Resolves when no promise is left whose callbacks could run now. */
function promisesSettled(): Promise<void> {
  return new Promise(resolve => queueMicrotask(() => process.nextTick(resolve)))
}

/** First in, first out, each once. */
class Queue<T> {
  readonly #items = new Set<T>()
  // A new iterator would pass all that were taken, until the set is tidied up.
  #next = this.#items.values()

  get size(): number {
    return this.#items.size
  }

  add(item: T): void {
    this.#items.add(item)
  }

  take(): T | undefined {
    if (this.#items.size === 0) return undefined
    let next = this.#next.next()
    if (next.done === true) next = (this.#next = this.#items.values()).next()
    this.#items.delete(next.value!)
    return next.value
  }
}
