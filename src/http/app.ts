// The Fastify instance: HTTP/2 over TLS with HTTP/1.1 on the same port, request limits, and errors as problems.

import type { Socket } from 'node:net'
import fastify, { LogController, type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { ERRORS, MillraceError, type ErrorCode } from '../errors.ts'
import type { AbuseReports } from './abuse.ts'
import type { TlsMaterial } from './certificates.ts'
import type { Connections } from './connections.ts'
import { REQUEST_EXPLAINS } from './overhead.ts'
import { PROBLEM_MEDIA_TYPE, problemText, sendProblem } from './problem.ts'
import { trustedProxies } from './trusted-proxies.ts'
import { endWhatIsUnfinished, type UnfinishedOptions } from './unfinished.ts'

export interface AppOptions extends UnfinishedOptions {
  readonly logger: Logger
  /** Certificate and key; absent: plain HTTP/1.1. */
  readonly tls?: TlsMaterial | undefined
  /** Where clients reach the hub, as an origin; undefined: where their requests say. */
  readonly publicUrl: string | undefined
  /** Whose `X-Forwarded-For` says who the client is. */
  readonly trustProxy: readonly string[]
  readonly maxHeaderBytes: number
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
  app.decorate('publicOrigin', options.publicUrl)
  connections.follow(app.server, options.tls !== undefined)
  app.setErrorHandler(sendProblem)
  readBodiesOurselves(app)
  refuseWhatExceedsLimits(app, options, connections)
  refuseWhileClosing(app)
  endWhatIsUnfinished(app, options, abuse)
  explainUnknownRoutes(app)
  forbidGuessing(app)
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

/** Routes read bodies from `request.raw`, so no parser may touch them. */
function readBodiesOurselves(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  // Fastify remembers what it found by an expression, and looks for what '*' takes anew each time.
  for (const any of [/^/, '*']) app.addContentTypeParser(any, (_request, _payload, done) => done(null))
}

function refuseWhatExceedsLimits(
  app: FastifyInstance,
  { maxHeaderBytes }: AppOptions,
  connections: Connections,
): void {
  // Not async: a promise for each request and hook costs more than what they do.
  app.addHook('onRequest', (request, reply, done) => {
    const connection = connections.of(request)
    const bytes = headBytes(request)
    connection.explainedBytes += bytes + REQUEST_EXPLAINS
    if (connection.overLimit !== undefined) {
      connections.endAfter(request, reply)
      throw tooMany(connection.overLimit)
    }
    if (bytes > maxHeaderBytes) {
      throw new MillraceError('MILLRACE_HEADERS_TOO_LARGE', `The limit is ${maxHeaderBytes} bytes.`)
    }
    done()
  })
}

function tooMany(limit: 'hub' | 'address'): MillraceError {
  const code = limit === 'hub' ? 'MILLRACE_TOO_MANY_CONNECTIONS' : 'MILLRACE_ADDRESS_CONNECTIONS'
  return new MillraceError(code, 'This connection came when the limit was reached.', { retryAfter: 5 })
}

function headBytes({ raw }: FastifyRequest): number {
  // On HTTP/2 the URL is a header itself.
  let bytes = raw.httpVersionMajor === 1 ? (raw.url?.length ?? 0) : 0
  for (const text of raw.rawHeaders) bytes += text.length
  return bytes
}

/** What still arrives on open connections while the hub closes is for another instance; all but the health checks. */
function refuseWhileClosing(app: FastifyInstance): void {
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
  })
  app.addHook('onRequest', ({ routeOptions }, _reply, done) => {
    if (!isClosing || routeOptions.url === '/healthz' || routeOptions.url === '/readyz') return done()
    throw new MillraceError('MILLRACE_DRAINING', 'Nothing new is begun here.', { retryAfter: 1 })
  })
}

/** What was published must not be taken for a page or a script, whatever it looks like. */
function forbidGuessing(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, _payload, done) => {
    // Answers to POST and PUT have nothing in them that was published, and are many.
    if (request.method === 'GET') reply.header('x-content-type-options', 'nosniff')
    done()
  })
}

/** 405 where the path exists with other methods, else 404. */
function explainUnknownRoutes(app: FastifyInstance): void {
  const methodsOf = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = methodsOf.get(url) ?? new Set<string>()
    for (const each of [method].flat()) methods.add(each)
    methodsOf.set(url, methods)
  })
  app.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split('?')[0]!
    const methods = [...methodsOf].find(([url]) => isPathOf(url, path))?.[1]
    if (methods === undefined)
      throw new MillraceError('MILLRACE_NOT_FOUND', `No route has the path '${path}'.`)
    const allow = [...methods].join(', ')
    reply.header('allow', allow)
    throw new MillraceError('MILLRACE_METHOD_NOT_ALLOWED', `${path} takes ${allow}, not ${request.method}.`)
  })
}

function isPathOf(url: string, path: string): boolean {
  // The bare `*` is where CORS answers OPTIONS.
  if (url.endsWith('/*')) return path.startsWith(url.slice(0, -1))
  return path === url
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
