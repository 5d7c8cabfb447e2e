// Visits each of many members once per interval, a few at a time: one timer for all, and no burst of work when it fires.

const SLOTS = 16

export class Rounds<T> {
  readonly #slots: Set<T>[] = Array.from({ length: SLOTS }, () => new Set<T>())
  readonly #timer: NodeJS.Timeout
  #next = 0
  #added = 0

  constructor(intervalMs: number, visit: (member: T) => void) {
    this.#timer = setInterval(
      () => {
        this.#next = (this.#next + 1) % SLOTS
        this.#slots[this.#next]!.forEach(visit)
      },
      Math.max(1, intervalMs / SLOTS),
    ).unref()
  }

  /** Returns the function that takes the member out again. */
  add(member: T): () => void {
    const slot = this.#slots[this.#added++ % SLOTS]!
    slot.add(member)
    return () => slot.delete(member)
  }

  close(): void {
    clearInterval(this.#timer)
  }
}
