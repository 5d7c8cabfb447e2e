// URL patterns (https://urlpattern.spec.whatwg.org/) of strangers. The platform reads and normalizes them; whether a topic
// matches is decided in linear time, as draft 8 of Mercure demands (section 12), which the platform's expressions are not.

import {
  expressionTest,
  expressionWeight,
  MAX_EXPRESSION_WEIGHT,
  weighed,
  type WeighedTest,
} from './linear-expression.ts'
import { componentPattern, tokensOf, type SegmentRules, type Token } from './url-pattern-syntax.ts'

// To read the topic as a URL takes about as long as this.
const URL_WEIGHT = 5

// The order in which they tell topics apart soonest.
const COMPONENTS = [
  'hostname',
  'pathname',
  'protocol',
  'port',
  'search',
  'hash',
  'username',
  'password',
] as const
type Component = (typeof COMPONENTS)[number]

const SPECIAL_SCHEMES = ['http', 'https', 'ws', 'wss', 'ftp', 'file']

/**
 * The longest protocol that may be more than a name. The platform tries it on the special schemes while it reads the
 * pattern, and its expressions backtrack: `.?.?.?…` takes longer by each.
 */
export const MAX_PROTOCOL_PATTERN_LENGTH = 20

/**
 * Compiles a constructor string to a test of topics. Both are resolved by `base`. undefined: it is no URL pattern, has an
 * expression that RE2 does not have, or is too costly.
 */
export function urlPatternTest(value: string, base: string): WeighedTest | undefined {
  const pattern = isCheap(tokensOf(value), value) ? parse(value, base) : undefined
  if (pattern === undefined) return undefined
  const protocol = componentTest(pattern.protocol, { delimiter: '', prefix: '' })
  if (protocol === undefined) return undefined
  const isSpecial = SPECIAL_SCHEMES.some(protocol)
  const tests: [Component, WeighedTest][] = []
  for (const component of COMPONENTS) {
    if (pattern[component] === '*') continue
    const test =
      component === 'protocol' ? protocol : componentTest(pattern[component], rulesOf(component, isSpecial))
    if (test === undefined) return undefined
    tests.push([component, test])
  }
  const weight = tests.reduce((sum, [, test]) => sum + test.weight, URL_WEIGHT)
  return weighed(topic => matchesAll(tests, topic, base), weight)
}

function matchesAll(tests: readonly [Component, WeighedTest][], topic: string, base: string): boolean {
  const url = URL.parse(topic, base)
  return url !== null && tests.every(([component, test]) => test(componentOf(url, component)))
}

// URL has the delimiters in its components; patterns do not.
function componentOf(url: URL, component: Component): string {
  if (component === 'protocol') return url.protocol.slice(0, -1)
  if (component === 'search' || component === 'hash') return url[component].slice(1)
  return url[component]
}

function parse(value: string, base: string): URLPattern | undefined {
  try {
    return new URLPattern(value, base)
  } catch {
    return undefined
  }
}

// An opaque path (`urn:a:b`) has no segments.
function rulesOf(component: Component, isSpecial: boolean): SegmentRules {
  if (component === 'hostname') return { delimiter: '.', prefix: '' }
  if (component === 'pathname' && isSpecial) return { delimiter: '/', prefix: '/' }
  return { delimiter: '', prefix: '' }
}

function componentTest(pattern: string, rules: SegmentRules): WeighedTest | undefined {
  const compiled = componentPattern(pattern, rules)
  if ('text' in compiled) return weighed(text => text === compiled.text, 0)
  return expressionTest(compiled.expression)
}

/** Whether the platform reads it quickly, and RE2 reads its expressions as the platform does. */
function isCheap(tokens: readonly Token[], value: string): boolean {
  const expressions = tokens.filter(token => token.type === 'expression').map(token => token.value)
  return (
    tokens.filter(({ type }) => type === 'name' || type === 'wildcard').length <= MAX_EXPRESSION_WEIGHT &&
    expressions.reduce((sum, each) => sum + expressionWeight(each), 0) <= MAX_EXPRESSION_WEIGHT &&
    !expressions.some(hasSetNotation) &&
    isCheapProtocol(protocolOf(tokens, value))
  )
}

function isCheapProtocol(protocol: string): boolean {
  if (/^[\w+.-]*$/.test(protocol)) return true
  return protocol.length <= MAX_PROTOCOL_PATTERN_LENGTH && !/\{\d/.test(protocol)
}

/** What stands before the first `:` that begins no name and is in no braces, as the platform finds it. */
function protocolOf(tokens: readonly Token[], value: string): string {
  let depth = 0
  for (const { type, value: text, at } of tokens) {
    if (type === 'open') depth++
    else if (type === 'close') depth = Math.max(0, depth - 1)
    else if (depth === 0 && text === ':' && (type === 'character' || type === 'escaped'))
      return value.slice(0, at)
  }
  return ''
}

/**
 * Classes within classes, differences, intersections and empty classes: `[[a-z]--[aeiou]]`. RE2 reads them too, but as
 * something else.
 */
function hasSetNotation(expression: string): boolean {
  const classes = expression.match(/\\.|\[\^?(?:\\.|[^\\\]])*\]/gs) ?? []
  return classes.some(each => {
    const inside = each.slice(1, -1).replace(/\\./gs, '')
    return each.startsWith('[') && (/^\^?$/.test(each.slice(1, -1)) || /\[|--|&&/.test(inside))
  })
}
