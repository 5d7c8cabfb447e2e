// The keys of tokens behind an address (JWK Set): asked for with the first token, again every so often, and when a token
// names a key that is not there. Whoever answers there may be away; what was said last stays.

import { createRemoteJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { MillraceError } from '../errors.ts'
import { PUBLIC_ALGORITHMS, type JwtKeys } from './jwt-keys.ts'

export interface RemoteKeysOptions {
  readonly url: string
  /** None: those of public keys. */
  readonly algorithms: readonly string[]
  /** How often the address is asked again. */
  readonly maxAgeMs: number
  /** The set is another than before, so that a key may be gone. */
  readonly onChange: () => void
  /** Once for each time that the address is away; `address` and `reason` have nothing secret in them. */
  readonly onOutage: (outage: KeysOutage) => void
}

export interface KeysOutage {
  readonly address: string
  readonly reason: string
  /** Whether there are keys from before, which stay in service. */
  readonly hasKeys: boolean
}

// Whatever tokens are brought make the hub ask no more often than this.
const COOLDOWN_MS = 30_000
const AWAY_COOLDOWN_MS = 1000
const TIMEOUT_MS = 5000

export class RemoteKeys implements JwtKeys {
  readonly algorithms: readonly string[]
  readonly #options: RemoteKeysOptions
  readonly #set: ReturnType<typeof createRemoteJWKSet>
  /** What the set was when it was last read, in a spelling of its own. */
  #known: string | undefined
  #askedAt = -Infinity
  #isAway = false
  #isClosed = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: RemoteKeysOptions) {
    const { url, algorithms } = options
    this.#options = options
    this.algorithms = algorithms.length > 0 ? algorithms : PUBLIC_ALGORITHMS
    // It is asked when we say so.
    const never = { cooldownDuration: Infinity, cacheMaxAge: Infinity }
    this.#set = createRemoteJWKSet(new URL(url), { ...never, timeoutDuration: TIMEOUT_MS })
  }

  readonly find: JWTVerifyGetKey = async (header, token) => {
    if (this.#known === undefined) await this.#requireKeys()
    try {
      return await this.#set(header, token)
    } catch (error) {
      // The key may be newer than what is known.
      const mayHelp = error instanceof errors.JWKSNoMatchingKey && this.#mayAsk
      if (mayHelp && (await this.refresh())) return this.#set(header, token)
      throw error
    }
  }

  /** Whoever comes while it is being asked waits with those who came before. */
  get #mayAsk(): boolean {
    const cooldownMs = this.#isAway ? AWAY_COOLDOWN_MS : COOLDOWN_MS
    return this.#set.reloading || performance.now() >= this.#askedAt + cooldownMs
  }

  /** Asks again at once. False: the address is away, and what it said last stays. */
  async refresh(): Promise<boolean> {
    if (!this.#set.reloading) this.#askedAt = performance.now()
    try {
      await this.#set.reload()
    } catch (error) {
      if (!this.#isAway) this.#options.onOutage(this.#outage(error))
      this.#isAway = true
      return false
    }
    this.#isAway = false
    this.#note(spelled(this.#set.jwks()!))
    return true
  }

  /** It asks no more by itself. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#timer)
  }

  #note(set: string): void {
    const before = this.#known
    this.#known = set
    if (this.#isClosed) return
    this.#timer ??= setInterval(() => void this.refresh(), this.#options.maxAgeMs).unref()
    if (before !== undefined && before !== set) this.#options.onChange()
  }

  async #requireKeys(): Promise<void> {
    if (this.#mayAsk && (await this.refresh())) return
    const detail = 'The keys of tokens cannot be read just now.'
    throw new MillraceError('MILLRACE_KEYS_UNAVAILABLE', detail, { retryAfter: 5 })
  }

  #outage(error: unknown): KeysOutage {
    // A query may have a secret in it.
    const { origin, pathname } = new URL(this.#options.url)
    return { address: origin + pathname, reason: reasonOf(error), hasKeys: this.#known !== undefined }
  }
}

/** The same for the same keys, whatever their order and that of their members. */
function spelled({ keys }: JSONWebKeySet): string {
  return keys
    .map(key => JSON.stringify(key, Object.keys(key).sort()))
    .sort()
    .join()
}

/** `fetch` hides in the cause what happened. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error
  const { message: inner, code } = (cause ?? {}) as NodeJS.ErrnoException
  const why = inner || code
  return why === undefined ? message : `${message}: ${why}`
}
