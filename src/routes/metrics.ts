// GET /metrics, in the Prometheus text format.

import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'

export async function metricsRoute(app: FastifyInstance, registry: Registry): Promise<void> {
  app.get(
    '/metrics',
    { schema: { summary: 'Metrics for Prometheus', tags: ['operate'] } },
    async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  )
}
