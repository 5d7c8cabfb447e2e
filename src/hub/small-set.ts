// A set that mostly has one member: of a hub's many topics, most have one audience, and most audiences one subscriber.
// A Set for it would take five times the memory.

/** Grows to a Set when a second member comes. Walked while it changes, it does as a Set does. */
export class SmallSet<T> {
  #only: T | undefined
  #members: Set<T> | undefined

  get size(): number {
    return this.#members?.size ?? (this.#only === undefined ? 0 : 1)
  }

  add(member: T): void {
    if (this.#members !== undefined) this.#members.add(member)
    else if (this.#only === undefined) this.#only = member
    else if (this.#only !== member) {
      this.#members = new Set([this.#only, member])
      this.#only = undefined
    }
  }

  /** Whether it was there. */
  delete(member: T): boolean {
    // A Set stays one: whoever is walking it must not miss what goes.
    if (this.#members !== undefined) return this.#members.delete(member)
    if (this.#only !== member) return false
    this.#only = undefined
    return true
  }

  forEach(visit: (member: T) => void): void {
    if (this.#members !== undefined) this.#members.forEach(visit)
    else if (this.#only !== undefined) visit(this.#only)
  }

  [Symbol.iterator](): Iterator<T> {
    if (this.#members !== undefined) return this.#members.values()
    return (this.#only === undefined ? [] : [this.#only]).values()
  }
}
