// Holds what a client that calls back was given, and lets a test wait for more.

const PATIENCE_MS = 20_000

export class Inbox<T> {
  readonly items: T[] = []
  #arrived = Promise.withResolvers<void>()

  push(item: T): void {
    this.items.push(item)
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers()
  }

  /** The first so many items, as soon as they are there. Rejects when nothing comes for long. */
  async take(count: number): Promise<T[]> {
    while (this.items.length < count) await this.#next(`${this.items.length} of ${count} items came`)
    return this.items.slice(0, count)
  }

  /** The first item that fits, come or to come. */
  async find(fits: (item: T) => boolean): Promise<T> {
    for (let from = 0; ;) {
      const at = this.items.findIndex((item, index) => index >= from && fits(item))
      if (at !== -1) return this.items[at]!
      from = this.items.length
      await this.#next(`no item of ${from} fits`)
    }
  }

  async #next(complaint: string): Promise<void> {
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(new Error(`${complaint}: ${this.#newest()}`)), PATIENCE_MS)
    void this.#arrived.promise.then(resolve)
    await promise.finally(() => clearTimeout(timer))
  }

  #newest(): string {
    return JSON.stringify(this.items.slice(-5)).slice(0, 1000)
  }
}
