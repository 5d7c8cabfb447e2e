// Quantiles of what a histogram counted between two looks at it.

import type { HistogramFigures } from '../../hub/figures.ts'
import type { Quantiles } from '../../protocol/inspector.ts'

/** In milliseconds, as far as the buckets tell; undefined: nothing was counted. */
export function quantilesOf(counted: readonly number[], bounds: readonly number[]): Quantiles | undefined {
  const all = counted.at(-1) ?? 0
  if (all <= 0) return undefined
  return { p50: quantile(counted, bounds, 0.5 * all), p99: quantile(counted, bounds, 0.99 * all) }
}

/** How much each bucket has grown. Without a look before, nothing. */
export function growth(now: HistogramFigures, before: HistogramFigures | undefined): number[] {
  return now.counts.map((count, at) => (before === undefined ? 0 : count - before.counts[at]!))
}

export function sumOf(lists: readonly (readonly number[])[]): number[] {
  return (lists[0] ?? []).map((_, at) => lists.reduce((sum, list) => sum + list[at]!, 0))
}

/** Evenly spread within its bucket; in the last one, which has no end, at its beginning. */
function quantile(counted: readonly number[], bounds: readonly number[], rank: number): number {
  const at = counted.findIndex(count => count >= rank)
  const from = at === 0 ? 0 : bounds[at - 1]!
  const to = bounds[at] ?? from
  const below = at === 0 ? 0 : counted[at - 1]!
  return 1000 * (from + ((to - from) * (rank - below)) / (counted[at]! - below))
}
