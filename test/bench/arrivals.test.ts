// Latencies are counted in steps instead of kept one by one: that must not move a percentile.

import t from 'tap'
import { Arrivals } from '../../bench/load/arrivals.ts'

/** Arrivals of events that were under way for so many milliseconds. */
function arrived(latencies: readonly number[]): Arrivals {
  const arrivals = new Arrivals(latencies.map(latency => -latency))
  arrivals.lastAt = 0
  for (const sequence of latencies.keys()) arrivals.add(sequence)
  return arrivals
}

t.test('percentiles are those of the latencies, to a hundredth of a millisecond', async t => {
  const latencies = Array.from({ length: 1000 }, (_, at) => ((at * 7919) % 1000) / 8)
  const arrivals = arrived(latencies)
  const sorted = latencies.toSorted((a, b) => a - b)
  for (const percent of [1, 50, 99, 100]) {
    t.ok(Math.abs(arrivals.percentile(percent) - sorted[percent * 10 - 1]!) <= 0.01, `${percent}%`)
  }
})

t.test('what takes longer than can be told counts as the longest, and none has no percentile', async t => {
  t.equal(arrived([1, 1_000_000]).percentile(99), 20_000)
  t.ok(Number.isNaN(arrived([]).percentile(50)))
})

t.test('so many are waited for, counted anew after each restart', async t => {
  const arrivals = arrived([1, 1, 1])
  await arrivals.reached(3)
  arrivals.restart()
  let isReached = false
  const reached = arrivals.reached(2).then(() => void (isReached = true))
  arrivals.add(0)
  await Promise.resolve()
  t.notOk(isReached)
  arrivals.add(1)
  await reached
  t.equal(arrivals.percentile(100), 1)
})
