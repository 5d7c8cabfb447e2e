// Holds clients to `maxStreamRate`.

import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'
import { clientsOf, secondsOf, type RateLimits } from '../http/rates.ts'

/** Errors: MILLRACE_STREAM_RATE. */
export async function requireStreamRate(rates: RateLimits, request: FastifyRequest): Promise<void> {
  const waitMs = await rates.take('stream', clientsOf(request), 1)
  if (waitMs === 0) return
  throw new MillraceError('MILLRACE_STREAM_RATE', 'You open event streams faster than the hub allows.', {
    retryAfter: secondsOf(waitMs),
  })
}
