// A page of the log in one wire format, for every reader that stands within it: each takes what lies ahead of its own
// position, as a part of the same bytes.

import type { Position, StoredEvent } from '../event.ts'
import { pays, type CompressionRule } from '../gzip/rule.ts'
import { SharedChunk } from '../gzip/shared-text.ts'
import type { ReadPage } from '../log/event-log.ts'
import { frameSize, type Frames } from './frames.ts'

/** What a reader gets of a page. */
export interface PagePart {
  readonly chunk: Buffer
  /** The chunk for those who compress, if it is the whole page. */
  readonly shared?: SharedChunk
  readonly events: number
}

export class EncodedPage {
  /** The page holds everything that matches in `(from, to]` and was not lost when it was read. */
  readonly from: Position
  readonly to: Position
  /** Concerns only readers that stand before it. */
  readonly lostThrough: Position
  readonly losses: number
  /** About how much memory it takes, in bytes. */
  readonly size: number
  readonly #positions: readonly Position[]
  /** Only when the first reader has its turn: pages can arrive faster than they should be worked on. */
  #encode: (() => Frames) | undefined
  #frames: Frames | undefined
  readonly #rule: CompressionRule
  #shared: SharedChunk | undefined

  constructor(
    from: Position,
    page: ReadPage,
    encode: (events: readonly StoredEvent[]) => Frames,
    rule: CompressionRule,
  ) {
    this.#rule = rule
    this.from = from
    this.to = page.position
    this.lostThrough = page.lostThrough
    this.losses = page.losses
    this.#positions = page.events.map(event => event.position)
    this.size = page.events.reduce((size, event) => size + frameSize(event), 0)
    this.#encode = () => encode(page.events)
  }

  covers(after: Position): boolean {
    return this.from <= after && after < this.to
  }

  has(position: Position): boolean {
    return this.#positions[this.#countThrough(position) - 1] === position
  }

  /** What lies in `(after, through]`. */
  part(after: Position, through: Position = this.to): PagePart {
    const { chunk, ends } = this.#encoded()
    const first = this.#countThrough(after)
    const end = this.#countThrough(through)
    if (first === 0 && end === this.#positions.length) {
      return { chunk, shared: this.#share(chunk), events: end }
    }
    return { chunk: chunk.subarray(ends[first - 1] ?? 0, ends[end - 1] ?? 0), events: end - first }
  }

  #share(chunk: Buffer): SharedChunk {
    // Nobody knows how many will come: the first ones get it as it is.
    let readers = 0
    return (this.#shared ??= new SharedChunk(chunk, () => pays(this.#rule, chunk.length, ++readers)))
  }

  #encoded(): Frames {
    this.#frames ??= this.#encode!()
    // The events themselves are needed no more.
    this.#encode = undefined
    return this.#frames
  }

  /** How many of the events stand up to this position. */
  #countThrough(position: Position): number {
    let low = 0
    let high = this.#positions.length
    if (position <= this.from) return 0
    if (position >= this.to) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#positions[middle]! <= position) low = middle + 1
      else high = middle
    }
    return low
  }
}
