// The origin that clients know the hub by: what it was told, where a proxy stands between, or what the request says.

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
  return request.server.publicOrigin ?? `${request.protocol}://${request.host}`
}
