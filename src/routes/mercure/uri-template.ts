// URI templates (RFC 6570) as Mercure's drafts before 8 use them: not to make URIs but to recognize them. The rules are
// those of the library that their author's hub uses (yosida95/uritemplate): https://e/{id} matches https://e/1.

import { RE2JS } from 're2js'

interface Operator {
  /** What an expression starts with, once. */
  readonly first: string
  /** What stands between two values. */
  readonly separator: string
  /** Values may have reserved characters. */
  readonly isReserved?: true
  /** Values have names: `=` belongs to them. */
  readonly isNamed?: true
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  '': { first: '', separator: ',' },
  '+': { first: '', separator: ',', isReserved: true },
  '#': { first: '#', separator: ',', isReserved: true },
  '.': { first: '.', separator: '.' },
  '/': { first: '/', separator: '/' },
  ';': { first: ';', separator: ';', isNamed: true },
  '?': { first: '?', separator: '&', isNamed: true },
  '&': { first: '&', separator: '&', isNamed: true },
}

// Literals are RFC 6570's (2.1) and the apostrophe (erratum 6937). Other operators are reserved (2.2).
const PIECES =
  /\{(?<operator>[+#./;?&]?)(?<variables>[^{}]*)\}|(?:[!#$&-;=?-[\]_a-z~\u{A0}-\u{D7FF}\u{E000}-\u{FDCF}\u{FDF0}-\u{FFEF}\u{10000}-\u{10FFFF}]|%[\dA-Fa-f]{2})+/guy
const VARIABLE = /^(?:\w|%[\dA-Fa-f]{2})(?:\.?(?:\w|%[\dA-Fa-f]{2}))*(?:\*|:[1-9]\d{0,3})?$/

/**
 * The source of an RE2 expression that matches, as a whole, what the template stands for. undefined: the text is no
 * template, or has no expression; it stands for itself then.
 */
export function templateExpression(template: string): string | undefined {
  if (!template.includes('{')) return undefined
  let end = 0
  let source = ''
  for (const { 0: piece, groups } of template.matchAll(PIECES)) {
    const part = groups?.variables === undefined ? RE2JS.quote(piece) : expressionOf(groups)
    if (part === undefined) return undefined
    source += part
    end += piece.length
  }
  return end === template.length ? source : undefined
}

// All of it may be absent, its first character too. Names and the lengths of prefixes (`:3`) are not looked at.
function expressionOf(groups: Record<string, string | undefined>): string | undefined {
  const operator = OPERATORS[groups.operator ?? '']
  const variables = groups.variables?.split(',') ?? []
  if (operator === undefined || !variables.every(each => VARIABLE.test(each))) return undefined
  const values = valuesOf(operator, variables)
  return operator.first === '' ? values : `(?:${RE2JS.quote(operator.first)}${values})?`
}

function valuesOf(operator: Operator, variables: readonly string[]): string {
  const areExploded = variables.some(each => each.endsWith('*'))
  const first = valueOf(operator, variables[0]?.endsWith('*') === true)
  // A list that may be as long as it likes, or whose separator a value may have in it, needs no counting.
  if (!areExploded && (variables.length === 1 || valueHas(operator, operator.separator))) return first
  const next = `(?:${RE2JS.quote(operator.separator)}${valueOf(operator, areExploded)})`
  return `${first}${next}${areExploded ? '*' : `{0,${variables.length - 1}}`}`
}

function valueHas(operator: Operator, separator: string): boolean {
  return operator.isReserved === true || separator === ',' || separator === '.'
}

/** Lists may be in a value, and with names too when it is exploded. */
function valueOf({ isReserved, isNamed }: Operator, isExploded: boolean): string {
  const unreserved = String.raw`\w.~,\-`
  const others = isReserved ? String.raw`!#$&'()*+/:;=?@\[\]` : isNamed || isExploded ? '=' : ''
  return `(?:[${unreserved}${others}]|%[0-9A-Fa-f]{2})*`
}
