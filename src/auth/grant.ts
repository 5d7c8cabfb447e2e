// A grant: what its holder may publish and receive, as topic patterns, who that is, and for how long.

import { MillraceError } from '../errors.ts'
import type { Topic } from '../event.ts'
import { patternCovers, selectorOf, type Selector, type TopicPattern } from '../topic-pattern.ts'

export interface GrantParts {
  readonly publish: readonly TopicPattern[]
  readonly receive: readonly TopicPattern[]
  /** May see what is the operator's: metrics. Default: false. */
  readonly isAdmin?: boolean
  /** Who that is: the issuer and `sub` of a JWT, or the id of an API key. Tokens without a `sub` are nobody's. */
  readonly holder?: string | undefined
  /** Milliseconds since 1970. Default: never. */
  readonly expiresAt?: number
  /** What it was made from, to look again when keys change. */
  readonly token?: string
  /** How often keys had changed when it was verified. Default: 0. */
  readonly generation?: number
  /** What is said when it does not suffice. Default: MILLRACE_FORBIDDEN. */
  readonly denial?: 'MILLRACE_TOKEN_MISSING' | 'MILLRACE_FORBIDDEN'
}

export class Grant {
  readonly holder: string | undefined
  readonly expiresAt: number
  readonly token: string | undefined
  generation: number
  readonly #publish: readonly TopicPattern[]
  readonly #receive: readonly TopicPattern[]
  readonly #isAdmin: boolean
  readonly #denial: NonNullable<GrantParts['denial']>

  constructor(parts: GrantParts) {
    this.#publish = parts.publish
    this.#receive = parts.receive
    this.#isAdmin = parts.isAdmin ?? false
    this.holder = parts.holder
    this.expiresAt = parts.expiresAt ?? Infinity
    this.token = parts.token
    this.generation = parts.generation ?? 0
    this.#denial = parts.denial ?? 'MILLRACE_FORBIDDEN'
  }

  canPublish(topic: Topic): boolean {
    return this.#publish.some(granted => patternCovers(granted, topic))
  }

  /** Whether everything that the topic or pattern can match is granted. */
  canReceive(wanted: Topic | TopicPattern): boolean {
    return this.#receive.some(granted => patternCovers(granted, wanted))
  }

  /** Whether everything that the selector names is granted. */
  canReceiveAll({ topics, patterns }: Selector): boolean {
    return [...topics, ...patterns].every(name => this.canReceive(name))
  }

  /** All topics that may be received. Errors: those of a denial, if there are none. */
  get receivable(): Selector {
    if (this.#receive.length === 0) throw this.#denied('You may not receive anything.')
    return selectorOf(this.#receive)
  }

  /** Errors: MILLRACE_TOKEN_MISSING for anonymous clients where a token would help, else MILLRACE_FORBIDDEN. */
  requirePublish(topic: Topic): void {
    if (!this.canPublish(topic)) throw this.#denied(`You may not publish to '${topic}'.`)
  }

  /** Errors: as for `requirePublish`. */
  requireReceive(wanted: Topic | TopicPattern): void {
    if (!this.canReceive(wanted)) throw this.#denied(`You may not receive '${wanted}'.`)
  }

  /** Errors: as for `requirePublish`. */
  requireAdmin(): void {
    if (!this.#isAdmin) throw this.#denied('This is for those who run the hub.')
  }

  #denied(detail: string): MillraceError {
    return new MillraceError(this.#denial, detail)
  }
}
