// Events of all topics in one order, for reads that follow many topics. Any event can be taken out, from wherever
// it stands: a journal costs memory for what is in it, not for the span of positions that it covers.

import type { Position, StoredEvent } from '../event.ts'

/** An event that a journal holds. `isGone` says that it was taken out of the history since. */
export interface JournalEntry extends StoredEvent {
  isGone: boolean
}

interface Segment {
  /** In order of position; entries that were taken out stay until they are half of it. */
  entries: JournalEntry[]
  held: number
}

const SEGMENT_ENTRIES = 1024

export class Journal {
  #segments: Segment[] = []

  push(entry: JournalEntry): void {
    const newest = this.#segments.at(-1)
    if (newest !== undefined && newest.entries.length < SEGMENT_ENTRIES) {
      newest.entries.push(entry)
      newest.held++
    } else {
      this.#segments.push({ entries: [entry], held: 1 })
    }
  }

  /** Takes an entry out: call it once for an entry, having set `isGone`. */
  remove(entry: JournalEntry): void {
    const at = this.#segmentAfter(entry.position - 1)
    const segment = this.#segments[at]!
    segment.held--
    if (segment.held === 0) this.#segments.splice(at, 1)
    else if (segment.held * 2 < segment.entries.length) {
      segment.entries = segment.entries.filter(each => !each.isGone)
    }
  }

  /**
   * Visits entries in order, those in `(after, through]`, until `visit` returns false or `most` were looked at.
   * Returns the position of the last entry it looked at, or undefined when it came to the end of the range.
   */
  scan(
    after: Position,
    through: Position,
    most: number,
    visit: (entry: JournalEntry) => boolean,
  ): Position | undefined {
    let looked = 0
    for (let at = this.#segmentAfter(after); at < this.#segments.length; at++) {
      const { entries } = this.#segments[at]!
      for (let index = indexAfter(entries, after); index < entries.length; index++) {
        const entry = entries[index]!
        if (entry.position > through) return undefined
        if (!entry.isGone && !visit(entry)) return entry.position
        if (++looked === most) return entry.position
      }
    }
    return undefined
  }

  /** The first segment that holds anything after this position. */
  #segmentAfter(position: Position): number {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#segments[middle]!.entries.at(-1)!.position <= position) low = middle + 1
      else high = middle
    }
    return low
  }
}

function indexAfter(entries: readonly JournalEntry[], position: Position): number {
  if (entries[0]!.position > position) return 0
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (entries[middle]!.position <= position) low = middle + 1
    else high = middle
  }
  return low
}
