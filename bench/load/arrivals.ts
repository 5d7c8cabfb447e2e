// When the expected number of events has arrived, and how long each took.

export class Arrivals {
  /** When the latest arrived: `performance.now()`. */
  lastAt = 0
  readonly #sentAt: readonly number[]
  #latencies = new Float64Array(0)
  #count = 0
  #onAll = () => {}

  /** `sentAt`: when each event was sent, by its number. */
  constructor(sentAt: readonly number[]) {
    this.#sentAt = sentAt
  }

  /** Starts anew; resolves when so many events have arrived. */
  expect(count: number): Promise<void> {
    this.#latencies = new Float64Array(count)
    this.#count = 0
    return new Promise(resolve => void (this.#onAll = resolve))
  }

  add(sequence: number): void {
    this.lastAt = performance.now()
    this.#latencies[this.#count++] = this.lastAt - this.#sentAt[sequence]!
    if (this.#count === this.#latencies.length) this.#onAll()
  }

  /** Of all that arrived, in milliseconds, sorted. */
  latencies(): Float64Array {
    return this.#latencies.subarray(0, this.#count).sort()
  }
}
