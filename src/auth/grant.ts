// A grant: what its holder may publish and receive, as topic patterns, who that is, and for how long.

import type { JWTPayload } from 'jose'
import { MillraceError } from '../errors.ts'
import type { Topic } from '../event.ts'
import { patternCovers, selectorOf, type Selector, type TopicPattern } from '../topic-pattern.ts'

export interface Jwt {
  /** Of its header. */
  readonly typ: string | undefined
  readonly claims: JWTPayload
}

export interface GrantParts {
  readonly publish: readonly TopicPattern[]
  readonly receive: readonly TopicPattern[]
  /** Of which topics it may see who follows them; their number whoever may receive them sees. Default: none. */
  readonly presence?: readonly TopicPattern[]
  /** What others may be told of who it is: the `sub` of a JWT, the name of an API key. */
  readonly name?: string | undefined
  /** May see what is the operator's: metrics. Default: false. */
  readonly isAdmin?: boolean
  /** Who that is: the issuer and `sub` of a JWT, or the id of an API key. Tokens without a `sub` are nobody's. */
  readonly holder?: string | undefined
  /** It is that of whoever brings nothing. Default: false. */
  readonly isAnonymous?: boolean
  /** Milliseconds since 1970. Default: never. */
  readonly expiresAt?: number
  /** What it was made from, to look again when keys change. */
  readonly token?: string
  /** How often keys had changed when it was verified. Default: 0. */
  readonly generation?: number
  /** What the JWT says, for whoever knows other claims than Millrace's. */
  readonly jwt?: Jwt
  /** What is said when it does not suffice. Default: MILLRACE_FORBIDDEN. */
  readonly denial?: 'MILLRACE_TOKEN_MISSING' | 'MILLRACE_FORBIDDEN'
}

export class Grant {
  readonly holder: string | undefined
  readonly name: string | undefined
  readonly isAnonymous: boolean
  readonly expiresAt: number
  readonly token: string | undefined
  readonly jwt: Jwt | undefined
  generation: number
  readonly #publish: readonly TopicPattern[]
  readonly #receive: readonly TopicPattern[]
  readonly #presence: readonly TopicPattern[]
  readonly #isAdmin: boolean
  readonly #denial: NonNullable<GrantParts['denial']>

  constructor(parts: GrantParts) {
    this.#publish = parts.publish
    this.#receive = parts.receive
    this.#presence = parts.presence ?? []
    this.name = parts.name
    this.#isAdmin = parts.isAdmin ?? false
    this.holder = parts.holder
    this.isAnonymous = parts.isAnonymous ?? false
    this.expiresAt = parts.expiresAt ?? Infinity
    this.token = parts.token
    this.jwt = parts.jwt
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

  canSeePresence(topic: Topic): boolean {
    // Anonymous clients may be let see metrics, which name nobody.
    return (
      (this.#isAdmin && !this.isAnonymous) || this.#presence.some(granted => patternCovers(granted, topic))
    )
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

  /** All that it grants, as patterns, for whoever asks what a token is good for. */
  get rights(): Required<Pick<GrantParts, 'publish' | 'receive' | 'presence' | 'isAdmin'>> {
    return {
      publish: this.#publish,
      receive: this.#receive,
      presence: this.#presence,
      isAdmin: this.#isAdmin,
    }
  }

  /** Errors: as for `requirePublish`. */
  requireAdmin(): void {
    if (!this.#isAdmin) throw this.#denied('This is for those who run the hub.')
  }

  /** For more than metrics, which anonymous clients may be let see. Errors: as for `requirePublish`. */
  requireAdminToken(): void {
    if (this.token === undefined) throw this.#denied('This is for those who run the hub, by their token.')
    this.requireAdmin()
  }

  #denied(detail: string): MillraceError {
    return new MillraceError(this.#denial, detail)
  }
}
