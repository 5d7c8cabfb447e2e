// API keys: tokens of backends that are made once and live in a file as hashes.
//
// A key is `millrace_ID_SECRET`. The secret has 256 random bits, so one SHA-256 is all the hashing it needs: there is
// no dictionary to try.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { MillraceError } from '../errors.ts'
import { patternsFault } from './claims.ts'
import { Grant } from './grant.ts'

/** An entry of the file `{"keys": [...]}`. */
export interface ApiKeyEntry {
  readonly id: string
  readonly name: string
  /** Of the whole key, in hexadecimal. */
  readonly sha256: string
  readonly publish?: readonly string[]
  readonly receive?: readonly string[]
  readonly presence?: readonly string[]
  readonly admin?: boolean
  /** RFC 3339. Default: never. */
  readonly expires?: string
}

const PREFIX = 'millrace_'

export function isApiKey(token: string): boolean {
  return token.startsWith(PREFIX)
}

export interface NewApiKey {
  /** To be told once: it cannot be found out again. */
  readonly key: string
  readonly entry: ApiKeyEntry
}

export function makeApiKey(parts: Omit<ApiKeyEntry, 'id' | 'sha256'>): NewApiKey {
  const id = randomBytes(6).toString('hex')
  const key = `${PREFIX}${id}_${randomBytes(32).toString('base64url')}`
  return { key, entry: { id, sha256: sha256(key).toString('hex'), ...parts } }
}

export class ApiKeys {
  readonly #entries: ReadonlyMap<string, ApiKeyEntry>

  /** Reads the text of a file of keys. Errors: MILLRACE_CONFIG_INVALID. */
  constructor(text: string) {
    this.#entries = new Map(parseApiKeys(text).map(entry => [entry.id, entry]))
  }

  /** Errors: MILLRACE_TOKEN_INVALID. */
  grantOf(key: string): Grant {
    const entry = this.#entries.get(key.slice(PREFIX.length).split('_')[0]!)
    // A key that nobody has takes as long as one that is not right.
    const expected = Buffer.from(entry?.sha256 ?? NO_HASH, 'hex')
    if (!timingSafeEqual(sha256(key), expected) || entry === undefined) {
      throw new MillraceError('MILLRACE_TOKEN_INVALID', 'The hub does not know this API key.')
    }
    const { publish = [], receive = [], presence = [], admin = false, expires, name } = entry
    return new Grant({
      publish,
      receive,
      presence,
      name,
      isAdmin: admin,
      holder: `key ${entry.id}`,
      ...(expires !== undefined && { expiresAt: Date.parse(expires) }),
      token: key,
    })
  }
}

const NO_HASH = '0'.repeat(64)

/** Errors: MILLRACE_CONFIG_INVALID. */
export function parseApiKeys(text: string): ApiKeyEntry[] {
  let file: { keys?: unknown }
  try {
    file = JSON.parse(text.replace(/^\uFEFF/, '')) as { keys?: unknown }
  } catch {
    throw invalid('is not JSON')
  }
  if (file === null || !Array.isArray(file.keys)) throw invalid('must hold {"keys": [...]}')
  const entries = file.keys.map((value: unknown, at) => checkedEntry(value, at))
  if (new Set(entries.map(({ id }) => id)).size < entries.length) throw invalid('has an id twice')
  return entries
}

function checkedEntry(value: unknown, at: number): ApiKeyEntry {
  const entry = value as ApiKeyEntry
  const fault = entryFault(value)
  if (fault === undefined) return entry
  throw invalid(`has a key, number ${at + 1}, whose ${fault}`)
}

const KNOWN_MEMBERS = new Set(['id', 'name', 'sha256', 'publish', 'receive', 'presence', 'admin', 'expires'])

function entryFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'entry is no object'
  const { id, name, sha256: hash, admin, expires } = value as Record<string, unknown>
  const unknown = Object.keys(value).find(member => !KNOWN_MEMBERS.has(member))
  if (unknown !== undefined) return `member '${unknown}' is not known`
  if (typeof id !== 'string' || !/^[0-9a-z]+$/.test(id)) return "'id' is not of digits and small letters"
  if (typeof name !== 'string' || name === '') return "'name' is missing"
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) return "'sha256' is not 64 hexadecimal digits"
  if (admin !== undefined && typeof admin !== 'boolean') return "'admin' is neither true nor false"
  if (expires !== undefined && (typeof expires !== 'string' || Number.isNaN(Date.parse(expires))))
    return "'expires' is no date"
  for (const list of ['publish', 'receive', 'presence']) {
    const patterns = (value as Record<string, unknown>)[list]
    const fault = patterns === undefined ? undefined : patternsFault(patterns)
    if (fault !== undefined) return `'${list}' ${fault}`
  }
  return undefined
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function invalid(what: string): MillraceError {
  return new MillraceError('MILLRACE_CONFIG_INVALID', `the file of API keys ${what}`)
}
