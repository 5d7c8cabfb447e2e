// Who asks: the token of a request, from its header, its cookie or, where that is enabled, its query, and the grant it has;
// or what somebody else says of the request.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Grant } from '../auth/grant.ts'
import { MillraceError } from '../errors.ts'
import { isSameOrigin } from './cross-origin.ts'

export interface AuthenticateOptions {
  /** The cookie that may carry a token. */
  readonly authCookie: string
  /** Pages of these origins may use the cookie, beside those of the hub itself. */
  readonly corsOrigin: readonly string[]
  /** The query parameter `authorization` may carry one. */
  readonly authQuery: boolean
}

/** The grant of a request by other means than a token; undefined: it has none by these. */
export type Authorize = (request: FastifyRequest) => Promise<Grant | undefined>

/** Who gives requests their grants. */
export interface GrantSources extends AuthenticateOptions {
  /** Asked first. */
  readonly authorize: Authorize | undefined
  readonly takesTokens: boolean
}

/** The token that a request brings; undefined: none. Errors: MILLRACE_TOKEN_INVALID, MILLRACE_ORIGIN_FORBIDDEN. */
export type TokenFinder = (request: FastifyRequest, options: AuthenticateOptions) => string | undefined

declare module 'fastify' {
  interface FastifyRequest {
    /** What this request may do. */
    grant: Grant
  }
  interface FastifyContextConfig {
    /** Anyone may ask for it, with whatever token: it holds nothing that is anyone's. */
    isPublic?: boolean
    /** How its requests bring their token. Default: the header, else the query where enabled, else the cookie. */
    tokenOf?: TokenFinder
  }
}

export function authenticate(
  app: FastifyInstance,
  authenticator: Authenticator,
  sources: GrantSources,
): void {
  const { authorize } = sources
  app.decorateRequest('grant')
  const find = (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void => {
    request.grant = authenticator.anonymous
    if (request.routeOptions.config?.isPublic === true) return done()
    const grant =
      authorize === undefined
        ? grantOfToken(request, authenticator, sources)
        : authorize(request).then(given => given ?? grantOfToken(request, authenticator, sources))
    if (grant instanceof Promise) return void found(grant, request, done)
    request.grant = grant
    done()
  }
  // Whoever knows the request by its own hooks needs all of them to have run.
  if (authorize === undefined) app.addHook('onRequest', find)
  else app.addHook('preHandler', find)
}

/** Errors: those of a `TokenFinder` and of `Authenticator.grantOf`. */
function grantOfToken(
  request: FastifyRequest,
  authenticator: Authenticator,
  sources: GrantSources,
): Grant | Promise<Grant> {
  if (!sources.takesTokens) return authenticator.anonymous
  const known = sources.authQuery ? undefined : knownGrant(request, authenticator)
  if (known !== undefined) return known
  const { tokenOf = headerQueryOrCookie } = request.routeOptions.config ?? {}
  const token = tokenOf(request, sources)
  return token === undefined ? authenticator.anonymous : authenticator.grantOf(token)
}

const SCHEME = 'Bearer '

/** Most requests bring a token that was looked at before, whose shape need not be looked at again: half of what it costs. */
function knownGrant({ headers }: FastifyRequest, authenticator: Authenticator): Grant | undefined {
  const { authorization } = headers
  return authorization?.startsWith(SCHEME) === true
    ? authenticator.known(authorization.slice(SCHEME.length))
    : undefined
}

async function found(
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
function headerQueryOrCookie(request: FastifyRequest, options: AuthenticateOptions): string | undefined {
  const { authorization } = request.headers
  if (authorization !== undefined) {
    if (options.authQuery) requireOnePlace(request)
    return bearerToken(authorization)
  }
  if (request.raw.url?.includes('?') === true) {
    const inQuery = (request.query as Record<string, unknown>).authorization
    if (inQuery !== undefined) return queryToken(inQuery, options)
  }
  return cookieToken(request, options, [options.authCookie])
}

/** The token of the first of these cookies that is there. Errors: MILLRACE_TOKEN_INVALID, MILLRACE_ORIGIN_FORBIDDEN. */
export function cookieToken(
  request: FastifyRequest,
  options: AuthenticateOptions,
  names: readonly string[],
): string | undefined {
  const { cookie } = request.headers
  if (cookie === undefined) return undefined
  for (const name of names) {
    const token = cookieOf(cookie, name)
    if (token === undefined) continue
    requireOwnPage(request, options)
    return wellFormed(token)
  }
  return undefined
}

/** A client must not use two ways to bring a token (RFC 6750, section 2). Errors: MILLRACE_REQUEST_INVALID. */
function requireOnePlace({ query }: FastifyRequest): void {
  if ((query as Record<string, unknown>).authorization === undefined) return
  const detail = "Bring one token: in the header, or in the query parameter 'authorization', not in both."
  throw new MillraceError('MILLRACE_REQUEST_INVALID', detail)
}

/** The token of `Authorization: Bearer TOKEN` (RFC 6750, section 2.1). Errors: MILLRACE_TOKEN_INVALID. */
export function bearerToken(header: string): string {
  const token = /^bearer +(\S+) *$/i.exec(header)?.[1]
  if (token !== undefined) return wellFormed(token)
  throw new MillraceError('MILLRACE_TOKEN_INVALID', 'The authorization header is not `Bearer` and a token.')
}

/**
 * A token has one spelling: decoders of base64 overlook spaces and padding, and each spelling would be another one to
 * remember. Errors: MILLRACE_TOKEN_INVALID.
 */
function wellFormed(token: string): string {
  if (/^([\w-]+\.[\w-]+\.[\w-]*|millrace_[\w-]*)$/.test(token)) return token
  throw new MillraceError('MILLRACE_TOKEN_INVALID', 'This is neither a JWT nor an API key of Millrace.')
}

export function queryToken(value: unknown, { authQuery }: AuthenticateOptions): string {
  if (authQuery && typeof value === 'string' && value !== '') return wellFormed(value)
  const why = authQuery ? 'is not one token' : 'is not taken here: the hub runs without --auth-query'
  throw new MillraceError('MILLRACE_TOKEN_INVALID', `The query parameter 'authorization' ${why}.`)
}

function cookieOf(header: string, name: string): string | undefined {
  for (const part of header.split(';')) {
    const equals = part.indexOf('=')
    if (equals > 0 && part.slice(0, equals).replace(/^[ \t]+/, '') === name) return part.slice(equals + 1)
  }
  return undefined
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'QUERY'])

/**
 * A cookie comes with whatever page makes the browser ask: a page must be the hub's own or of an origin that was named,
 * and all browsers say the origin with what changes something. Errors: MILLRACE_ORIGIN_FORBIDDEN.
 */
function requireOwnPage(request: FastifyRequest, { corsOrigin }: AuthenticateOptions): void {
  const { method, headers } = request
  const origin = headers.origin ?? refererOrigin(headers.referer)
  if (origin !== undefined && (corsOrigin.includes(origin) || isSameOrigin(origin, request))) return
  const isSafe = SAFE_METHODS.has(method) && headers.origin === undefined
  if (isSafe || (origin === undefined && headers['sec-fetch-site'] === 'same-origin')) return
  const detail = 'With a cookie, what changes something must come from a page that says its origin.'
  throw new MillraceError('MILLRACE_ORIGIN_FORBIDDEN', detail)
}

/** Pages that do not say their origin may say their address. */
function refererOrigin(referer: string | undefined): string | undefined {
  return referer !== undefined && URL.canParse(referer) ? new URL(referer).origin : undefined
}
