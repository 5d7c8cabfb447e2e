// The keys that tokens are verified with: a secret, a public key in PEM, a JWK or a JWK Set.

import { createPublicKey, type KeyObject } from 'node:crypto'
import { createLocalJWKSet, errors, type JWK, type JWTVerifyGetKey } from 'jose'
import { MillraceError } from '../errors.ts'
import { ALGORITHMS } from './algorithms.ts'
import { severalSecrets } from './verify-jwt.ts'

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
export const PUBLIC_ALGORITHMS = ALGORITHMS.filter(name => !name.startsWith('HS'))

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
  const other = otherThanSecret(text)
  if (other !== undefined)
    throw invalid(`this looks like ${other}, which everybody may know: it is no secret`)
  const secret = Buffer.from(text)
  if (secret.length < MIN_SECRET_BYTES) {
    throw invalid(`a secret has at least ${MIN_SECRET_BYTES} bytes: openssl rand -base64 48 makes one`)
  }
  return { what: 'a secret', fits: ['HS'], algorithms: ['HS256'], find: () => secret }
}

/** What a text is that was hardly meant as a secret: taken for one, whoever knows it could make tokens. */
function otherThanSecret(text: string): string | undefined {
  if (text.includes('-----BEGIN')) return 'PEM with something before it'
  if (/^[[{]/.test(text)) return 'JSON that is no JWK or JWK Set'
  if (/^[a-z+]+:\/\//i.test(text)) return 'an address (--jwks-url takes that)'
  if (/^(ssh|ecdsa|sk)-/.test(text)) return 'an SSH key'
  // A DER sequence in base64, without the lines around it that make it PEM.
  return /^MI[A-Za-z]/.test(text) && isDerKey(text)
    ? 'a key or a certificate without its BEGIN and END lines'
    : undefined
}

function isDerKey(text: string): boolean {
  const der = Buffer.from(text, 'base64')
  for (const label of ['PUBLIC KEY', 'CERTIFICATE', 'RSA PUBLIC KEY', 'PRIVATE KEY']) {
    try {
      const lines = der.toString('base64').replace(/.{64}/g, '$&\n')
      createPublicKey(`-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`)
      return true
    } catch {
      // Not this.
    }
  }
  return false
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
  const keys = jwksOf(text).map(usableJwk)
  const isSecret = keys.some(({ kty }) => kty === 'oct')
  if (isSecret && keys.some(({ kty }) => kty !== 'oct')) {
    throw invalid('a JWK Set has secrets beside public keys: a token could pass one for the other')
  }
  if (isSecret) return { what: 'secret JWKs', fits: ['HS'], algorithms: ['HS256'], find: secretOf(keys) }
  const find = createLocalJWKSet({ keys })
  return { what: 'public JWKs', fits: ['RS', 'PS', 'ES', 'Ed'], algorithms: PUBLIC_ALGORITHMS, find }
}

/** By `kid`; where several fit, those whose `alg` does not say otherwise are tried. */
function secretOf(keys: readonly JWK[]): JWTVerifyGetKey {
  const secrets = keys.map(({ kid, alg, k }) => ({ kid, alg, secret: Buffer.from(k ?? '', 'base64url') }))
  if (secrets.some(({ secret }) => secret.length < MIN_SECRET_BYTES)) {
    throw invalid(`a secret has at least ${MIN_SECRET_BYTES} bytes: openssl rand -base64 48 makes one`)
  }
  return ({ kid, alg }) => {
    const named = secrets.filter(each => kid === undefined || each.kid === kid)
    if (named.length === 0) throw new errors.JWKSNoMatchingKey()
    if (named.length === 1) return named[0]!.secret
    throw severalSecrets(named.filter(each => (each.alg ?? alg) === alg).map(({ secret }) => secret))
  }
}

function jwksOf(text: string): JWK[] {
  // Messages of JSON.parse quote what they could not read.
  const value = jsonOf(text) as { keys?: JWK[] } | undefined
  if (value === undefined) throw invalid('it begins like a JWK, and is not JSON')
  const keys = value.keys ?? [value as JWK]
  if (Array.isArray(keys) && keys.length > 0) return keys
  throw invalid("the 'keys' of a JWK Set must be a list of keys")
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The public half of the key. */
function usableJwk(jwk: JWK): JWK {
  if (jwk.kty === 'oct') return jwk
  try {
    const { d: _private, key_ops: _uses, ...rest } = jwk
    return {
      ...rest,
      ...createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'jwk' }),
    }
  } catch {
    throw invalid(`a JWK cannot be read${typeof jwk.kid === 'string' ? `: its kid is '${jwk.kid}'` : ''}`)
  }
}

function invalid(detail: string): MillraceError {
  return new MillraceError('MILLRACE_CONFIG_INVALID', `the key of tokens (jwtKey): ${detail}`)
}
