// What a token says of its holder's rights: the claim `millrace`.

import { MillraceError } from '../errors.ts'
import { patternFault } from '../event.ts'
import { Grant, type Jwt } from './grant.ts'

/** `{"publish"?: [pattern...], "receive"?: [pattern...], "presence"?: [pattern...], "admin"?: boolean}` */
export const GRANT_CLAIM = 'millrace'

// Longer than any topic that a hub takes.
const MAX_PATTERN_BYTES = 4096

/** Errors: MILLRACE_TOKEN_INVALID for a claim that cannot be read. A token without one grants nothing. */
export function grantOfClaims(jwt: Jwt, token: string): Grant {
  const { claims } = jwt
  const claim = claims[GRANT_CLAIM] ?? {}
  if (typeof claim !== 'object' || Array.isArray(claim)) throw invalid(`'${GRANT_CLAIM}' must be an object`)
  const { publish, receive, presence, admin = false } = claim as Record<string, unknown>
  if (typeof admin !== 'boolean') throw invalid(`'admin' must be true or false`)
  return new Grant({
    publish: patternsOf('publish', publish),
    receive: patternsOf('receive', receive),
    presence: patternsOf('presence', presence),
    isAdmin: admin,
    ...(typeof claims.sub === 'string' && {
      holder: `jwt ${claims.iss ?? ''} ${claims.sub}`,
      name: claims.sub,
    }),
    ...(claims.exp !== undefined && { expiresAt: claims.exp * 1000 }),
    token,
    jwt,
  })
}

function patternsOf(name: string, value: unknown): readonly string[] {
  const fault = patternsFault(value ?? [])
  if (fault !== undefined) throw invalid(`'${name}' ${fault}`)
  return (value ?? []) as string[]
}

/** Says what is wrong with a list of topics and patterns, or returns undefined. */
export function patternsFault(value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'must be a list of topic patterns'
  for (const pattern of value as unknown[]) {
    if (typeof pattern !== 'string') return 'must be a list of topic patterns'
    const fault = patternFault(pattern, MAX_PATTERN_BYTES)
    if (fault !== undefined) return `has the pattern ${JSON.stringify(pattern)}, which ${fault}`
  }
  return undefined
}

function invalid(detail: string): MillraceError {
  return new MillraceError('MILLRACE_TOKEN_INVALID', `The token's claim cannot be read: ${detail}.`)
}
