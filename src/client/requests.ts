// Requests to one hub: its address, its token, and what its refusals say.

import { clientError, errorOf, MillraceError } from './millrace-error.ts'
import type { ConnectOptions } from './options.ts'

export type RequestsOptions = Pick<ConnectOptions, 'token' | 'credentials' | 'fetch'>

export interface HubRequest {
  readonly method?: string
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string
  readonly signal?: AbortSignal | undefined
}

export interface SendOptions {
  /** The token is asked for anew, however good the last one is. */
  readonly withFreshToken?: boolean
}

// A token that ends within this time may end on the way.
const SPARE_MS = 5000

/** For whatever is no stream. */
export const ANSWER_TIMEOUT_MS = 30_000

export class Requests {
  readonly #url: string
  readonly #options: RequestsOptions
  #token: string | undefined
  #asking: Promise<string | undefined> | undefined
  /** When the token expires, as far as it says, in milliseconds since 1970. */
  expiresAt = 0

  constructor(url: string, options: RequestsOptions) {
    this.#url = url.replace(/\/+$/, '')
    this.#options = options
  }

  /** Whether there is somebody to ask for a new token. */
  get canRenew(): boolean {
    return typeof this.#options.token === 'function'
  }

  /**
   * Resolves with an answer of 2xx. After a 401 the token is asked for once more.
   * Errors: MillraceError; whatever the signal was aborted with.
   */
  async send(
    path: string,
    init: HubRequest,
    { withFreshToken = false }: SendOptions = {},
  ): Promise<Response> {
    let response = await this.#fetch(path, init, withFreshToken)
    if (response.status === 401 && this.canRenew) {
      await response.body?.cancel()
      response = await this.#fetch(path, init, true)
    }
    if (response.ok) return response
    throw await errorOf(response)
  }

  /** The JSON of an answer that comes in time. */
  async json<Answer>(path: string, init: HubRequest): Promise<Answer> {
    const timeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
    const signal = init.signal !== undefined ? AbortSignal.any([init.signal, timeout]) : timeout
    try {
      const headers = { accept: 'application/json', ...init.headers }
      const response = await this.send(path, { ...init, headers, signal })
      return (await response.json()) as Answer
    } catch (error) {
      if (init.signal?.aborted === true || error instanceof MillraceError) throw error
      throw clientError('CLIENT_NO_ANSWER', 'The answer was cut off, or is none of a hub.', { cause: error })
    }
  }

  async #fetch(path: string, init: HubRequest, withFreshToken: boolean): Promise<Response> {
    const token = await this.#currentToken(withFreshToken)
    const authorization = token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }
    const { fetch: ownFetch = fetch, credentials = 'same-origin' } = this.#options
    try {
      const headers = { ...init.headers, ...authorization }
      const { signal = null } = init
      return await ownFetch(this.#url + path, { cache: 'no-store', ...init, signal, credentials, headers })
    } catch (error) {
      if (init.signal?.aborted === true) throw init.signal.reason
      throw clientError('CLIENT_NO_ANSWER', 'The hub could not be reached.', { cause: error })
    }
  }

  async #currentToken(fresh: boolean): Promise<string | undefined> {
    const { token } = this.#options
    if (typeof token !== 'function') return token
    if (!fresh && Date.now() < this.expiresAt - SPARE_MS) return this.#token
    this.#asking ??= this.#ask(token).finally(() => (this.#asking = undefined))
    return this.#asking
  }

  async #ask(token: () => string | undefined | Promise<string | undefined>): Promise<string | undefined> {
    try {
      this.#token = await token()
    } catch (error) {
      throw clientError('CLIENT_TOKEN_FAILED', 'No token could be got.', { cause: error })
    }
    this.expiresAt = this.#token === undefined ? 0 : expiryOf(this.#token)
    return this.#token
  }
}

/** When a JWT says that it expires; Infinity: it does not say. Not verified: that is the hub's affair. */
export function expiryOf(token: string): number {
  try {
    const claims = token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/')
    const { exp } = JSON.parse(atob(claims)) as { exp?: unknown }
    return typeof exp === 'number' ? exp * 1000 : Infinity
  } catch {
    return Infinity
  }
}
