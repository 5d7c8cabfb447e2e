// A queue of events in order of position: the history of one topic.

import type { Position, StoredEvent } from '../event.ts'

/** Adds at the end, takes from the front, finds by position; all but the last in amortized constant time. */
export class Ring<E extends StoredEvent> {
  #events: (E | undefined)[] = []
  #start = 0

  get length(): number {
    return this.#events.length - this.#start
  }

  first(): E | undefined {
    return this.#events[this.#start]
  }

  last(): E | undefined {
    return this.#start < this.#events.length ? this.#events[this.#events.length - 1] : undefined
  }

  /** The event at this place, counted from the oldest; undefined past the end. */
  at(index: number): E | undefined {
    return this.#events[this.#start + index]
  }

  /** The events from this place to that one, which is not included. */
  slice(from: number, to: number): E[] {
    return this.#events.slice(this.#start + from, this.#start + to) as E[]
  }

  push(event: E): void {
    this.#events.push(event)
  }

  shift(): E | undefined {
    const event = this.#events[this.#start]
    if (event === undefined) return undefined
    this.#events[this.#start++] = undefined
    // Half of the array is spent: copying the rest now costs each event one move at the most.
    if (this.#start > 32 && this.#start * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#start)
      this.#start = 0
    }
    return event
  }

  /** Where the first event after this position stands; `length` when there is none. */
  indexAfter(position: Position): number {
    let low = this.#start
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#events[middle]!.position <= position) low = middle + 1
      else high = middle
    }
    return low - this.#start
  }
}
