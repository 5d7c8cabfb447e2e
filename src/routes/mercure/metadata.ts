// GET /.well-known/oauth-protected-resource/.well-known/mercure: what a client must know to get a token (RFC 9728; draft 8, section 9.2).

import type { FastifyInstance } from 'fastify'
import type { MercureContext } from './context.ts'
import { COOKIES } from './credentials.ts'
import { hubPath, METADATA_PATH } from './paths.ts'
import { originOf } from '../../http/public-origin.ts'
import { DETAIL_TYPE } from './rights.ts'

export function metadataRoute(app: FastifyInstance, { options }: MercureContext): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: METADATA_PATH,
    config: { isPublic: true },
    schema: { summary: 'What tokens Mercure takes (RFC 9728)', tags: ['mercure'] },
    handler: async request => ({
      resource: options.jwtAudience[0] ?? `${originOf(request)}${hubPath(request)}`,
      bearer_methods_supported: ['header'],
      ...(options.jwtIssuer.length > 0 && { authorization_servers: options.jwtIssuer }),
      authorization_details_types_supported: [DETAIL_TYPE],
      mercure_cookie: COOKIES[0],
      ...(options.mercureSubscriptions && { mercure_subscriptions: true }),
    }),
  })
}
