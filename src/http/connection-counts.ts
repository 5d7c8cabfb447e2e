// How many connections the hub has, in all and by address. Each thread counts its own in memory that all of them see, so
// that a limit holds for the hub; what a thread that ended had is given back by clearing its counts.

import { randomInt } from 'node:crypto'
import { networkOf } from './network-of.ts'

// Connections, and sockets that may not have become one yet.
const TOTALS = 2

// Addresses share a count when their hashes do: with as many slots, hardly ever. The hash begins with a random number, so
// that nobody can choose whom to share with.
const SLOTS = 65_536

const COUNTS_PER_THREAD = TOTALS + SLOTS

export class ConnectionCounts {
  /** The number that hashes begin with, then the counts of each thread. */
  readonly #memory: Int32Array
  readonly #own: number

  /** Memory for so many threads. */
  static memory(threads: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer((1 + threads * COUNTS_PER_THREAD) * Int32Array.BYTES_PER_ELEMENT)
    new Int32Array(memory)[0] = randomInt(2 ** 31)
    return memory
  }

  /** `thread`: which of them this one is, from 0. */
  constructor(memory: SharedArrayBuffer = ConnectionCounts.memory(1), thread = 0) {
    this.#memory = new Int32Array(memory)
    this.#own = 1 + thread * COUNTS_PER_THREAD
  }

  /** Of all threads. */
  get connections(): number {
    return this.#sum(0)
  }

  /** Of all threads. */
  get sockets(): number {
    return this.#sum(1)
  }

  /** Of this address, in all threads. */
  connectionsOf(address: string): number {
    return this.#sum(TOTALS + this.#slotOf(address))
  }

  addConnections(change: 1 | -1, address: string): void {
    Atomics.add(this.#memory, this.#own, change)
    Atomics.add(this.#memory, this.#own + TOTALS + this.#slotOf(address), change)
  }

  addSockets(change: 1 | -1): void {
    Atomics.add(this.#memory, this.#own + 1, change)
  }

  /** The thread has ended. */
  clear(): void {
    for (let at = 0; at < COUNTS_PER_THREAD; at++) Atomics.store(this.#memory, this.#own + at, 0)
  }

  #sum(which: number): number {
    let sum = 0
    for (let at = 1 + which; at < this.#memory.length; at += COUNTS_PER_THREAD) {
      sum += Atomics.load(this.#memory, at)
    }
    return sum
  }

  // FNV-1a
  #slotOf(address: string): number {
    let hash = this.#memory[0]!
    for (const unit of networkOf(address)) hash = Math.imul(hash ^ unit.charCodeAt(0), 16_777_619)
    return (hash >>> 0) % SLOTS
  }
}
