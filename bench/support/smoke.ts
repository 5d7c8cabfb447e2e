// What the smoke test holds ratios against: far from what they are on a quiet machine, near enough to notice a hot path
// that is lost. Ratios only: an absolute time says more about the machine.

import type { Ratio } from './benchmark.ts'

export interface Bound {
  readonly scenario: string
  readonly figure: string
  readonly by: string
  readonly least?: number
  readonly most?: number
}

const CPU = 'server CPU, us a delivery'

export const BOUNDS: readonly Bound[] = [
  { scenario: 'fan-out', figure: `paced: ${CPU}`, by: 'fastify-sse-v2', most: 0.9 },
  { scenario: 'fan-out', figure: 'as fast as it goes: deliveries/s', by: 'fastify-sse-v2', least: 3 },
  { scenario: 'connections', figure: `paced: ${CPU}`, by: 'fastify-sse-v2', most: 1.2 },
  { scenario: 'connections', figure: 'as fast as it goes: deliveries/s', by: 'fastify-sse-v2', least: 3 },
]

interface Found {
  readonly name: string
  readonly ratios?: readonly Ratio[]
}

/** One line for each ratio that is beyond its bound, or was not measured. */
export function missed(found: readonly Found[], bounds: readonly Bound[] = BOUNDS): string[] {
  return bounds.flatMap(({ scenario, figure, by, least = -Infinity, most = Infinity }) => {
    const ratios = found.find(({ name }) => name === scenario)?.ratios ?? []
    const value = ratios.find(ratio => ratio.figure === figure && ratio.by === by)?.value ?? Number.NaN
    if (value >= least && value <= most) return []
    const bound = least === -Infinity ? `at most ${most}` : `at least ${least}`
    return [`FAILED: ${scenario}, ${figure}: ${value.toFixed(2)} of ${by}'s, and should be ${bound}`]
  })
}
