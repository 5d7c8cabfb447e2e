// GET /healthz and /readyz: for whoever restarts the hub, and whoever sends it traffic.

import { MillraceError } from '../errors.ts'
import type { RoutePlugin } from './context.ts'

export const healthRoutes: RoutePlugin = async (app, { closing }) => {
  app.get(
    '/healthz',
    { config: { isPublic: true }, schema: { summary: 'The process answers', tags: ['operate'] } },
    async () => ({
      status: 'ok',
    }),
  )

  app.get(
    '/readyz',
    { config: { isPublic: true }, schema: { summary: 'New streams are welcome', tags: ['operate'] } },
    async () => {
      if (closing.aborted) {
        throw new MillraceError('MILLRACE_DRAINING', 'Send traffic elsewhere.', { retryAfter: 1 })
      }
      return { status: 'ready' }
    },
  )
}
