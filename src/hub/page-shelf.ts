// The pages that one kind of reader can share, those that are being read too.

import type { Position } from '../event.ts'
import type { EncodedPage } from './encoded-page.ts'

export class PageShelf {
  /** By `from`. None lies within another, so they stand in order of `to` as well. */
  readonly #pages: EncodedPage[] = []
  readonly #reads = new Map<Position, Promise<EncodedPage>>()

  get isEmpty(): boolean {
    return this.#pages.length === 0 && this.#reads.size === 0
  }

  /** Of the pages that lie ahead of a reader at this position, the one that takes it furthest. */
  find(after: Position): EncodedPage | undefined {
    const page = this.#pages[this.#countFrom(after) - 1]
    return page?.covers(after) === true ? page : undefined
  }

  /** The read under way that begins at this position: it brings what a reader there needs. */
  readingFrom(from: Position): Promise<EncodedPage> | undefined {
    return this.#reads.get(from)
  }

  /** The read under way that begins closest before this position: what it brings may reach beyond. */
  readingBefore(after: Position): Promise<EncodedPage> | undefined {
    let closest: Position | undefined
    for (const from of this.#reads.keys()) {
      if (from <= after && (closest === undefined || from > closest)) closest = from
    }
    return closest === undefined ? undefined : this.#reads.get(closest)
  }

  startRead(from: Position, read: Promise<EncodedPage>): void {
    this.#reads.set(from, read)
  }

  endRead(from: Position): void {
    this.#reads.delete(from)
  }

  /** Returns the pages that lie within this one and give way to it; itself, when it lies within another. */
  add(page: EncodedPage): EncodedPage[] {
    const before = this.#pages[this.#countFrom(page.from) - 1]
    if (before !== undefined && before.to >= page.to) return [page]
    const at = this.#countFrom(page.from - 1)
    let within = 0
    while (at + within < this.#pages.length && this.#pages[at + within]!.to <= page.to) within++
    return this.#pages.splice(at, within, page)
  }

  remove(page: EncodedPage): void {
    const at = this.#countFrom(page.from) - 1
    if (this.#pages[at] === page) this.#pages.splice(at, 1)
  }

  /** How many pages begin at this position or before it. */
  #countFrom(position: Position): number {
    let low = 0
    let high = this.#pages.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#pages[middle]!.from <= position) low = middle + 1
      else high = middle
    }
    return low
  }
}
