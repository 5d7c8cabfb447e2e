// Tokens of every kind that a hub may be shown, good and bad.

import { SignJWT, type JWTPayload } from 'jose'

export const SECRET = 'a secret of the tests, of more than 32 bytes'

/** What a token grants; `millrace` is the claim. */
export interface TokenParts {
  readonly publish?: readonly string[]
  readonly receive?: readonly string[]
  readonly presence?: readonly string[]
  readonly admin?: boolean
  readonly sub?: string
  /** Seconds from now. Default: 600. */
  readonly expiresIn?: number
  readonly notBeforeIn?: number
  readonly audience?: string
  readonly issuer?: string
}

export function mint(
  { publish, receive, presence, admin, sub, expiresIn = 600, notBeforeIn, audience, issuer }: TokenParts,
  secret = SECRET,
  alg = 'HS256',
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const claims: JWTPayload = {
    millrace: { publish, receive, presence, admin },
    exp: now + expiresIn,
    ...(sub !== undefined && { sub }),
    ...(notBeforeIn !== undefined && { nbf: now + notBeforeIn }),
    ...(audience !== undefined && { aud: audience }),
    ...(issuer !== undefined && { iss: issuer }),
  }
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(Buffer.from(secret))
}

/** A token that says of itself that it is not signed. */
export function unsigned(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part(claims)}.`
}

export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}

/** The part of an API key that nobody else may know. It may have underscores of its own. */
export function secretOf(apiKey: string): string {
  return apiKey.split('_').slice(2).join('_')
}
