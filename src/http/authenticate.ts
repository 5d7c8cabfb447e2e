// Who asks: the token of a request, from its header, its cookie or, where that is enabled, its query, and the grant it has.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Grant } from '../auth/grant.ts'
import { MillraceError } from '../errors.ts'

export interface AuthenticateOptions {
  /** The cookie that may carry a token. */
  readonly authCookie: string
  /** The query parameter `authorization` may carry one. */
  readonly authQuery: boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /** What this request may do. */
    grant: Grant
  }
  interface FastifyContextConfig {
    /** Anyone may ask for it, with whatever token: it holds nothing that is anyone's. */
    isPublic?: boolean
  }
}

export function authenticate(
  app: FastifyInstance,
  authenticator: Authenticator,
  options: AuthenticateOptions,
): void {
  app.decorateRequest('grant')
  app.addHook('onRequest', (request, _reply, done) => {
    request.grant = authenticator.anonymous
    const token = request.routeOptions.config?.isPublic === true ? undefined : tokenOf(request, options)
    if (token === undefined) return done()
    const grant = authenticator.grantOf(token)
    if (!(grant instanceof Promise)) {
      request.grant = grant
      return done()
    }
    void verified(grant, request, done)
  })
}

async function verified(
  grant: Promise<Grant>,
  request: FastifyRequest,
  done: (error?: Error) => void,
): Promise<void> {
  try {
    request.grant = await grant
  } catch (error) {
    return done(error as Error)
  }
  done()
}

/** Headers come first: a browser sends its cookie whether it is meant or not. */
function tokenOf(request: FastifyRequest, options: AuthenticateOptions): string | undefined {
  const { authorization, cookie } = request.headers
  if (authorization !== undefined) return bearerToken(authorization)
  if (request.raw.url?.includes('authorization=') === true) {
    const inQuery = (request.query as Record<string, unknown>).authorization
    if (inQuery !== undefined) return queryToken(inQuery, options)
  }
  const token = cookie === undefined ? undefined : cookieOf(cookie, options.authCookie)
  if (token !== undefined) requireOwnPage(request)
  return token
}

/** The token of `Authorization: Bearer TOKEN` (RFC 6750, section 2.1). Errors: MILLRACE_TOKEN_INVALID. */
function bearerToken(header: string): string {
  const token = /^bearer +(\S+) *$/i.exec(header)?.[1]
  if (token !== undefined) return token
  throw new MillraceError('MILLRACE_TOKEN_INVALID', 'The authorization header is not `Bearer` and a token.')
}

function queryToken(value: unknown, { authQuery }: AuthenticateOptions): string {
  if (authQuery && typeof value === 'string' && value !== '') return value
  const why = authQuery ? 'is not one token' : 'is not taken here: the hub runs without --auth-query'
  throw new MillraceError('MILLRACE_TOKEN_INVALID', `The query parameter 'authorization' ${why}.`)
}

function cookieOf(header: string, name: string): string | undefined {
  for (const part of header.split(';')) {
    const equals = part.indexOf('=')
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim()
  }
  return undefined
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'QUERY'])

/**
 * A cookie comes with whatever page makes the browser ask. Those that say where they are from have been looked at
 * (cross-origin.ts), and all browsers do with what changes something. Errors: MILLRACE_ORIGIN_FORBIDDEN.
 */
function requireOwnPage({ method, headers }: FastifyRequest): void {
  if (SAFE_METHODS.has(method) || headers.origin !== undefined) return
  if (headers['sec-fetch-site'] === 'same-origin') return
  const detail = 'With a cookie, what changes something must come from a page that says its origin.'
  throw new MillraceError('MILLRACE_ORIGIN_FORBIDDEN', detail)
}
