// Who may have issued a token, and whom it must be for (RFC 7519, sections 4.1.1 and 4.1.3).

import type { JWTPayload } from 'jose'
import { GRANT_CLAIM } from './claims.ts'

/** Accepted values of `iss` and `aud`; none: whatever stands there. */
export interface AcceptedTokens {
  readonly jwtIssuer: readonly string[]
  readonly jwtAudience: readonly string[]
}

/** Says what is wrong with the token's `iss` or `aud`, or returns undefined. */
export function issuerOrAudienceFault(
  claims: JWTPayload,
  { jwtIssuer, jwtAudience }: AcceptedTokens,
): string | undefined {
  const { iss, aud } = claims
  const mayLack = isOfMercureDraft7(claims)
  if (jwtIssuer.length > 0 && !(iss === undefined ? mayLack : jwtIssuer.includes(iss))) {
    return "its 'iss' is none of those that the hub trusts"
  }
  const isForUs = [aud ?? []].flat().some(audience => jwtAudience.includes(audience))
  if (jwtAudience.length > 0 && !(aud === undefined ? mayLack : isForUs)) {
    return "its 'aud' does not name this hub"
  }
  return undefined
}

/** What holds the keys of Mercure's draft 7. */
export const MERCURE_CLAIMS = ['https://mercure.rocks/', 'mercure'] as const

// Draft 7 has neither claim, and hubs of it look at neither. Such a token is for a Mercure hub by what it grants, which is
// nothing else.
function isOfMercureDraft7(claims: JWTPayload): boolean {
  const grantsMore = claims[GRANT_CLAIM] !== undefined || claims.authorization_details !== undefined
  return !grantsMore && MERCURE_CLAIMS.some(name => claims[name] !== undefined)
}
