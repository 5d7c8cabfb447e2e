// How many connections the hub has. Each thread counts its own in memory that all of them see, so that a limit holds for
// the hub; what a thread that ended had is given back by clearing its counts.

// Connections, and sockets that may not have become one yet.
const COUNTS_PER_THREAD = 2

export class ConnectionCounts {
  readonly #counts: Int32Array
  readonly #own: number

  /** Memory for so many threads. */
  static memory(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(threads * COUNTS_PER_THREAD * Int32Array.BYTES_PER_ELEMENT)
  }

  /** `thread`: which of them this one is, from 0. */
  constructor(memory: SharedArrayBuffer = ConnectionCounts.memory(1), thread = 0) {
    this.#counts = new Int32Array(memory)
    this.#own = thread * COUNTS_PER_THREAD
  }

  /** Of all threads. */
  get connections(): number {
    return this.#sum(0)
  }

  /** Of all threads. */
  get sockets(): number {
    return this.#sum(1)
  }

  addConnections(change: 1 | -1): void {
    Atomics.add(this.#counts, this.#own, change)
  }

  addSockets(change: 1 | -1): void {
    Atomics.add(this.#counts, this.#own + 1, change)
  }

  /** The thread has ended. */
  clear(): void {
    for (let at = 0; at < COUNTS_PER_THREAD; at++) Atomics.store(this.#counts, this.#own + at, 0)
  }

  #sum(which: 0 | 1): number {
    let sum = 0
    for (let at = which; at < this.#counts.length; at += COUNTS_PER_THREAD) {
      sum += Atomics.load(this.#counts, at)
    }
    return sum
  }
}
