// What the log's thread lets other threads see without asking: how far the log is, and how much it holds.

import type { Position } from '../event.ts'
import type { LogUsage } from './event-log.ts'

// The head, and the four figures of usage.
const FIGURES = 5

export class SharedFigures {
  readonly memory: SharedArrayBuffer
  readonly #figures: BigInt64Array

  constructor(memory = new SharedArrayBuffer(FIGURES * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#figures = new BigInt64Array(memory)
  }

  get head(): Position {
    return this.#get(0)
  }

  get usage(): LogUsage {
    return { topics: this.#get(1), events: this.#get(2), bytes: this.#get(3), stateBytes: this.#get(4) }
  }

  set(head: Position, { topics, events, bytes, stateBytes }: LogUsage): void {
    // The head last: whoever sees it finds the states that were set up to there.
    for (const [at, figure] of [topics, events, bytes, stateBytes].entries()) this.#set(at + 1, figure)
    this.#set(0, head)
  }

  #get(at: number): number {
    return Number(Atomics.load(this.#figures, at))
  }

  #set(at: number, figure: number): void {
    Atomics.store(this.#figures, at, BigInt(figure))
  }
}
