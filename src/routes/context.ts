// What every route is given.

import type { FastifyInstance } from 'fastify'
import type { Grant } from '../auth/grant.ts'
import type { BodyLimits } from '../http/body.ts'
import type { EventStreams, Regranted } from '../http/event-streams.ts'
import type { NativeFormat } from '../http/native-streams.ts'
import type { Presence } from '../http/presence.ts'
import type { RateLimits } from '../http/rates.ts'
import type { StreamKind } from '../http/stream-kind.ts'
import type { ThreadQuestions } from '../http/thread-questions.ts'
import type { Hub } from '../hub/hub.ts'

export interface RouteLimits extends BodyLimits {
  readonly maxTopicNameBytes: number
  readonly maxPatternsPerFeed: number
  readonly maxPageEvents: number
  readonly maxWaitMs: number
}

export interface RouteContext {
  readonly hub: Hub
  readonly streams: EventStreams
  /** Of Millrace's own streams. */
  readonly kinds: Readonly<Record<NativeFormat, StreamKind>>
  /** Gives an open stream another grant, in whatever thread it is. */
  readonly regrant: (feed: string, grant: Grant) => Promise<Regranted>
  /** What a grant is by now. Errors: MILLRACE_TOKEN_EXPIRED and others, as for a new request. */
  readonly currentGrant: (grant: Grant) => Grant | Promise<Grant>
  /** Of clients that bring no token. */
  readonly anonymous: Grant
  readonly rates: RateLimits
  readonly questions: ThreadQuestions
  readonly presence: Presence
  readonly limits: RouteLimits
  /** Aborted when the hub begins to shut down. */
  readonly closing: AbortSignal
  /** The cookie that carries tokens. */
  readonly authCookie: string
}

export type RoutePlugin = (app: FastifyInstance, context: RouteContext) => Promise<void>
