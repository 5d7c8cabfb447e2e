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

/**
 * To let in pages, all of them or one by one, is to let them in without what browsers bring by themselves, unless the app
 * says so: they send a simple POST before they ask, and its cookies with it.
 */
function wasLetIn(origin: string, { method, headers }: FastifyRequest, reply: FastifyReply): boolean {
  const allowed = reply.getHeader('access-control-allow-origin')
  if (allowed !== '*' && allowed !== origin) return false
  const { authorization, cookie } = headers
  if (SAFE_METHODS.has(method)) return true
  if (authorization !== undefined && !remembered.test(authorization)) return true
  if (allowed === '*') return false
  const mayBringCookies = reply.getHeader('access-control-allow-credentials') === 'true'
  return mayBringCookies || (authorization === undefined && cookie === undefined)
}

// What a page has to add itself, it has to ask for first; these a browser remembers and adds.
const remembered = /^(basic|digest|negotiate|ntlm)\b/i
