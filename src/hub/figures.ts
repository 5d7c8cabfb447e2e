// What one thread of a hub has counted so far, as plain numbers that can be handed from thread to thread.

export interface HubFigures {
  readonly connections: number
  readonly streams: number
  readonly published: number
  readonly delivered: number
  readonly writes: number
  readonly gaps: number
  readonly fellBehind: number
  /** Subscribers at the head, and those that are not. */
  readonly live: number
  readonly behind: number
  readonly append: HistogramFigures
  readonly flush: HistogramFigures
}

/** Of a histogram in seconds. */
export interface HistogramFigures {
  /** The upper bounds of the buckets but the last, which has none. */
  readonly bounds: readonly number[]
  /** How many were counted up to each bound; the last: in all. */
  readonly counts: readonly number[]
}
