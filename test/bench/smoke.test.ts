// The smoke test of CI: a bound that nothing can break guards nothing.

import t from 'tap'
import { BOUNDS, missed } from '../../bench/support/smoke.ts'
import { smokeTest } from '../../bench/support/scenarios.ts'

const bounds = [
  { scenario: 's', figure: 'rate', by: 'b', least: 2 },
  { scenario: 's', figure: 'cost', by: 'b', most: 0.8 },
]

function found(rate: number, cost: number) {
  return [
    {
      name: 's',
      ratios: [
        { figure: 'rate', by: 'b', value: rate },
        { figure: 'cost', by: 'b', value: cost },
      ],
    },
  ]
}

t.test('ratios within their bounds pass', async t => {
  t.same(missed(found(2, 0.8), bounds), [])
})

t.test('a ratio beyond its bound is named', async t => {
  t.match(missed(found(1.9, 0.4), bounds), [/^FAILED: s, rate: 1.90 of b's, and should be at least 2$/])
  t.match(missed(found(5, 0.9), bounds), [/^FAILED: s, cost: 0.90 of b's, and should be at most 0.8$/])
})

t.test('a ratio that was not measured fails', async t => {
  t.equal(missed([], bounds).length, 2)
  t.equal(missed([{ name: 's' }], bounds).length, 2)
  t.equal(missed(found(Number.NaN, 0.4), bounds).length, 1)
})

t.test('every bound is on a scenario that the smoke test runs', async t => {
  const names = smokeTest.map(({ name }) => name)
  for (const { scenario } of BOUNDS) t.ok(names.includes(scenario), scenario)
})
