// Which pages may use the hub from a browser (CORS), and a plain refusal for the others: without it, any page could
// still publish, since browsers send simple POSTs before they ask.

import cors from '@fastify/cors'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'
import { hostOf, originOf, requestedOrigin } from './public-origin.ts'

export interface CrossOriginOptions {
  /** Origins as browsers spell them, such as `https://app.example.org`. */
  readonly allowedOrigins: readonly string[]
  /** The hub is on loopback: pages served from this machine may use it too, and it answers to loopback's names. */
  readonly isLoopback: boolean
  /** The names that it answers to beside those; none off loopback: to any. */
  readonly allowedHosts: readonly string[]
}

export async function crossOrigin(app: FastifyInstance, options: CrossOriginOptions): Promise<void> {
  const { isLoopback } = options
  const allowedHosts = options.allowedHosts.map(name => name.toLowerCase())
  const answersToSome = isLoopback || allowedHosts.length > 0
  app.decorate('checksHost', answersToSome)
  app.addHook('onRequest', (request, reply, done) => {
    // Any name can be made to resolve to this machine (DNS rebinding): then a foreign page is of the same origin.
    if (answersToSome && !isOwnHost(request, { isLoopback, allowedHosts })) {
      throw new MillraceError('MILLRACE_HOST_FORBIDDEN', `This hub does not answer to '${hostOf(request)}'.`)
    }
    const { origin } = request.headers
    if (origin === undefined) return done()
    // Cookies are for pages that were named one by one.
    if (options.allowedOrigins.includes(origin)) reply.header('access-control-allow-credentials', 'true')
    if (isAllowed(origin, options) || isSameOrigin(origin, request)) return done()
    throw new MillraceError('MILLRACE_ORIGIN_FORBIDDEN', `Pages from ${origin} may not use this hub.`)
  })
  await app.register(cors, {
    origin: (origin, answer) => answer(null, origin !== undefined && isAllowed(origin, options)),
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'QUERY'],
    exposedHeaders: EXPOSED_HEADERS,
    maxAge: 7200,
  })
}

const EXPOSED_HEADERS = [
  'etag',
  'link',
  'retry-after',
  'idempotent-replayed',
  'last-event-id',
  'mercure-last-event-id',
  'millrace-events',
  'millrace-bytes',
  'millrace-first',
  'millrace-last',
  'millrace-state',
]

export function isSameOrigin(origin: string, request: FastifyRequest): boolean {
  return origin === originOf(request) || origin === requestedOrigin(request)
}

function isAllowed(origin: string, { allowedOrigins, isLoopback }: CrossOriginOptions): boolean {
  return allowedOrigins.includes(origin) || (isLoopback && loopbackOrigin.test(origin))
}

function isOwnHost(
  request: FastifyRequest,
  { isLoopback, allowedHosts }: Pick<CrossOriginOptions, 'isLoopback' | 'allowedHosts'>,
): boolean {
  const host = hostOf(request)
  // Browsers always name the host.
  if (host === '' || loopbackHost.test(host)) return true
  const name = host.replace(/:\d+$/, '').toLowerCase()
  // Probes and scrapers go by address, and an address cannot be made to resolve to another.
  return allowedHosts.includes(name) || (!isLoopback && name === addressAsHost(request.socket.localAddress))
}

function addressAsHost(address = ''): string {
  const plain = address.replace(/^::ffff:(?=[\d.]+$)/, '')
  return plain.includes(':') ? `[${plain}]` : plain
}

const LOOPBACK_NAME = String.raw`(localhost|[a-z0-9-]+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?`
const loopbackHost = new RegExp(`^${LOOPBACK_NAME}$`, 'i')
const loopbackOrigin = new RegExp(`^https?://${LOOPBACK_NAME}$`)
