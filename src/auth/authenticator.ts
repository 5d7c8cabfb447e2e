// Turns tokens into grants: JWTs by their signature, API keys by their hash. What was verified once is remembered.

import { errors } from 'jose'
import { LRUCache } from 'lru-cache'
import { MillraceError } from '../errors.ts'
import { ApiKeys, isApiKey } from './api-keys.ts'
import { grantOfClaims } from './claims.ts'
import { Grant, type GrantParts } from './grant.ts'
import { issuerOrAudienceFault, type AcceptedTokens } from './issuer-and-audience.ts'
import { readJwtKeys, type JwtKeys } from './jwt-keys.ts'
import { RemoteKeys, type KeysOutage } from './remote-keys.ts'
import { verifyJwt } from './verify-jwt.ts'

/** The texts of keys, which can change while the hub runs. */
export interface KeyTexts {
  readonly jwtKey: string | undefined
  readonly apiKeys: string | undefined
}

export type AnonymousRights = Pick<GrantParts, 'publish' | 'receive' | 'isAdmin' | 'denial'>

export interface AuthenticatorOptions extends AcceptedTokens {
  readonly jwksUrl: string | undefined
  /** How often the address is asked again. */
  readonly jwksMaxAgeMs: number
  readonly jwtAlgorithms: readonly string[]
  /** What clients without a token may do. */
  readonly anonymous: AnonymousRights
  /** Milliseconds since 1970. Default: `Date.now`. */
  readonly now?: () => number
  /** The keys behind `jwksUrl` are others: what was verified with those before is forgotten. */
  readonly onKeysChanged?: () => void
  /** Once for each time that `jwksUrl` is away. */
  readonly onKeysOutage?: (outage: KeysOutage) => void
}

const MAX_CACHED_TOKENS = 10_000

export class Authenticator {
  /** Of clients that bring no token. */
  readonly anonymous: Grant
  /** It was made with keys of some kind. */
  readonly takesTokens: boolean
  readonly #options: AuthenticatorOptions
  readonly #now: () => number
  readonly #remote: RemoteKeys | undefined
  #texts: KeyTexts
  #known = new LRUCache<string, Grant>({ max: MAX_CACHED_TOKENS })
  #jwtKeys: JwtKeys | undefined
  /** How often keys have changed. */
  generation = 0
  #apiKeys: ApiKeys | undefined

  /** Errors: MILLRACE_CONFIG_INVALID. */
  constructor(options: AuthenticatorOptions, keys: KeyTexts) {
    const { anonymous } = options
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#remote = this.#remoteKeys(options)
    this.#texts = keys
    this.#use(keys)
    this.takesTokens = (this.#jwtKeys ?? this.#apiKeys) !== undefined
    const denial = this.takesTokens ? 'MILLRACE_TOKEN_MISSING' : (anonymous.denial ?? 'MILLRACE_FORBIDDEN')
    this.anonymous = new Grant({ ...anonymous, denial, isAnonymous: true })
  }

  /** Asks for keys behind an address again, too. Errors: MILLRACE_CONFIG_INVALID, and the keys that were in use stay. */
  useKeys(keys: KeyTexts): void {
    void this.#remote?.refresh()
    if (keys.jwtKey === this.#texts.jwtKey && keys.apiKeys === this.#texts.apiKeys) return
    this.#use(keys)
    this.#texts = keys
  }

  close(): void {
    this.#remote?.close()
  }

  #use({ jwtKey, apiKeys }: KeyTexts): void {
    const jwtKeys = jwtKey === undefined ? this.#remote : readJwtKeys(jwtKey, this.#options.jwtAlgorithms)
    this.#apiKeys = apiKeys === undefined ? undefined : new ApiKeys(apiKeys)
    this.#jwtKeys = jwtKeys
    this.#forget()
  }

  #remoteKeys({
    jwksUrl,
    jwksMaxAgeMs,
    jwtAlgorithms,
    ...tell
  }: AuthenticatorOptions): RemoteKeys | undefined {
    if (jwksUrl === undefined) return undefined
    return new RemoteKeys({
      url: jwksUrl,
      algorithms: jwtAlgorithms,
      maxAgeMs: jwksMaxAgeMs,
      onChange: () => {
        this.#forget()
        tell.onKeysChanged?.()
      },
      onOutage: outage => tell.onKeysOutage?.(outage),
    })
  }

  #forget(): void {
    this.generation++
    // What is verified just now under the old keys is remembered in the old cache.
    this.#known = new LRUCache({ max: MAX_CACHED_TOKENS })
  }

  /**
   * At once if the token is known. Errors: MILLRACE_TOKEN_INVALID, MILLRACE_TOKEN_EXPIRED, MILLRACE_KEYS_UNAVAILABLE.
   */
  grantOf(token: string): Grant | Promise<Grant> {
    return this.known(token) ?? this.#verify(token, this.#known)
  }

  /** The grant of a token that was verified under these keys and has not expired. */
  known(token: string): Grant | undefined {
    const known = this.#known.get(token)
    return known !== undefined && known.expiresAt > this.#now() ? known : undefined
  }

  /** What the grant is now that time has passed, and keys may have changed. Errors: as for `grantOf`. */
  current(grant: Grant): Grant | Promise<Grant> {
    const hasExpired = grant.expiresAt <= this.#now()
    if (grant.token !== undefined)
      return hasExpired || grant.generation !== this.generation ? this.grantOf(grant.token) : grant
    if (hasExpired) throw expired()
    return grant
  }

  async #verify(token: string, cache: LRUCache<string, Grant>): Promise<Grant> {
    const { generation } = this
    const grant = isApiKey(token) ? this.#grantOfApiKey(token) : await this.#grantOfJwt(token)
    if (grant.expiresAt <= this.#now()) throw expired()
    grant.generation = generation
    cache.set(token, grant)
    return grant
  }

  #grantOfApiKey(token: string): Grant {
    if (this.#apiKeys === undefined) throw invalid('this hub has no API keys')
    return this.#apiKeys.grantOf(token)
  }

  async #grantOfJwt(token: string): Promise<Grant> {
    if (this.#jwtKeys === undefined) throw invalid('this hub takes no JWTs')
    const { algorithms, find } = this.#jwtKeys
    try {
      const currentDate = new Date(this.#now())
      const jwt = await verifyJwt(token, find, { algorithms: [...algorithms], currentDate })
      const fault = issuerOrAudienceFault(jwt.claims, this.#options)
      if (fault !== undefined) throw invalid(fault)
      return grantOfClaims(jwt, token)
    } catch (error) {
      if (error instanceof MillraceError) throw error
      if (error instanceof errors.JWTExpired) throw expired()
      throw invalid(error instanceof Error ? error.message : String(error))
    }
  }
}

function expired(): MillraceError {
  return new MillraceError('MILLRACE_TOKEN_EXPIRED', 'The token has expired: get a new one.')
}

function invalid(why: string): MillraceError {
  return new MillraceError('MILLRACE_TOKEN_INVALID', `The token is not accepted: ${why}.`)
}
