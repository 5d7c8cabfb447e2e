// What every route is given.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Grant } from '../auth/grant.ts'
import type { BodyLimits } from '../http/body.ts'
import type { EventStreams } from '../http/event-streams.ts'
import type { PublishLimit } from '../http/publish-rate.ts'
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
  readonly publishRate: PublishLimit
  readonly limits: RouteLimits
  /** Aborted when the hub begins to shut down. */
  readonly closing: AbortSignal
  readonly grantOf: (request: FastifyRequest) => Grant
}

export type RoutePlugin = (app: FastifyInstance, context: RouteContext) => Promise<void>
