// What a token may do by the Mercure protocol: draft 7's claim `mercure`, draft 8's `authorization_details`.

import type { FastifyRequest } from 'fastify'
import type { Grant } from '../../auth/grant.ts'
import { MERCURE_CLAIMS } from '../../auth/issuer-and-audience.ts'
import { MillraceError } from '../../errors.ts'
import { isNestedTooDeep, MAX_LEVELS } from '../../nesting.ts'
import { MAX_DETAILS, MAX_PATTERN_BYTES, MAX_PAYLOAD_BYTES, MAX_SELECTORS } from './limits.ts'
import { matcherFault, matcherOf, readMatchers, type Matcher, type MatchType } from './matcher.ts'
import { hubUrl, UPDATES } from './paths.ts'

export type Draft = 7 | 8

export interface MercureRights {
  /** Of the token; undefined: it is none of Mercure's. */
  readonly draft: Draft | undefined
  readonly publish: readonly Matcher[]
  readonly subscribe: readonly Matcher[]
  /** What subscription events and documents carry for a subscription by this matcher; undefined: nothing. */
  payloadOf(value: string): unknown
}

export interface RightsOptions {
  /** Accepted by the authenticator already, where they are there; a draft 8 token must have both. */
  readonly jwtIssuer: readonly string[]
  readonly jwtAudience: readonly string[]
  readonly publicUrl: string | undefined
  readonly isLoopback: boolean
}

/** Of draft 8 (section 6.4). */
export const DETAIL_TYPE = 'https://mercure.rocks/authorization-detail'

const NO_RIGHTS: MercureRights = {
  draft: undefined,
  publish: [],
  subscribe: [],
  payloadOf: () => undefined,
}

/** The rights were made for one URL of the hub; almost always the next request has the same. */
const known = new WeakMap<Grant, { url: string; rights: MercureRights }>()

/** What the request's token may do. Errors: MILLRACE_TOKEN_INVALID. */
export function rightsOf(request: FastifyRequest, options: RightsOptions): MercureRights {
  return rightsOfGrant(request.grant, hubUrl(request), options)
}

/** `url`: of the hub, as the client sees it. Errors: MILLRACE_TOKEN_INVALID. */
export function rightsOfGrant(grant: Grant, url: string, options: RightsOptions): MercureRights {
  const remembered = known.get(grant)
  if (remembered?.url === url) return remembered.rights
  const rights = readRights(grant, url, options)
  known.set(grant, { url, rights })
  return rights
}

/** Whoever has a token of Mercure's may have what is public; for others it must be open to all, or granted. */
export function maySubscribe(rights: MercureRights, grant: Grant, anonymous: Grant): boolean {
  return rights.draft !== undefined || anonymous.canReceive(UPDATES) || grant.canReceive(UPDATES)
}

function readRights({ jwt }: Grant, url: string, options: RightsOptions): MercureRights {
  if (jwt === undefined) return NO_RIGHTS
  const { typ, claims } = jwt
  const details = claims.authorization_details
  if (details !== undefined || isAccessToken(typ)) {
    requireAccessToken(jwt, url, options)
    return detailedRights(details ?? [], url)
  }
  const claim = MERCURE_CLAIMS.map(name => claims[name]).find(value => value !== undefined && value !== null)
  return claim === undefined ? NO_RIGHTS : claimedRights(claim, url)
}

/** RFC 9068, section 2.1; media types have no case. */
function isAccessToken(typ: string | undefined): boolean {
  return /^(application\/)?at\+jwt$/i.test(typ ?? '')
}

/** What draft 8 (section 6.3) demands beyond what every token is held to. */
function requireAccessToken(
  { typ, claims }: NonNullable<Grant['jwt']>,
  url: string,
  options: RightsOptions,
): void {
  if (!isAccessToken(typ)) throw invalid("its 'typ' is not 'at+jwt'")
  if (claims.exp === undefined) throw invalid("it has no 'exp'")
  if (typeof claims.iss !== 'string' || claims.iss === '') throw invalid("it has no 'iss'")
  if (claims.aud === undefined) throw invalid("it has no 'aud'")
  const { jwtIssuer, jwtAudience, publicUrl, isLoopback } = options
  const knowsItself = jwtAudience.length > 0 || publicUrl !== undefined
  if (!isLoopback && (jwtIssuer.length === 0 || !knowsItself)) {
    throw invalid(
      'the hub was not told whose tokens are for it: --jwt-issuer, and --jwt-audience or --public-url',
    )
  }
  if (jwtAudience.length === 0 && ![claims.aud].flat().includes(url)) {
    throw invalid(`its 'aud' does not name this hub, which is ${url}`)
  }
}

