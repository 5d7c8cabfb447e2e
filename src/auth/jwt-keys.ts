// The keys that tokens are verified with: a secret, a public key in PEM, a JWK, a JWK Set, or the address of one.

import { createPublicKey, type KeyObject } from 'node:crypto'
import { createLocalJWKSet, createRemoteJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { MillraceError } from '../errors.ts'

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

export interface JwtKeys {
  /** Only these are accepted, whatever a token's header says. */
  readonly algorithms: readonly string[]
  readonly find: JWTVerifyGetKey
}

// A secret that is shorter than its hash can be guessed (RFC 7518, section 3.2).
const MIN_SECRET_BYTES = 32

/**
 * Reads the text of a key. Without `algorithms`: those that fit the key, HS256 for a secret.
 * Errors: MILLRACE_CONFIG_INVALID; the message never has the key.
 */
export function readJwtKeys(text: string, algorithms: readonly string[]): JwtKeys {
  const key = parseKey(text.trim())
  const unfit = algorithms.find(name => !key.fits.some(prefix => name.startsWith(prefix)))
  if (unfit !== undefined) {
    throw invalid(`the algorithm ${unfit} does not go with ${key.what}: a token could pass one for the other`)
  }
  return { algorithms: algorithms.length > 0 ? algorithms : key.algorithms, find: key.find }
}

// Where nothing else is said, keys from an address are public ones: a secret has no business there.
const PUBLIC_ALGORITHMS = ALGORITHMS.filter(name => !name.startsWith('HS'))

// A key that is not known makes the hub look again, but not more often than this.
const COOLDOWN_MS = 30_000
const MAX_AGE_MS = 600_000
const TIMEOUT_MS = 5000

/** Keys from an address, kept for ten minutes, and looked for again when a token names one that is not there. */
export function remoteJwtKeys(url: string, algorithms: readonly string[]): JwtKeys {
  const remote = createRemoteJWKSet(new URL(url), {
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: MAX_AGE_MS,
    timeoutDuration: TIMEOUT_MS,
  })
  return {
    algorithms: algorithms.length > 0 ? algorithms : PUBLIC_ALGORITHMS,
    find: async (header, token) => {
      try {
        return await remote(header, token)
      } catch (error) {
        if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
          throw error
        // Whoever issues tokens is away: what it said last goes on.
        const known = remote.jwks()
        if (known !== undefined) return createLocalJWKSet(known)(header, token)
        throw new MillraceError('MILLRACE_KEYS_UNAVAILABLE', 'The keys of tokens cannot be read just now.', {
          retryAfter: 5,
          cause: error,
        })
      }
    },
  }
}

interface ParsedKey {
  readonly what: string
  /** How the names of algorithms begin that go with it. */
  readonly fits: readonly string[]
  readonly algorithms: readonly string[]
  readonly find: JWTVerifyGetKey
}

function parseKey(text: string): ParsedKey {
  if (text.startsWith('{')) return parseJwks(text)
  if (text.startsWith('-----BEGIN')) return parsePem(text)
  const secret = Buffer.from(text)
  if (secret.length < MIN_SECRET_BYTES) {
    throw invalid(`a secret has at least ${MIN_SECRET_BYTES} bytes: openssl rand -base64 48 makes one`)
  }
  return { what: 'a secret', fits: ['HS'], algorithms: ['HS256'], find: () => secret }
}

function parsePem(text: string): ParsedKey {
  let key: KeyObject
  try {
    key = createPublicKey(text)
  } catch (error) {
    throw invalid(`a PEM key cannot be read: ${(error as Error).message}`)
  }
  const kind = PEM_KINDS[`${key.asymmetricKeyType} ${key.asymmetricKeyDetails?.namedCurve ?? ''}`.trim()]
  if (kind === undefined) throw invalid(`tokens are not signed with ${key.asymmetricKeyType} keys`)
  return { ...kind, find: () => key }
}

const PEM_KINDS: Readonly<Record<string, Omit<ParsedKey, 'find'>>> = {
  rsa: { what: 'an RSA key', fits: ['RS', 'PS'], algorithms: ['RS256'] },
  'ec prime256v1': { what: 'a P-256 key', fits: ['ES256'], algorithms: ['ES256'] },
  'ec secp384r1': { what: 'a P-384 key', fits: ['ES384'], algorithms: ['ES384'] },
  'ec secp521r1': { what: 'a P-521 key', fits: ['ES512'], algorithms: ['ES512'] },
  ed25519: { what: 'an Ed25519 key', fits: ['EdDSA'], algorithms: ['EdDSA'] },
}

function parseJwks(text: string): ParsedKey {
  try {
    const value = JSON.parse(text) as { keys?: unknown }
    const set = (value.keys === undefined ? { keys: [value] } : value) as JSONWebKeySet
    const isSecret = set.keys.some(({ kty }) => kty === 'oct')
    const isMixed = isSecret && set.keys.some(({ kty }) => kty !== 'oct')
    if (isMixed)
      throw new Error('it has secrets beside public keys, and a token could pass one for the other')
    const find = createLocalJWKSet(set)
    if (isSecret) return { what: 'secret JWKs', fits: ['HS'], algorithms: ['HS256'], find }
    return { what: 'public JWKs', fits: ['RS', 'PS', 'ES', 'Ed'], algorithms: PUBLIC_ALGORITHMS, find }
  } catch (error) {
    throw invalid(`a JWK or JWK Set cannot be read: ${(error as Error).message}`)
  }
}

function invalid(detail: string): MillraceError {
  return new MillraceError('MILLRACE_CONFIG_INVALID', `the key of tokens (jwtKey): ${detail}`)
}
