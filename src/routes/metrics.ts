// GET /metrics, in the Prometheus text format.

import type { FastifyInstance } from 'fastify'

const METRICS_MEDIA_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export async function metricsRoute(app: FastifyInstance, read: () => Promise<string>): Promise<void> {
  app.get(
    '/metrics',
    { schema: { summary: 'Metrics for Prometheus', tags: ['operate'] } },
    async (request, reply) => {
      request.grant.requireAdmin()
      return reply
        .header('cache-control', 'no-store')
        .type(METRICS_MEDIA_TYPE)
        .send(await read())
    },
  )
}
