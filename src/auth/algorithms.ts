// The signature algorithms of tokens.

/** Algorithms that a hub can be told to accept (RFC 7518, section 3.1; RFC 8037). */
export const ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const
