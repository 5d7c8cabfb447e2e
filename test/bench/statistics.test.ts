// What the benchmarks make of their figures.

import t from 'tap'
import { median, percentile, slope } from '../../bench/support/statistics.ts'

t.test('the slope of a line is its slope, and noise around it does not bend it', async t => {
  const noise = [1, -1, -1, 1]
  const points = Array.from({ length: 40 }, (_, at) => [at, 5 + 0.25 * at + noise[at % 4]!] as const)
  t.ok(Math.abs(slope(points) - 0.25) < 0.01)
  t.equal(
    slope([
      [0, 3],
      [1, 3],
      [2, 3],
    ]),
    0,
  )
  t.ok(Number.isNaN(slope([[1, 1]])))
})

t.test('a median is the middle, or between the two in the middle', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
})

t.test('a percentile is the smallest value that so many do not exceed', async t => {
  const values = Array.from({ length: 100 }, (_, at) => at + 1)
  t.equal(percentile(values, 50), 50)
  t.equal(percentile(values, 99), 99)
  t.equal(percentile([7], 1), 7)
})
