// What caches may do with an answer that has something of topics in it.

import type { FastifyReply } from 'fastify'

export interface CacheRules {
  /** Others may be answered otherwise: no cache that they share may keep it. What anonymous clients get is for everyone. */
  readonly isPrivate: boolean
  /** Further request headers that the answer depends on. */
  readonly vary?: readonly string[]
}

/** Has caches ask again each time, and keep apart what different credentials get. */
export function setCacheRules(reply: FastifyReply, { isPrivate, vary = [] }: CacheRules): void {
  reply.header('cache-control', isPrivate ? 'private, no-cache' : 'no-cache')
  // CORS has had its say before.
  const names = [reply.getHeader('vary'), 'authorization', 'cookie', ...vary]
  reply.header('vary', names.filter(name => name !== undefined).join(', '))
}
