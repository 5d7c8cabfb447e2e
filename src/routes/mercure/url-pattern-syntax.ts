// The syntax of one component of a URL pattern (https://urlpattern.spec.whatwg.org/), and the RE2 expression that it is.
// What is read here was accepted by the platform's own URLPattern, so mistakes need no report.

import { RE2JS } from 're2js'

export interface Token {
  readonly type: 'character' | 'escaped' | 'name' | 'expression' | 'wildcard' | 'modifier' | 'open' | 'close'
  /** What it stands for: the character, the name, the source of the expression. */
  readonly value: string
  /** Where it begins in the pattern. */
  readonly at: number
}

const TYPES: Readonly<Record<string, Token['type']>> = {
  '*': 'wildcard',
  '+': 'modifier',
  '?': 'modifier',
  '{': 'open',
  '}': 'close',
}
const NAME = /:([\p{ID_Start}$_][\p{ID_Continue}$\u{200C}\u{200D}]*)/uy

/** URL Pattern, 2.1.2. */
export function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < pattern.length;) {
    const [token, length] = tokenAt(pattern, at)
    tokens.push(token)
    at += length
  }
  return tokens
}

function tokenAt(pattern: string, at: number): [token: Token, length: number] {
  NAME.lastIndex = at
  const name = NAME.exec(pattern)
  if (name !== null) return [{ type: 'name', value: name[1]!, at }, name[0].length]
  const value = String.fromCodePoint(pattern.codePointAt(at)!)
  if (value === '\\') {
    const escaped = pattern.slice(at + 1, at + 2)
    return [{ type: 'escaped', value: escaped, at }, 2]
  }
  if (value !== '(') return [{ type: TYPES[value] ?? 'character', value, at }, value.length]
  const end = groupEnd(pattern, at)
  return [{ type: 'expression', value: pattern.slice(at + 1, end), at }, end + 1 - at]
}

// Brackets count in classes too: the standard does not know classes here.
function groupEnd(pattern: string, start: number): number {
  let depth = 0
  for (let at = start; at < pattern.length; at++) {
    const character = pattern[at]
    if (character === '\\') at++
    else if (character === '(') depth++
    else if (character === ')' && --depth === 0) return at
  }
  return pattern.length
}

/** What a component's pattern is read by: the character that parts its segments, and the one that joins a group. */
export interface SegmentRules {
  readonly delimiter: '' | '.' | '/'
  readonly prefix: '' | '/'
}

interface Part {
  readonly prefix: string
  /** The source of an expression, or undefined: it is fixed text, in `prefix`. */
  readonly value: string | undefined
  readonly suffix: string
  readonly modifier: string
}

/** A component's pattern: the text that it is, or the source of an RE2 expression that matches it as a whole. */
export type ComponentPattern = { readonly text: string } | { readonly expression: string }

export function componentPattern(pattern: string, rules: SegmentRules): ComponentPattern {
  const parts = new PartReader(tokensOf(pattern), rules).read()
  const isText = parts.every(part => part.value === undefined && part.modifier === '')
  return isText
    ? { text: parts.map(part => part.prefix).join('') }
    : { expression: parts.map(partExpression).join('') }
}

/** URL Pattern, 2.1.3: parses a pattern string. */
class PartReader {
  readonly #tokens: readonly Token[]
  readonly #rules: SegmentRules
  readonly #parts: Part[] = []
  #at = 0
  /** Fixed text that has no part yet. */
  #text = ''

  constructor(tokens: readonly Token[], rules: SegmentRules) {
    this.#tokens = tokens
    this.#rules = rules
  }

  read(): readonly Part[] {
    while (this.#at < this.#tokens.length) this.#next()
    this.#endText()
    return this.#parts
  }

  #next(): void {
    const character = this.#take('character') ?? ''
    const value = this.#value()
    if (value !== undefined) {
      const isPrefix = character === this.#rules.prefix
      if (!isPrefix) this.#text += character
      return this.#add({ prefix: isPrefix ? character : '', value, suffix: '' })
    }
    const text = character || this.#take('escaped')
    if (text !== undefined) this.#text += text
    else if (this.#take('open') !== undefined) this.#braces()
    // Nothing else is left in a pattern that was accepted; what is not understood must not be read for ever.
    else this.#at++
  }

  #braces(): void {
    const prefix = this.#takeText()
    const value = this.#value()
    const suffix = this.#takeText()
    this.#take('close')
    this.#add({ prefix, value, suffix })
  }

  #add(part: Omit<Part, 'modifier'>): void {
    const modifier = this.#take('modifier') ?? this.#take('wildcard') ?? ''
    if (part.value === undefined && modifier === '') {
      this.#text += part.prefix
      return
    }
    this.#endText()
    this.#parts.push({ ...part, modifier })
  }

  #endText(): void {
    if (this.#text !== '')
      this.#parts.push({ prefix: this.#text, value: undefined, suffix: '', modifier: '' })
    this.#text = ''
  }

  /** `:name`, `:name(expression)`, `(expression)` or `*`, if one is next. */
  #value(): string | undefined {
    const name = this.#take('name')
    const expression = this.#take('expression')
    if (expression !== undefined) return expression
    if (name === undefined) return this.#take('wildcard') === undefined ? undefined : '.*'
    const { delimiter } = this.#rules
    return delimiter === '' ? '(?s:.)+' : `[^${delimiter}]+`
  }

  #takeText(): string {
    let text = ''
    for (;;) {
      const next = this.#take('character') ?? this.#take('escaped')
      if (next === undefined) return text
      text += next
    }
  }

  #take(type: Token['type']): string | undefined {
    const token = this.#tokens[this.#at]
    if (token?.type !== type) return undefined
    this.#at++
    return token.value
  }
}

/** URL Pattern, 2.1.4: generates a regular expression. Groups capture nothing here. */
function partExpression({ prefix, value, suffix, modifier }: Part): string {
  const [before, after] = [RE2JS.quote(prefix), RE2JS.quote(suffix)]
  if (value === undefined) return modifier === '' ? before : `(?:${before})${modifier}`
  const group = `(?:${value})`
  if (modifier === '' || modifier === '?') return `(?:${before}${group}${after})${modifier}`
  // Between two of a repeated group stand the suffix of the one and the prefix of the other.
  const repeated = `(?:${before}${group}(?:${after}${before}${group})*${after})`
  return modifier === '*' ? `${repeated}?` : repeated
}
