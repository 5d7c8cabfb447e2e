// What a subscription asks for, and by which draft: `topic` selectors are draft 7's, `match` and its like draft 8's.

import { isUtf8 } from 'node:buffer'
import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../../errors.ts'
import { parseForm, type FormField } from './form.ts'
import { MAX_MATCHERS, MAX_PATTERN_BYTES, MAX_SELECTORS } from './limits.ts'
import { matcherFault, matcherOf, readMatchers, type Matcher, type MatchType } from './matcher.ts'
import type { Draft } from './rights.ts'

export interface SubscribeQuery {
  readonly draft: Draft
  readonly matchers: readonly Matcher[]
  /** The id after which it goes on, `earliest`, an empty text, or undefined: it does not say. */
  readonly lastEventId: string | undefined
}

const MATCH_TYPES: ReadonlyMap<string, MatchType> = new Map([
  ['match', 'exact'],
  ['match_exact', 'exact'],
  ['match_urlpattern', 'urlpattern'],
])

const isMatchName = (name: string): boolean => /^match/i.test(name)

export function queryFields(request: FastifyRequest): FormField[] {
  const at = request.raw.url!.indexOf('?')
  return at < 0 ? [] : parseForm(request.raw.url!.slice(at + 1))
}

export function isDraft8Query(request: FastifyRequest): boolean {
  return request.method === 'QUERY' || queryFields(request).some(({ name }) => isMatchName(name))
}

/**
 * `fields`: of the query, then those of the body. `url`: of the hub, for relative patterns.
 * Errors: MILLRACE_REQUEST_INVALID.
 */
export function readQuery(
  request: FastifyRequest,
  fields: readonly FormField[],
  url: string,
): SubscribeQuery {
  const isDraft8 = request.method === 'QUERY' || fields.some(({ name }) => isMatchName(name))
  const hasTopics = fields.some(({ name }) => name === 'topic')
  if (isDraft8 && hasTopics) {
    throw invalid("It has both 'topic' (draft 7) and 'match' (draft 8): subscribe by one of them")
  }
  const draft = isDraft8 ? 8 : 7
  const matchers = isDraft8 ? draft8Matchers(fields, url) : draft7Matchers(fields, url)
  const cursorName = isDraft8 ? 'last_event_id' : 'lastEventID'
  const inQuery = fields.find(({ name }) => name === cursorName)?.value
  const inHeader = headerText(request.headers['last-event-id'])
  return { draft, matchers, lastEventId: inHeader || (inQuery ?? inHeader) }
}

function draft8Matchers(fields: readonly FormField[], url: string): Matcher[] {
  const asked = fields.filter(({ name }) => isMatchName(name))
  const unknown = asked.find(({ name }) => !MATCH_TYPES.has(name))
  if (unknown !== undefined)
    throw invalid(`The parameter ${JSON.stringify(unknown.name)} is no kind of matcher`)
  if (asked.length === 0) throw invalid("The parameter 'match' or 'match_urlpattern' is missing")
  if (asked.length > MAX_MATCHERS) throw invalid(`A subscription has at most ${MAX_MATCHERS} matchers`)
  const read = ({ name, value }: FormField): Matcher => {
    const fault = value === undefined ? 'not UTF-8' : (lengthFault(value) ?? matcherFault(value))
    if (fault !== undefined) throw invalid(`A value of '${name}' cannot be used: ${fault}`)
    return requireMatcher(MATCH_TYPES.get(name)!, value!, url)
  }
  return readMatchers(asked, read, tooHeavy)
}

function draft7Matchers(fields: readonly FormField[], url: string): Matcher[] {
  const asked = fields.filter(({ name }) => name === 'topic')
  if (asked.length === 0) throw invalid("The parameter 'topic' (or draft 8's 'match') is missing")
  if (asked.length > MAX_SELECTORS) throw invalid(`A subscription has at most ${MAX_SELECTORS} topics`)
  const read = ({ value }: FormField): Matcher => {
    const fault = value === undefined ? 'not UTF-8' : lengthFault(value)
    if (fault !== undefined) throw invalid(`A 'topic' cannot be used: ${fault}`)
    return requireMatcher('selector', value!, url)
  }
  return readMatchers(asked, read, tooHeavy)
}

const tooHeavy = (): MillraceError => invalid('Its patterns are too many, or too costly')

function requireMatcher(type: MatchType, value: string, url: string): Matcher {
  const matcher = matcherOf(type, value, url)
  if (matcher === undefined)
    throw invalid(`${JSON.stringify(value)} is no valid pattern, or too costly a one`)
  return matcher
}

function lengthFault(value: string): string | undefined {
  const isLong = Buffer.byteLength(value) > MAX_PATTERN_BYTES
  return isLong ? `longer than ${MAX_PATTERN_BYTES} bytes` : undefined
}

/** An EventSource sends ids in UTF-8, which Node reads as Latin-1; whoever uses `fetch` sends them in Latin-1 as it is. */
function headerText(value: string | string[] | undefined): string | undefined {
  if (typeof value !== 'string') return undefined
  const bytes = Buffer.from(value, 'latin1')
  return isUtf8(bytes) ? bytes.toString() : value
}

function invalid(detail: string): MillraceError {
  return new MillraceError('MILLRACE_REQUEST_INVALID', `${detail}.`)
}