interface Detail {
  readonly actions: readonly string[]
  readonly topics: readonly Matcher[]
  readonly payload: unknown
}

/** Draft 8, section 6.4: one detail that cannot be read makes the token invalid. */
function detailedRights(value: unknown, url: string): MercureRights {
  if (!Array.isArray(value)) throw invalid("'authorization_details' is no list")
  const own = (value as unknown[]).filter(
    detail => (detail as { type?: unknown } | null)?.type === DETAIL_TYPE,
  )
  if (own.length > MAX_DETAILS) throw invalid(`it has more than ${MAX_DETAILS} details`)
  const details = own.map(detail => readDetail(detail as Record<string, unknown>, url))
  const topics = details.reduce((sum, detail) => sum + detail.topics.length, 0)
  if (topics > MAX_DETAILS) throw invalid(`its details have more than ${MAX_DETAILS} topics`)
  const matchersOf = (action: string): Matcher[] =>
    details.filter(({ actions }) => actions.includes(action)).flatMap(detail => detail.topics)
  return {
    draft: 8,
    publish: matchersOf('publish'),
    subscribe: matchersOf('subscribe'),
    payloadOf: matched =>
      details.find(
        ({ actions, topics: granted }) =>
          actions.includes('subscribe') && granted.some(matcher => matcher.matches(matched)),
      )?.payload,
  }
}

function readDetail({ actions, topics, payload }: Record<string, unknown>, url: string): Detail {
  if (!isFilledList(actions) || !actions.every(action => typeof action === 'string')) {
    throw invalid("a detail's 'actions' is no list of names")
  }
  if (payload !== undefined && (typeof payload !== 'object' || payload === null || Array.isArray(payload))) {
    throw invalid("a detail's 'payload' is no object")
  }
  requireSmall(payload)
  if (!isFilledList(topics)) throw invalid("a detail's 'topics' is no list of matchers")
  return { actions, topics: readMatchers(topics, topic => readMatcher(topic, url), tooHeavy), payload }
}

function readMatcher(topic: unknown, url: string): Matcher {
  const { match, match_type: type = 'exact' } = Object(topic) as Record<string, unknown>
  if (typeof topic !== 'object' || typeof match !== 'string' || match === '') {
    throw invalid("a detail's topic has no 'match'")
  }
  if (type !== 'exact' && type !== 'urlpattern') throw invalid("a detail's 'match_type' is not known")
  return requireMatcher(type, match, url)
}

/** Draft 7, section 6. */
function claimedRights(claim: unknown, url: string): MercureRights {
  if (typeof claim !== 'object') throw invalid("its claim 'mercure' is no object")
  const { publish, subscribe, payload } = claim as Record<string, unknown>
  requireSmall(payload)
  return {
    draft: 7,
    publish: readSelectors('publish', publish, url),
    subscribe: readSelectors('subscribe', subscribe, url),
    payloadOf: () => payload ?? undefined,
  }
}

function readSelectors(name: string, value: unknown, url: string): readonly Matcher[] {
  const list = value ?? []
  if (!Array.isArray(list) || !list.every(item => typeof item === 'string')) {
    throw invalid(`'${name}' is no list of topic selectors`)
  }
  if (list.length > MAX_SELECTORS) throw invalid(`'${name}' has more than ${MAX_SELECTORS} selectors`)
  return readMatchers(list, selector => requireMatcher('selector', selector, url), tooHeavy)
}

function requireMatcher(type: MatchType, value: string, url: string): Matcher {
  const isLong = Buffer.byteLength(value) > MAX_PATTERN_BYTES
  const fault = isLong ? `more than ${MAX_PATTERN_BYTES} bytes` : matcherFault(value)
  const matcher = fault === undefined ? matcherOf(type, value, url) : undefined
  if (matcher === undefined) throw invalid(`one of its topics cannot be used: ${fault ?? 'no valid pattern'}`)
  return matcher
}

function requireSmall(payload: unknown): void {
  // It is printed with a line and its indent for each level.
  if (isNestedTooDeep(payload)) throw invalid(`a payload is nested more than ${MAX_LEVELS} levels deep`)
  if (payload === undefined || Buffer.byteLength(JSON.stringify(payload)) <= MAX_PAYLOAD_BYTES) return
  throw invalid(`a payload has more than ${MAX_PAYLOAD_BYTES} bytes`)
}

const tooHeavy = (): MillraceError => invalid('its patterns are too many, or too costly')

function isFilledList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length > 0
}

function invalid(why: string): MillraceError {
  return new MillraceError('MILLRACE_TOKEN_INVALID', `The token is not accepted: ${why}.`)
}
