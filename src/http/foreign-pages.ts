// Pages of other origins, where CORS is the affair of the app around us: those that it has let in are let in. Without this,
// any page could publish with the cookies of its visitors, since browsers send simple POSTs before they ask.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'
import { isSameOrigin } from './cross-origin.ts'

/** Errors of requests: MILLRACE_ORIGIN_FORBIDDEN. */
export function refuseForeignPages(app: FastifyInstance): void {
  app.decorate('checksHost', false)
  app.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers
    if (origin === undefined || isOwnPage(origin, request) || wasLetIn(origin, request, reply)) return done()
    const detail = `Pages from ${origin} may not use this hub. The app lets them in by CORS, before the hub is registered; those of its own behind a proxy, by the hub's \`publicUrl\`.`
    throw new MillraceError('MILLRACE_ORIGIN_FORBIDDEN', detail)
  })
}

/** A browser that speaks TLS with a proxy says so itself, whatever the proxy says of the origin. */
function isOwnPage(origin: string, request: FastifyRequest): boolean {
  return request.headers['sec-fetch-site'] === 'same-origin' || isSameOrigin(origin, request)
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** To let in all is to let them in without cookies, which browsers send with a POST that they do not ask for first. */
function wasLetIn(origin: string, { method, headers }: FastifyRequest, reply: FastifyReply): boolean {
  const allowed = reply.getHeader('access-control-allow-origin')
  if (allowed === '*') return SAFE_METHODS.has(method) || headers.authorization !== undefined
  return allowed === origin
}
