// Which pages may use the hub from a browser (CORS), and a plain refusal for the others: without it, any page could
// still publish, since browsers send simple POSTs before they ask.

import cors from '@fastify/cors'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'

export interface CrossOriginOptions {
  /** Origins as browsers spell them, such as `https://app.example.org`. */
  readonly allowedOrigins: readonly string[]
  /** Pages served from this machine may use the hub too. */
  readonly allowsLoopback: boolean
}

export async function crossOrigin(app: FastifyInstance, options: CrossOriginOptions): Promise<void> {
  app.addHook('onRequest', (request, _reply, done) => {
    const { origin } = request.headers
    if (origin === undefined || isAllowed(origin, options)) return done()
    // On loopback a Host header proves nothing: any name can be made to resolve to this machine (DNS rebinding).
    if (!options.allowsLoopback && isSameOrigin(origin, request)) return done()
    throw new MillraceError('MILLRACE_ORIGIN_FORBIDDEN', `Pages from ${origin} may not use this hub.`)
  })
  await app.register(cors, {
    origin: (origin, answer) => answer(null, origin !== undefined && isAllowed(origin, options)),
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: 7200,
  })
}

const EXPOSED_HEADERS = [
  'etag',
  'link',
  'retry-after',
  'idempotent-replayed',
  'millrace-events',
  'millrace-bytes',
  'millrace-first',
  'millrace-last',
  'millrace-state',
]

function isSameOrigin(origin: string, request: FastifyRequest): boolean {
  return origin === `${request.protocol}://${request.host}`
}

function isAllowed(origin: string, { allowedOrigins, allowsLoopback }: CrossOriginOptions): boolean {
  return allowedOrigins.includes(origin) || (allowsLoopback && loopbackOrigin.test(origin))
}

const loopbackOrigin = /^https?:\/\/(localhost|[a-z0-9-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/
