// How long to wait before another try: longer each time, never in step with other clients.

export interface BackoffOptions {
  readonly firstMs: number
  readonly maxMs: number
  /** How long to try in all without progress; 0 means for ever. */
  readonly giveUpAfterMs: number
}

export class Backoff {
  readonly #options: BackoffOptions
  #failures = 0
  #since: number | undefined

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** Counts a failure and returns the wait, or undefined when it is time to give up. */
  next(atLeastMs = 0): number | undefined {
    const { firstMs, maxMs, giveUpAfterMs } = this.#options
    const now = performance.now()
    this.#since ??= now
    const ceiling = Math.min(maxMs, firstMs * 2 ** this.#failures++)
    // What the server asked for is a floor, so the jitter is added to it.
    const waitMs = Math.max(ceiling * (0.5 + Math.random() / 2), atLeastMs * (1 + Math.random() / 4))
    return giveUpAfterMs > 0 && now + waitMs - this.#since > giveUpAfterMs ? undefined : waitMs
  }

  progressed(): void {
    this.#failures = 0
    this.#since = undefined
  }
}
