// What holds for each request to the hub, in whatever scope of Fastify its routes stand: bodies that we read, limits, and
// paths that are none.

import ajvCompiler from '@fastify/ajv-compiler'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'
import type { AbuseReports } from './abuse.ts'
import type { Connections } from './connections.ts'
import { REQUEST_EXPLAINS } from './overhead.ts'
import { endWhatIsUnfinished, type UnfinishedOptions } from './unfinished.ts'

export interface RequestRulesOptions extends UnfinishedOptions {
  /** Where clients reach the hub, as an origin; undefined: where their requests say. */
  readonly publicUrl: string | undefined
  readonly maxHeaderBytes: number
}

export function addRequestRules(
  app: FastifyInstance,
  options: RequestRulesOptions,
  connections: Connections,
  abuse: AbuseReports,
): void {
  app.decorate('publicOrigin', options.publicUrl)
  compileOurselves(app)
  readBodiesOurselves(app)
  refuseWhatExceedsLimits(app, options, connections)
  refuseWhileClosing(app)
  endWhatIsUnfinished(app, options, abuse)
  explainUnknownRoutes(app)
  forbidGuessing(app)
}

/** The app around us may have schemas of another kind, and may print JSON in its own way. */
function compileOurselves(app: FastifyInstance): void {
  app.setValidatorCompiler(ajvCompiler()({}, { customOptions: {} }))
  app.setSerializerCompiler(() => JSON.stringify)
  app.setReplySerializer(payload => JSON.stringify(payload))
}

/** Routes read bodies from `request.raw`, so no parser may touch them. */
function readBodiesOurselves(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  // Fastify remembers what it found by an expression, and looks for what '*' takes anew each time.
  for (const any of [/^/, '*']) app.addContentTypeParser(any, (_request, _payload, done) => done(null))
}

function refuseWhatExceedsLimits(
  app: FastifyInstance,
  { maxHeaderBytes }: RequestRulesOptions,
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
