// Regular expressions that strangers write: tested in linear time and bounded memory, refused when even that is too much.

import { RE2Set } from 're2js'

/**
 * The most that an expression may weigh between the fixed texts at its ends, see `expressionWeight`. An expression of a URI
 * template weighs 6 to 9, a `:name` or `*` of a URL pattern 2 to 6, a character 1.
 * RE2 takes up to 50 ns a unit of weight and character of the topic: some 20 ms for a topic of 4,096 characters.
 */
export const MAX_EXPRESSION_WEIGHT = 100

// What an expression may remember of its states, which are made as topics ask for them. It is slower when that is full.
const MAX_STATE_BYTES = 65_536

/** A test, and about what it costs: see `expressionWeight`. */
export interface WeighedTest {
  (text: string): boolean
  readonly weight: number
}

export function weighed(test: (text: string) => boolean, weight: number): WeighedTest {
  return Object.assign(test, { weight })
}

/**
 * Compiles a test of whole texts. undefined: RE2 has no such expression, or it is too heavy.
 * The expression has no alternatives outside of groups.
 */
export function expressionTest(source: string): WeighedTest | undefined {
  const { head, middle, tail } = withoutEnds(source)
  const weight = expressionWeight(middle)
  if (weight > MAX_EXPRESSION_WEIGHT) return undefined
  try {
    // A set of one, as an expression by itself would remember up to 8 MiB.
    const set = new RE2Set(RE2Set.ANCHOR_BOTH, 0, MAX_STATE_BYTES)
    set.add(middle)
    set.compile()
    const least = head.length + tail.length
    const test = (text: string): boolean =>
      text.length >= least &&
      text.startsWith(head) &&
      text.endsWith(tail) &&
      set.match(text.slice(head.length, text.length - tail.length)).length > 0
    return weighed(test, weight)
  } catch {
    return undefined
  }
}

const CLASS = String.raw`\[\^?(?:\\.|[^\\\]])*\]`
const TOKENS = new RegExp(
  String.raw`\\[pP]\{[^}]*\}|\\.|${CLASS}|\(\?[^():]*:|\{(?<least>\d+)(?<isOpen>,?)(?<most>\d*)\}|.`,
  'gsu',
)
const LITERAL = /^(?:\\[^\w]|[^\\()[\]{}|*+?.^$])$/su
const ASSERTION = /^(?:[$^]|\\[bB])$/

/** Most of what people write is fixed text at both ends, which needs no RE2. An assertion would look past the ends. */
function withoutEnds(source: string): { head: string; middle: string; tail: string } {
  const tokens = source.match(TOKENS) ?? []
  if (tokens.some(token => ASSERTION.test(token))) return { head: '', middle: source, tail: '' }
  let start = tokens.findIndex(token => !LITERAL.test(token))
  if (start < 0) start = tokens.length
  // The last character of `ab*` belongs to the star.
  if (start > 0 && /^[*+?{]/.test(tokens[start] ?? '')) start--
  const end = Math.max(start, tokens.findLastIndex(token => !LITERAL.test(token)) + 1)
  return {
    head: textOf(tokens.slice(0, start)),
    middle: tokens.slice(start, end).join(''),
    tail: textOf(tokens.slice(end)),
  }
}

function textOf(literals: readonly string[]): string {
  return literals.map(each => (each.length > 1 && each.startsWith('\\') ? each.slice(1) : each)).join('')
}

/**
 * How many instructions RE2 makes of an expression, about: in so many places of it can a test be at once. It is counted
 * before anything is compiled, as `(?:a{1000}){1000}` is quickly written.
 */
export function expressionWeight(source: string): number {
  const outer: number[] = []
  // `last` is what a repetition repeats.
  let [weight, last] = [0, 0]
  for (const { 0: token, groups } of source.matchAll(TOKENS)) {
    if (token.startsWith('(')) {
      outer.push(weight)
      weight = 0
    } else if (token === ')') {
      last = weight
      weight += outer.pop() ?? 0
    } else if (groups?.least === undefined) {
      last = tokenWeight(token)
      weight += last
    } else {
      const added = last * (repeats(groups) - 1)
      weight += added
      last += added
    }
  }
  return weight
}

function repeats({ least, isOpen, most }: Record<string, string | undefined>): number {
  const times = Math.max(Number(least), Number(most), 1)
  return isOpen === ',' && most === '' ? times + 1 : times
}

// A class of Unicode is a list of hundreds of ranges.
function tokenWeight(token: string): number {
  return 1 + 20 * (token.match(/\\[pP]/g)?.length ?? 0)
}
