// The origin that clients know the hub by: what it was told, where a proxy stands between, or what the request says.

import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    /** As `--public-url` has it. */
    publicOrigin: string | undefined
    /** Requests for other hosts than the hub's own are refused. */
    checksHost: boolean
  }
}

/** Such as `https://hub.example.org`. */
export function originOf(request: FastifyRequest): string {
  return request.server.publicOrigin ?? requestedOrigin(request)
}

export function requestedOrigin(request: FastifyRequest): string {
  const { encrypted } = request.raw.socket as Partial<TLSSocket>
  return `${encrypted === true ? 'https' : 'http'}://${hostOf(request)}`
}

/** Not `request.host`: a page that reaches the hub under a name of its own can set `X-Forwarded-Host`. */
export function hostOf({ raw }: FastifyRequest): string {
  return raw.headers.host ?? (raw.headers[':authority'] as string | undefined) ?? ''
}
