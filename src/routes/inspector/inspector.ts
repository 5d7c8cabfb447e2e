// /inspector: a page for those who run the hub, and what only they may ask. See docs/design/0013-inspector.md.

import type { FastifyInstance } from 'fastify'
import type { RouteContext } from '../context.ts'
import { requireOperator, type InspectorContext, type InspectorOptions } from './context.ts'
import { pageRoutes } from './page.ts'
import { statsRoute } from './stats.ts'
import { streamRoutes } from './streams.ts'
import { tokenRoute } from './token.ts'

export async function inspectorRoutes(
  app: FastifyInstance,
  routeContext: RouteContext,
  options: InspectorOptions,
): Promise<void> {
  const context: InspectorContext = { ...routeContext, options }
  pageRoutes(app)
  await app.register(async api => {
    // Once for all, so that none can be forgotten.
    api.addHook('preValidation', async request => requireOperator(context, request.grant))
    statsRoute(api, context)
    streamRoutes(api, context)
    tokenRoute(api, context)
  })
}
