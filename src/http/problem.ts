// Turns every error into problem+json (RFC 9457): ours by the catalogue, Fastify's by what they mean, unknown ones
// logged with their cause and sent without it.

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { ERRORS, MillraceError, type ErrorCode } from '../errors.ts'
import { originOf } from './public-origin.ts'

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

/** Where a running hub explains its errors: `type` of each problem points there. */
export const ERRORS_PATH = '/errors'

/** The problem document of an error, as JSON text. `prefix`: that of the routes. */
export function problemText(error: MillraceError, requestId?: string, prefix = ''): string {
  return JSON.stringify({
    type: `${prefix}${ERRORS_PATH}#${error.code}`,
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    ...error.extra,
    requestId,
  })
}

/** Fastify's error handler. */
export function sendProblem(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  const known = asMillraceError(error, request)
  if (known.status >= 500 && known.code === 'MILLRACE_INTERNAL') {
    const report = { err: error, reqId: request.id }
    request.log.error(report, 'a request failed for a reason that the catalogue does not know')
  }
  if (known.retryAfter !== undefined) reply.header('retry-after', String(known.retryAfter))
  const challenge = CHALLENGES[known.code]
  if (challenge !== undefined) {
    reply.header('www-authenticate', `Bearer realm="millrace"${challenge}${metadataOf(request)}`)
  }
  reply
    .code(known.status)
    .type(PROBLEM_MEDIA_TYPE)
    .header('cache-control', 'no-store')
    .send(problemText(known, request.id, request.server.prefix))
}

/** Fastify's error handler inside somebody else's app: what its own hooks throw is its own to answer. */
export function sendOwnProblem(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  // Fastify's core; its plugins have codes such as FST_JWT_NO_AUTHORIZATION_IN_HEADER.
  const isOwn = error instanceof MillraceError || ('code' in error && error.code.startsWith('FST_ERR_'))
  if (!isOwn) throw error
  sendProblem(error, request, reply)
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The path of what describes the protected resource (RFC 9728), behind the prefix. */
    resourceMetadata?: string
  }
}

/** Where a client learns how to get a token (RFC 9728, section 5.1). */
function metadataOf(request: FastifyRequest): string {
  const path = request.routeOptions.config?.resourceMetadata
  return path === undefined ? '' : `, resource_metadata="${originOf(request)}${request.server.prefix}${path}"`
}

/** What a client is told of tokens (RFC 6750, section 3), by error. */
const CHALLENGES: { readonly [Code in ErrorCode]?: string } = {
  MILLRACE_AUTHORIZATION_INVALID: ', error="invalid_request"',
  MILLRACE_TOKEN_MISSING: '',
  MILLRACE_TOKEN_INVALID: ', error="invalid_token", error_description="it is not accepted"',
  MILLRACE_TOKEN_EXPIRED: ', error="invalid_token", error_description="it has expired"',
  MILLRACE_FORBIDDEN: ', error="insufficient_scope"',
}

// Fastify's own errors, by their codes (https://fastify.dev/docs/latest/Reference/Errors/).
const FASTIFY_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_VALIDATION: 'MILLRACE_REQUEST_INVALID',
  FST_ERR_BAD_URL: 'MILLRACE_REQUEST_INVALID',
  FST_ERR_MAX_PARAM_LENGTH: 'MILLRACE_TOPIC_INVALID',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'MILLRACE_MEDIA_TYPE_UNSUPPORTED',
  FST_ERR_CTP_BODY_TOO_LARGE: 'MILLRACE_BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'MILLRACE_BODY_CUT',
}

function asMillraceError(error: FastifyError | Error, request: FastifyRequest): MillraceError {
  if (error instanceof MillraceError) return error
  const code = 'code' in error ? codeOf(error) : undefined
  if (code !== undefined) return new MillraceError(code, `${error.message}.`, { cause: error })
  return new MillraceError('MILLRACE_INTERNAL', `The request ${request.id} failed.`, { cause: error })
}

function codeOf({ code, statusCode = 500 }: FastifyError): ErrorCode | undefined {
  const isFastifys = code.startsWith('FST_')
  return FASTIFY_CODES[code] ?? (isFastifys && statusCode < 500 ? 'MILLRACE_REQUEST_INVALID' : undefined)
}
