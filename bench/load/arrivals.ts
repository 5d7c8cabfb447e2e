// Counts the events that arrive, and how long each was under way.

// Hundredths of a millisecond, up to 20 seconds: what took longer counts as that.
const STEPS_PER_MS = 100
const LAST = 20_000 * STEPS_PER_MS

export class Arrivals {
  /** Since `restart`. */
  count = 0
  /** When something last arrived: `performance.now()`. */
  lastAt = 0
  readonly #sentAt: readonly number[]
  readonly #latencies = new Uint32Array(LAST + 1)
  #awaited = Infinity
  #onAwaited = () => {}

  /** `sentAt`: when each event was sent, by its number. */
  constructor(sentAt: readonly number[]) {
    this.#sentAt = sentAt
  }

  restart(): void {
    this.count = 0
    this.#latencies.fill(0)
  }

  /** Resolves when so many events have arrived since `restart`. One can be waited for at a time. */
  reached(count: number): Promise<void> {
    if (this.count >= count) return Promise.resolve()
    this.#awaited = count
    return new Promise(resolve => void (this.#onAwaited = resolve))
  }

  /** Before the events that were read at once: asking for the time with each would cost more than the rest. */
  read(): void {
    this.lastAt = performance.now()
  }

  add(sequence: number): void {
    const steps = (this.lastAt - this.#sentAt[sequence]!) * STEPS_PER_MS
    this.#latencies[Math.min(LAST, Math.trunc(steps))]!++
    if (++this.count < this.#awaited) return
    this.#awaited = Infinity
    this.#onAwaited()
  }

  /** The latency in milliseconds that at least `percent` of the events did not exceed; NaN of none. */
  percentile(percent: number): number {
    if (this.count === 0) return Number.NaN
    const rank = Math.max(1, Math.ceil((this.count * percent) / 100))
    let step = 0
    for (let seen = this.#latencies[0]!; seen < rank; seen += this.#latencies[step]!) step++
    return step / STEPS_PER_MS
  }
}
