// Tells how busy this process is, and, if it has a core to itself, keeps it from sleeping.

/**
 * While a receiver sleeps, each write of the server pays for waking it: measured on a virtual machine, up to twice
 * the CPU per delivery. A receiver that spins takes that noise out for every server alike.
 */
export class LoopMeter {
  readonly #isSpinning: boolean
  #startedAt = 0
  #busyMs = 0
  #isRunning = false
  #utilization = performance.eventLoopUtilization()

  constructor(isSpinning: boolean) {
    this.#isSpinning = isSpinning
  }

  start(): void {
    this.#startedAt = performance.now()
    this.#busyMs = 0
    this.#utilization = performance.eventLoopUtilization()
    this.#isRunning = true
    if (this.#isSpinning) this.#spin(this.#startedAt)
  }

  /** The share of time, 0 to 1, in which there was something to do. Near 1 the load generator is the limit. */
  stop(): number {
    this.#isRunning = false
    if (!this.#isSpinning) return performance.eventLoopUtilization(this.#utilization).utilization
    return this.#busyMs / (performance.now() - this.#startedAt)
  }

  #spin(before: number): void {
    setImmediate(() => {
      const now = performance.now()
      // An empty turn of the loop takes a few microseconds.
      if (now - before > IDLE_TURN_MS) this.#busyMs += now - before
      if (this.#isRunning) this.#spin(now)
    })
  }
}

const IDLE_TURN_MS = 0.03
