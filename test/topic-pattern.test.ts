// Topic patterns, against a reference that is slow and plain: a regular expression for one pattern, every topic of a
// small world for the containment of two.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { patternFault, topicFault } from '../src/event.ts'
import {
  isPattern,
  patternCovers,
  patternMatcher,
  patternsOverlap,
  selectorOf,
} from '../src/topic-pattern.ts'
import { holds } from './support/properties.ts'

// `x` is a segment that no pattern names; the empty segment is one too (`a//b`).
const topicSegment = fc.constantFrom('a', 'b', 'ab', 'x', '.a', '$1', '')
const patternSegment = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom('a', 'b', 'ab', '.a', '$1', '') },
  fc.constant('*'),
)
const topic = fc
  .array(topicSegment, { minLength: 1, maxLength: 5 })
  .map(segments => segments.join('/'))
  .filter(name => topicFault(name, 256) === undefined)
const pattern = fc
  .tuple(fc.array(patternSegment, { maxLength: 4 }), fc.boolean())
  .map(([segments, isOpen]) => [...segments, ...(isOpen ? ['**'] : [])].join('/'))
  .filter(name => patternFault(name, 256) === undefined)

function reference(name: string): RegExp {
  const escaped = name.replace(/[.$]/g, String.raw`\$&`)
  if (escaped === '**') return /^/
  const open = escaped.endsWith('/**')
  const segments = open ? escaped.slice(0, -3) : escaped
  return new RegExp(
    `^${segments
      .split('/')
      .map(each => (each === '*' ? '[^/]*' : each))
      .join('/')}${open ? '(/.*)?' : ''}$`,
  )
}

t.test('a pattern matches what its regular expression matches', async t => {
  await holds(
    t,
    fc.property(
      pattern,
      topic,
      (name, subject) => patternMatcher(name)(subject) === reference(name).test(subject),
    ),
    { numRuns: 5000 },
  )
})

t.test('patterns match by whole segments', async t => {
  const matches = (name: string, subject: string): boolean => patternMatcher(name)(subject)
  t.ok(matches('a/*', 'a/b'))
  t.notOk(matches('a/*', 'a'))
  t.notOk(matches('a/*', 'a/b/c'))
  t.ok(matches('*/b', 'a/b'))
  t.ok(matches('a/**', 'a'), '** stands for no segment too')
  t.ok(matches('a/**', 'a/b/c'))
  t.notOk(matches('a/**', 'ab'))
  t.ok(matches('*/**', 'a'))
  t.ok(matches('**', 'a/b/c'))
})

// Three letters cannot be told from the rest of the alphabet by patterns that name only two of them.
const letters = ['a', 'b', 'x']
const world = [...letters]
for (const parent of world) {
  // The list grows as it is read, to four segments.
  if (parent.length < 7) world.push(...letters.map(letter => `${parent}/${letter}`))
}
const smallPattern = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 3 }), fc.boolean())
  .map(([segments, isOpen]) => [...segments, ...(isOpen ? ['**'] : [])].join('/'))
  .filter(name => name !== '')

t.test('a pattern covers another when every topic of the other is one of its own', async t => {
  const property = fc.property(smallPattern, smallPattern, (outer, inner) => {
    const [isInOuter, isInInner] = [patternMatcher(outer), patternMatcher(inner)]
    const isCovered = world.every(each => !isInInner(each) || isInOuter(each))
    return patternCovers(outer, inner) === isCovered
  })
  await holds(t, property, { numRuns: 5000 })
})

t.test('two patterns overlap when some topic is matched by both', async t => {
  const property = fc.property(smallPattern, smallPattern, (one, other) => {
    const [isInOne, isInOther] = [patternMatcher(one), patternMatcher(other)]
    return patternsOverlap(one, other) === world.some(each => isInOne(each) && isInOther(each))
  })
  await holds(t, property, { numRuns: 5000 })
})

t.test('a selector matches what one of its names matches, and has one key for one set', async t => {
  const names = fc.array(fc.oneof(topic, pattern), { minLength: 1, maxLength: 6 })
  const property = fc.property(names, topic, (wanted, subject) => {
    const selector = selectorOf(wanted)
    assert.equal(
      selector.matches(subject),
      wanted.some(name => reference(name).test(subject)),
    )
    assert.equal(selector.key, selectorOf([...wanted.toReversed(), wanted[0]!]).key)
    assert.deepEqual([...selector.topics, ...selector.patterns].sort(), [...new Set(wanted)].sort())
    assert(!selector.topics.some(isPattern))
  })
  await holds(t, property, { numRuns: 300 })
})

t.test('selectors of different sets have different keys', async t => {
  const names = fc.array(fc.oneof(topic, pattern), { minLength: 1, maxLength: 4 })
  const property = fc.property(names, names, (some, others) => {
    const areEqual = some.every(name => others.includes(name)) && others.every(name => some.includes(name))
    return areEqual === (selectorOf(some).key === selectorOf(others).key)
  })
  await holds(t, property, { numRuns: 2000 })
})
