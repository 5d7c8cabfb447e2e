// A small set against a Set.

import fc from 'fast-check'
import t from 'tap'
import { SmallSet } from '../../src/hub/small-set.ts'
import { holds } from '../support/properties.ts'

t.test('a small set is a set, also while it is walked', async t => {
  const change = fc.record({ isAdd: fc.boolean(), member: fc.constantFrom('a', 'b', 'c') })
  const changes = fc.array(change, { maxLength: 12 })
  const property = fc.property(changes, changes, (before, during) => {
    const [small, set] = [new SmallSet<string>(), new Set<string>()]
    // Of those that come while a set is walked, a small one may show fewer.
    const removals = during.filter(({ isAdd }) => !isAdd)
    return (
      before.every(each => isSameChange(small, set, each)) &&
      isSame(walked(small, removals), walked(set, removals)) &&
      during.every(each => isSameChange(small, set, each))
    )
  })
  await holds(t, property, { numRuns: 2000 })
})

type Either = SmallSet<string> | Set<string>

function isSameChange(
  small: SmallSet<string>,
  set: Set<string>,
  change: { isAdd: boolean; member: string },
): boolean {
  const { isAdd, member } = change
  if (isAdd) {
    small.add(member)
    set.add(member)
  } else if (small.delete(member) !== set.delete(member)) return false
  const visited: string[] = []
  small.forEach(each => void visited.push(each))
  return small.size === set.size && isSame([...small], [...set]) && isSame(visited, [...set])
}

/** Who is met when a member goes at each step. */
function walked(set: Either, removals: readonly { member: string }[]): string[] {
  const met: string[] = []
  for (const member of set) {
    const removal = removals[met.length]
    met.push(member)
    if (removal !== undefined) set.delete(removal.member)
  }
  return met
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.join() === other.join()
}
