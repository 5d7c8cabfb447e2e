// A hub on loopback without a key is open to all who reach it, for they are on this machine. What a proxy hands on may come from
// anywhere, though it comes from this machine too: it is refused, unless the hub was told of the proxy.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'

/** Errors of requests: MILLRACE_PROXY_UNNAMED. */
export function refuseUnnamedProxies(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const sign = signOfProxy(request)
    if (sign === undefined) return done()
    const detail =
      `The request has the header '${sign}', so it came through a proxy, which the hub was not told of: without a key it is for its own machine only. ` +
      'Give the hub a key for tokens (MILLRACE_JWT_KEY, --api-keys-file), or name the proxy: --trust-proxy 127.0.0.1, and say what anyone may do.'
    throw new MillraceError('MILLRACE_PROXY_UNNAMED', detail)
  })
}

/** The header by which a request shows that it came through a proxy from elsewhere. */
function signOfProxy({ headers }: FastifyRequest): string | undefined {
  if (headers.via !== undefined) return 'via'
  if (headers.forwarded !== undefined) return 'forwarded'
  return ADDRESSES.find(name => headers[name] !== undefined && !isOfThisMachine(String(headers[name])))
}

const ADDRESSES = ['x-forwarded-for', 'x-real-ip'] as const

/** So say development servers that have a page of this machine reach the hub. Proxies for others add the address of these. */
function isOfThisMachine(addresses: string): boolean {
  return addresses.split(',').every(address => loopbackAddress.test(address.trim()))
}

const loopbackAddress = /^(\[?::1\]?|(::ffff:)?127(\.\d{1,3}){3})(:\d+)?$/i
