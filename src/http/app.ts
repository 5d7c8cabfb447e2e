// The Fastify instance of a hub that has a server of its own: HTTP/2 over TLS with HTTP/1.1 on the same port.

import type { Socket } from 'node:net'
import fastify, { LogController, type FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { ERRORS, MillraceError, type ErrorCode } from '../errors.ts'
import type { AbuseReports } from './abuse.ts'
import type { TlsMaterial } from './certificates.ts'
import type { Connections } from './connections.ts'
import { PROBLEM_MEDIA_TYPE, problemText, sendProblem } from './problem.ts'
import { addRequestRules, type RequestRulesOptions } from './request-rules.ts'
import { trustedProxies } from './trusted-proxies.ts'

export interface AppOptions extends RequestRulesOptions {
  readonly logger: Logger
  /** Certificate and key; absent: plain HTTP/1.1. */
  readonly tls?: TlsMaterial | undefined
  /** Whose `X-Forwarded-For` says who the client is. */
  readonly trustProxy: readonly string[]
  readonly maxStreamsPerConnection: number
  /** How long a TLS handshake may take, and a request's head on HTTP/1.1, in milliseconds. */
  readonly headTimeoutMs: number
  /** How long an HTTP/1.1 connection may carry nothing, in milliseconds. */
  readonly idleTimeoutMs: number
}

// Plain requests find a place beside as many event streams as are allowed.
const SPARE_STREAMS = 256

// Each stream's backlog is bounded already. Node's own bound for all streams of a session would make one stalled
// stream's siblings fail, so it is set where it cannot be met, in MB.
const SESSION_MEMORY_MB = 1024

// The parsers take heads a little larger than allowed, so that we can answer rather than hang up.
const HEADER_MARGIN_BYTES = 16 * 1024

// A peer that reads nothing does not get to read why it is cut off either.
const GOODBYE_MS = 1000

export function createApp(
  options: AppOptions,
  connections: Connections,
  abuse: AbuseReports,
): FastifyInstance {
  const app = fastify({
    ...(options.tls === undefined ? plainServer(options) : secureServer(options, options.tls)),
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    // What is said of a request names it; a logger for each would cost more than most requests do.
    childLoggerFactory: logger => logger,
    exposeHeadRoutes: false,
    // It makes `request.ip`. What else it makes, from headers that proxies hand through, is used nowhere.
    trustProxy: options.trustProxy.length > 0 && trustedProxies(options.trustProxy),
    // Fastify sets it on plain servers itself.
    keepAliveTimeout: options.idleTimeoutMs,
    // Fastify's own answer while closing is no problem document; see `refuseWhileClosing`.
    return503OnClosing: false,
    routerOptions: { maxParamLength: options.maxHeaderBytes },
    frameworkErrors: sendProblem,
    clientErrorHandler: (error, socket) => {
      if (LATE_CODES.has(error.code ?? '')) abuse.add('late', socket.remoteAddress)
      answerClientError(error, socket)
    },
  }) as unknown as FastifyInstance
  connections.follow(app.server, options.tls !== undefined)
  app.setErrorHandler(sendProblem)
  addRequestRules(app, options, connections, abuse)
  return app
}

function plainServer(options: AppOptions): object {
  return { http: http1Limits(options), requestTimeout: 0 }
}

function http1Limits({ maxHeaderBytes, headTimeoutMs, idleTimeoutMs }: AppOptions): object {
  return {
    keepAliveTimeout: idleTimeoutMs,
    maxHeaderSize: maxHeaderBytes + HEADER_MARGIN_BYTES,
    headersTimeout: headTimeoutMs,
    connectionsCheckingInterval: Math.ceil(headTimeoutMs / 4),
    // A body may take as long as it likes: it can be a stream of lines.
    requestTimeout: 0,
  }
}

function secureServer(options: AppOptions, tls: NonNullable<AppOptions['tls']>): object {
  const { maxHeaderBytes, maxStreamsPerConnection, headTimeoutMs } = options
  return {
    http2: true,
    // A timer that each write sets back costs a twentieth of the write; `Connections` sees to idle sessions.
    http2SessionTimeout: 0,
    https: {
      ...tls,
      ...http1Limits(options),
      allowHTTP1: true,
      handshakeTimeout: headTimeoutMs,
      maxSessionMemory: SESSION_MEMORY_MB,
      maxSendHeaderBlockLength: 65_536,
      // Each request with a body of unknown length sends one when the body has ended.
      maxOutstandingPings: maxStreamsPerConnection + SPARE_STREAMS + 1,
      settings: {
        maxConcurrentStreams: maxStreamsPerConnection + SPARE_STREAMS,
        maxHeaderListSize: maxHeaderBytes + HEADER_MARGIN_BYTES,
      },
    },
  }
}

/** Answers what the HTTP/1.1 parser refuses, before there is a request. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  const isMute = error.code === 'ECONNRESET' || error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT'
  if (isMute || !socket.writable) return void socket.destroy()
  const code = PARSER_CODES[error.code ?? ''] ?? 'MILLRACE_REQUEST_INVALID'
  const body = problemText(new MillraceError(code, `The request could not be read: ${error.message}.`))
  const head = [
    `HTTP/1.1 ${ERRORS[code].status} ${ERRORS[code].title}`,
    `content-type: ${PROBLEM_MEDIA_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  // Both ways: a peer that leaves its own side open must not keep the connection.
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
  setTimeout(() => socket.destroy(), GOODBYE_MS).unref()
}

const LATE_CODES: ReadonlySet<string> = new Set(['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_TLS_HANDSHAKE_TIMEOUT'])

const PARSER_CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'MILLRACE_HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'MILLRACE_REQUEST_TIMEOUT',
}
