// The topic index against the selectors themselves.

import fc from 'fast-check'
import t from 'tap'
import { TopicIndex } from '../../src/hub/topic-index.ts'
import { selectorOf, type Selector } from '../../src/topic-pattern.ts'
import { holds } from '../support/properties.ts'

const segment = fc.constantFrom('a', 'b', 'c')
const topic = fc.array(segment, { minLength: 1, maxLength: 4 }).map(segments => segments.join('/'))
const pattern = fc
  .tuple(fc.array(fc.oneof(segment, fc.constant('*')), { maxLength: 4 }), fc.boolean())
  .map(([segments, isOpen]) => [...segments, ...(isOpen ? ['**'] : [])].join('/') || '**')
const selector = fc.array(fc.oneof(topic, pattern), { minLength: 1, maxLength: 5 }).map(selectorOf)

t.test('the index finds the members whose selectors match, whoever came and went', async t => {
  const come = fc.record({ kind: fc.constant('add' as const), selector })
  const go = fc.record({ kind: fc.constant('remove' as const), which: fc.nat() })
  const steps = fc.array(fc.oneof({ weight: 3, arbitrary: come }, { weight: 2, arbitrary: go }), {
    maxLength: 40,
  })
  const property = fc.property(steps, fc.array(topic, { maxLength: 8 }), (changes, subjects) => {
    const index = new TopicIndex<object>()
    const members: { selector: Selector }[] = []
    const isRight = (subject: string): boolean => {
      const found = new Set<object>()
      index.match(subject, member => void found.add(member))
      const wanted = members.filter(each => each.selector.matches(subject))
      return found.size === wanted.length && wanted.every(each => found.has(each))
    }
    // After each change: what is remembered of the topics must not outlive it.
    return changes.every(step => {
      if (step.kind === 'add') {
        const member = { selector: step.selector }
        members.push(member)
        index.add(member.selector, member)
      } else if (members.length > 0) {
        const [member] = members.splice(step.which % members.length, 1)
        index.remove(member!.selector, member!)
      }
      return subjects.every(isRight)
    })
  })
  await holds(t, property, { numRuns: 2000 })
})
