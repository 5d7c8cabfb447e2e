// What bench/tokens.ts makes of its turns: a machine that gets slower meanwhile must not look like a token's cost.

import t from 'tap'
import type { PhaseTurns } from '../../bench/load/tokens-load.ts'
import { faults, ratios, tokensReport, type Results } from '../../bench/support/tokens-report.ts'

const sides = ['open', 'ballast', 'tokens'] as const

/** One run with a phase of POSTs; CPU of each turn, by hub. */
function run(open: number[], ballast: number[], tokens: number[], failures = [0, 0, 0]) {
  const turns = (micros: number[]) => micros.map(each => ({ perSecond: 1e6 / each, microsPerEvent: each }))
  const phase: PhaseTurns = {
    phase: { kind: 'in-flight', count: 16, bytes: 100 },
    hubs: [open, ballast, tokens].map(turns),
  }
  return { phases: [phase], failures }
}

function resultsOf(...publish: ReturnType<typeof run>[]): Results {
  return { sides, publish, fanOut: new Map(sides.map(side => [side, []])) }
}

t.test('neighbours are compared, whatever the machine did between turns', async t => {
  const slower = [100, 200, 400]
  const results = resultsOf(
    run(
      slower,
      slower.map(each => each * 1.03),
      slower.map(each => each * 1.04),
    ),
  )
  const found = ratios(results).filter(({ figure }) => figure.includes('CPU'))
  t.match(found, [
    { figure: /^POST, 16 in flight, 100 bytes/, by: 'open', value: 1.04 },
    { by: 'ballast', value: 1.04 / 1.03 },
  ])
  t.notMatch(tokensReport(results), /beyond the aim/)
  t.match(tokensReport(results), /every event was kept/)
})

t.test('what costs more than the aim is named, with how far runs are apart', async t => {
  const text = tokensReport(resultsOf(run([100], [105], [110]), run([100], [105], [106])))
  t.match(text, /beyond the aim of 1.05: POST, 16 in flight, 100 bytes, 1.080 by open/)
  t.notMatch(text, /beyond.*by ballast/)
  t.match(text, /1\.080 +1\.06-1\.10/)
})

t.test('an event that was not kept is a fault of its hub', async t => {
  const results = resultsOf(run([1], [1], [1]), run([1], [1], [1], [0, 0, 2]))
  t.same(faults(results), ['FAULT in run 2 of tokens: 2 events were not kept, or not counted once'])
  t.notMatch(tokensReport(results), /every event was kept/)
})
