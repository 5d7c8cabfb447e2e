// Where a request of the Mercure protocol has its token: the header, draft 7's query parameter, or a cookie of either draft.

import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../../errors.ts'
import { bearerToken, cookieToken, queryToken, type AuthenticateOptions } from '../../http/authenticate.ts'
import { METADATA_PATH } from './paths.ts'
import { isDraft8Query } from './query.ts'

/** Draft 8's name, then draft 7's. */
export const COOKIES = ['__Secure-mercure_access_token', 'mercureAuthorization'] as const

/** The first that is there counts, good or bad. Errors: MILLRACE_AUTHORIZATION_INVALID, and those of a `TokenFinder`. */
function mercureToken(request: FastifyRequest, options: AuthenticateOptions): string | undefined {
  const { authorization } = request.headers
  const isDraft7 = (request.method === 'GET' || request.method === 'HEAD') && !isDraft8Query(request)
  if (authorization !== undefined) {
    if (!isDraft7 && !/^bearer +\S+ *$/i.test(authorization)) {
      const detail = 'The authorization header is not `Bearer` and a token.'
      throw new MillraceError('MILLRACE_AUTHORIZATION_INVALID', detail)
    }
    return bearerToken(authorization)
  }
  const inQuery = isDraft7 ? (request.query as Record<string, unknown>).authorization : undefined
  if (inQuery !== undefined) return queryToken(inQuery, options)
  return cookieToken(request, options, isDraft7 ? COOKIES.toReversed() : COOKIES)
}

/** Of the routes that ask for a token. */
export const MERCURE_CONFIG = { tokenOf: mercureToken, resourceMetadata: METADATA_PATH } as const
