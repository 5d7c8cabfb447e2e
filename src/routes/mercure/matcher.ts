// What a subscriber or a token matches topics by, in either draft of Mercure.

import { LRUCache } from 'lru-cache'
import { MAX_WEIGHT } from './limits.ts'
import { expressionTest, weighed, type WeighedTest } from './linear-expression.ts'
import { templateExpression } from './uri-template.ts'
import { urlPatternTest } from './url-pattern.ts'

/** How a matcher is written: draft 8's `exact` and `urlpattern`, draft 7's selector (exact or URI template). */
export type MatchType = 'exact' | 'urlpattern' | 'selector'

export interface Matcher {
  readonly type: MatchType
  /** As it was given. */
  readonly value: string
  /** Equal for matchers that match the same topics by the same rule, of whatever type. Holds the base of a URL pattern. */
  readonly key: string
  /** `*`: everything. */
  readonly isAny: boolean
  /** The one topic it matches, if it is only one. */
  readonly topic: string | undefined
  /** About what it costs to keep and to ask: 0 for one topic, see `expressionWeight`. */
  readonly weight: number
  matches(topic: string): boolean
}

/** Compiled templates and patterns that are kept, so that many subscribers with one of them share it. */
const MAX_COMPILED = 1_000

const compiled = new LRUCache<string, WeighedTest>({ max: MAX_COMPILED })

/** undefined: `value` is not valid for its type, or too costly. `base` is the hub's URL, for `urlpattern`. */
export function matcherOf(type: MatchType, value: string, base: string): Matcher | undefined {
  if (value === '*')
    return { type, value, key: '*', isAny: true, topic: undefined, weight: 0, matches: () => true }
  if (type === 'urlpattern') {
    const test = (): WeighedTest | undefined => urlPatternTest(value, base)
    return matcherByTest(type, value, `urlpattern\n${base}\n${value}`, test)
  }
  const expression = type === 'selector' ? templateExpression(value) : undefined
  if (expression === undefined) return exactMatcher(type, value)
  return matcherByTest(type, value, `template\n${value}`, () => templateTest(value, expression))
}

function exactMatcher(type: MatchType, value: string): Matcher {
  const matches = (topic: string): boolean => topic === value
  return { type, value, key: `exact\n${value}`, isAny: false, topic: value, weight: 0, matches }
}

function matcherByTest(
  type: MatchType,
  value: string,
  key: string,
  compile: () => WeighedTest | undefined,
): Matcher | undefined {
  const matches = compiled.get(key) ?? compile()
  if (matches === undefined) return undefined
  compiled.set(key, matches)
  const { weight } = matches
  return { type, value, key, isAny: false, topic: undefined, weight, matches }
}

// A template's own text is matched too: so a token that may use a template may subscribe with it.
function templateTest(template: string, expression: string): WeighedTest | undefined {
  const test = expressionTest(expression)
  return test && weighed(topic => topic === template || test(topic), test.weight)
}

/**
 * What draft 8 forbids of a matcher's value or a topic: text that is not Unicode, control and format characters, which
 * make two topics look alike.
 */
export function matcherFault(value: string): string | undefined {
  if (!value.isWellFormed()) return 'not well-formed Unicode'
  return /[\p{Cc}\p{Cf}]/u.test(value) ? 'a control or format character' : undefined
}

/**
 * Reads each of them in turn. What they weigh is counted on the way, for to compile them takes time too.
 * `tooHeavy` makes the error of those that weigh more than `MAX_WEIGHT` together.
 */
export function readMatchers<T>(
  given: readonly T[],
  read: (item: T) => Matcher,
  tooHeavy: () => Error,
): Matcher[] {
  let weight = 0
  return given.map(item => {
    const matcher = read(item)
    weight += matcher.weight
    if (weight > MAX_WEIGHT) throw tooHeavy()
    return matcher
  })
}
