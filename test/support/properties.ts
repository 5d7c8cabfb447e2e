// Runs property tests with a seed that is printed, so that a failure can be replayed: TEST_SEED=… tap run FILE.
// TEST_SCALE=10 tries ten times as many cases.

import fc, { type IAsyncProperty, type IProperty, type Parameters } from 'fast-check'
import type { Test } from 'tap'

const given = process.env.TEST_SEED
const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given)
const scale = Number(process.env.TEST_SCALE ?? 1)

/** Fails the test, with the smallest counterexample that was found, when the property does not hold. */
export async function holds<Values extends [unknown, ...unknown[]]>(
  t: Test,
  property: IProperty<Values> | IAsyncProperty<Values>,
  parameters: Parameters<Values> = {},
): Promise<void> {
  const { numRuns = 100, ...others } = parameters
  const details = await fc.check(property, {
    seed,
    endOnFailure: process.env.TEST_NO_SHRINK !== undefined,
    numRuns: Math.ceil(numRuns * scale),
    ...others,
  })
  const title = `holds for ${details.numRuns} cases of seed ${seed}`
  if (!details.failed) return void t.pass(title)
  const { counterexample, errorInstance: error } = details
  t.fail(title, {
    error: error instanceof Error ? error.stack : error,
    counterexample: JSON.stringify(counterexample),
  })
}
