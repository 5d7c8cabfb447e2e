// Everything that serves HTTP on one thread, over a log that it is given: app, connections, streams, hub, metrics. A
// hub has one of these, or one in each worker.

import { once } from 'node:events'
import type { Http2SecureServer } from 'node:http2'
import type { AddressInfo, ListenOptions } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'
import type { Logger } from 'pino'
import { Grant } from './auth/grant.ts'
import { isLoopback } from './config/check.ts'
import type { Config } from './config/schema.ts'
import { AbuseReports } from './http/abuse.ts'
import { createApp } from './http/app.ts'
import type { TlsMaterial } from './http/certificates.ts'
import type { ConnectionCounts } from './http/connection-counts.ts'
import { Connections } from './http/connections.ts'
import { crossOrigin } from './http/cross-origin.ts'
import { EventStreams } from './http/event-streams.ts'
import { LISTEN_BACKLOG, listenError } from './http/port.ts'
import type { PublishLimit } from './http/publish-rate.ts'
import type { CompressionRule } from './gzip/rule.ts'
import { Hub } from './hub/hub.ts'
import { PAGE_LIMITS } from './hub/page-cache.ts'
import type { EventLog } from './log/event-log.ts'
import { Metrics } from './metrics/metrics.ts'
import type { RouteContext } from './routes/context.ts'
import { errorRoutes } from './routes/errors.ts'
import { feedRoutes } from './routes/feed.ts'
import { healthRoutes } from './routes/health.ts'
import { metricsRoute } from './routes/metrics.ts'
import { openApiRoute } from './routes/openapi.ts'
import { publishRoutes } from './routes/publish.ts'
import { topicRoutes } from './routes/topics.ts'
import { welcomeRoute } from './routes/welcome.ts'

export interface ListenerParts {
  readonly config: Config
  readonly logger: Logger
  readonly log: EventLog
  readonly tls: TlsMaterial | undefined
  /** Of all threads. */
  readonly counts: ConnectionCounts
  readonly publishRate: PublishLimit
  /** What `/metrics` answers, given what is counted here. */
  readonly readMetrics: (own: Metrics) => Promise<string>
  /** Other threads listen on the same port. Default: false. */
  readonly reusePort?: boolean
}

/** What serves HTTP: one listener, or workers with one each. */
export interface HttpSide {
  readonly port: number
  /** Puts a certificate into service; connections that are open keep theirs. */
  readonly useCertificate: (tls: TlsMaterial) => void
  /** Drains: no new streams, a goodbye to each open one, all closed within `drainMs` and a grace. Leaves the log open. */
  close(): Promise<void>
}

export interface Listener extends HttpSide {
  readonly metrics: Metrics
  /** Cuts all connections, without a goodbye; resolves when they are closed. */
  readonly cut: () => Promise<void>
}

/** Errors: MILLRACE_PORT_TAKEN, MILLRACE_CONFIG_INVALID. */
export async function startListener(parts: ListenerParts): Promise<Listener> {
  const { config, logger, log, tls, counts, publishRate, readMetrics } = parts
  const metrics = new Metrics({
    connections: () => connections.count,
    streams: () => streams.count,
    gzipTotals: () => streams.gzipTotals,
  })
  const abuse = new AbuseReports(reason => metrics.abused(reason), logger)
  const connections = new Connections(config, abuse, counts)
  const hub = new Hub(log, metrics, PAGE_LIMITS, compressionRule(config))
  const streams = new EventStreams(hub, connections, config)
  const closing = new AbortController()
  const app = createApp({ ...config, logger, tls }, connections, abuse)
  const anonymous = new Grant({ publish: config.anonymousPublish, receive: config.anonymousReceive })
  await registerRoutes(app, config, () => readMetrics(metrics), {
    hub,
    streams,
    publishRate,
    limits: config,
    closing: closing.signal,
    grantOf: () => anonymous,
  })
  await listen(app, config, parts.reusePort)

  async function close(): Promise<void> {
    logger.info({ streams: streams.count }, 'draining')
    closing.abort()
    const closed = app.close()
    connections.refuseNewStreams()
    const drainedBy = performance.now() + config.drainMs
    await streams.drain(config.drainMs)
    // Uploads have as long as streams.
    const leftMs = Math.max(0, drainedBy - performance.now()) + CLOSE_GRACE_MS
    // The process must live that long, and what is left may not keep it alive: Node reads nothing from a peer while it
    // writes to it, and forgets those that are reset meanwhile.
    const grace = new AbortController()
    await Promise.race([closed, sleep(leftMs, undefined, { signal: grace.signal }).catch(() => {})])
    grace.abort()
    connections.destroy()
    await closed
    hub.close()
  }
  return {
    port: (app.server.address() as AddressInfo).port,
    metrics,
    useCertificate: changed => (app.server as unknown as Http2SecureServer).setSecureContext(changed),
    close,
    async cut() {
      const closed = once(app.server.close(), 'close')
      connections.destroy()
      await closed
    },
  }
}

/** What is left after the drain is cut after this time. */
export const CLOSE_GRACE_MS = 500

async function registerRoutes(
  app: FastifyInstance,
  config: Config,
  readMetrics: () => Promise<string>,
  context: RouteContext,
): Promise<void> {
  await crossOrigin(app, { allowedOrigins: config.corsOrigin, allowsLoopback: isLoopback(config.host) })
  await openApiRoute(app)
  for (const routes of [publishRoutes, topicRoutes, feedRoutes, healthRoutes]) await routes(app, context)
  await metricsRoute(app, readMetrics)
  await errorRoutes(app)
  await welcomeRoute(app)
}

function compressionRule({ compressionMinReaders, compressionMinBytes }: Config): CompressionRule {
  return { minReaders: compressionMinReaders, minBytes: compressionMinBytes }
}

async function listen(app: FastifyInstance, { port, host }: Config, reusePort = false): Promise<void> {
  // Fastify hands `reusePort` on to Node, and its types do not say so.
  const options: FastifyListenOptions & ListenOptions = {
    port,
    host,
    reusePort,
    backlog: LISTEN_BACKLOG,
    listenTextResolver: address => `listening on ${address}`,
  }
  try {
    await app.listen(options)
  } catch (error) {
    await app.close()
    throw listenError(error as NodeJS.ErrnoException, port, host)
  }
}
