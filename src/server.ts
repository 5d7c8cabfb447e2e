// Wires every part: the one file that knows all of them.

import type { AddressInfo } from 'node:net'
import type { Http2SecureServer } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { type Logger } from 'pino'
import { Grant } from './auth/grant.ts'
import { isLoopback } from './config/check.ts'
import type { Config } from './config/schema.ts'
import { parseRetentionRule } from './config/retention-rules.ts'
import { MillraceError } from './errors.ts'
import { AbuseReports } from './http/abuse.ts'
import { createApp } from './http/app.ts'
import { openCertificates, type Certificates } from './http/certificates.ts'
import { Connections } from './http/connections.ts'
import { crossOrigin } from './http/cross-origin.ts'
import { EventStreams } from './http/event-streams.ts'
import { PublishRate } from './http/publish-rate.ts'
import type { CompressionRule } from './gzip/rule.ts'
import { Hub } from './hub/hub.ts'
import { PAGE_LIMITS } from './hub/page-cache.ts'
import { createLogger } from './logger.ts'
import { openLog } from './log/open-log.ts'
import type { RetentionRule } from './log/retention.ts'
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

export interface RunningServer {
  /** Where it listens, such as `https://localhost:9443`. */
  readonly url: string
  /** The authority that clients must trust, as a path, when the certificate is our own. */
  readonly certificateAuthority: string | undefined
  readonly logger: Logger
  /** Reads the certificate again, open streams or not. Rejects with MILLRACE_CERTIFICATE_UNUSABLE. */
  reloadCertificates(): Promise<void>
  /** Drains: no new streams, a goodbye to each open one, all closed within `drainMs` and a grace. */
  close(): Promise<void>
}

/** Errors: MILLRACE_PORT_TAKEN, MILLRACE_CERTIFICATE_UNUSABLE. */
export async function startServer(
  config: Config,
  logger: Logger = createLogger(config),
): Promise<RunningServer> {
  const certificates = config.tls ? await openCertificates({ ...config, names: [config.host] }) : undefined
  const log = await openLog({ ...config, retention: retentionRules(config) }, logger)
  const metrics = new Metrics({
    usage: () => log.usage(),
    connections: () => connections.count,
    streams: () => streams.count,
    gzipTotals: () => streams.gzipTotals,
  })
  const abuse = new AbuseReports(reason => metrics.abused(reason), logger)
  const connections = new Connections(config, abuse)
  const hub = new Hub(log, metrics, PAGE_LIMITS, compressionRule(config))
  const streams = new EventStreams(hub, connections, config)
  const closing = new AbortController()
  const app = createApp({ ...config, logger, tls: certificates?.secureContext() }, connections, abuse)
  const anonymous = new Grant({ publish: config.anonymousPublish, receive: config.anonymousReceive })
  await registerRoutes(app, config, metrics, {
    hub,
    streams,
    publishRate: new PublishRate(config.maxPublishRate),
    limits: config,
    closing: closing.signal,
    grantOf: () => anonymous,
  })
  const reloadCertificates = watchCertificates(certificates, app, logger)
  try {
    await listen(app, config)
  } catch (error) {
    await log.close()
    throw error
  }

  async function close(): Promise<void> {
    logger.info({ streams: streams.count }, 'draining')
    closing.abort()
    certificates?.close()
    const closed = app.close()
    connections.refuseNewStreams()
    const drainedBy = performance.now() + config.drainMs
    await streams.drain(config.drainMs)
    // Uploads have as long as streams.
    const leftMs = Math.max(0, drainedBy - performance.now()) + CLOSE_GRACE_MS
    await Promise.race([closed, sleep(leftMs, undefined, { ref: false })])
    connections.destroy()
    await closed
    hub.close()
    await log.close()
    logger.info('closed')
  }
  let closed: Promise<void> | undefined
  return {
    url: urlOf(app, config),
    certificateAuthority: certificates?.certificateAuthority,
    logger,
    reloadCertificates,
    close: () => (closed ??= close()),
  }
}

// What is left after the drain is cut after this time.
const CLOSE_GRACE_MS = 500

async function registerRoutes(
  app: FastifyInstance,
  config: Config,
  metrics: Metrics,
  context: RouteContext,
): Promise<void> {
  await crossOrigin(app, { allowedOrigins: config.corsOrigin, allowsLoopback: isLoopback(config.host) })
  await openApiRoute(app)
  for (const routes of [publishRoutes, topicRoutes, feedRoutes, healthRoutes]) await routes(app, context)
  await metricsRoute(app, metrics.registry)
  await errorRoutes(app)
  await welcomeRoute(app)
}

function compressionRule({ compressionMinReaders, compressionMinBytes }: Config): CompressionRule {
  return { minReaders: compressionMinReaders, minBytes: compressionMinBytes }
}

/** The configuration was checked: each rule can be read. */
function retentionRules({ retention, maxTopicNameBytes }: Config): RetentionRule[] {
  return retention.map(text => parseRetentionRule(text, maxTopicNameBytes) as RetentionRule)
}

/** Puts each new certificate into service; connections that are open keep theirs. */
function watchCertificates(
  certificates: Certificates | undefined,
  app: FastifyInstance,
  logger: Logger,
): () => Promise<void> {
  if (certificates === undefined) return async () => {}
  const server = app.server as unknown as Http2SecureServer
  const use = (): void => {
    server.setSecureContext(certificates.secureContext())
    logger.info('the certificate was reloaded')
    warn()
  }
  const warn = (): void => {
    const warning = certificates.warning()
    if (warning !== undefined) logger.warn(warning)
  }
  warn()
  certificates.watch(error => {
    if (error === undefined) use()
    else logger.error({ err: error }, 'the new certificate cannot be used; the old one stays in service')
  })
  return async () => {
    if (await certificates.reload()) use()
  }
}

async function listen(app: FastifyInstance, { port, host }: Config): Promise<void> {
  try {
    await app.listen({
      port,
      host,
      backlog: LISTEN_BACKLOG,
      listenTextResolver: address => `listening on ${address}`,
    })
  } catch (error) {
    await app.close()
    throw listenError(error as NodeJS.ErrnoException, port, host)
  }
}

// Clients come back all at once after a restart.
const LISTEN_BACKLOG = 4096

function listenError(error: NodeJS.ErrnoException, port: number, host: string): Error {
  if (error.code === 'EADDRINUSE') {
    const detail = `Another process listens on ${host}:${port}. Stop it, or choose another --port.`
    return new MillraceError('MILLRACE_PORT_TAKEN', detail, { cause: error })
  }
  if (error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    const detail = `${host}:${port} cannot be listened on (${error.code}). Choose another --host or --port.`
    return new MillraceError('MILLRACE_CONFIG_INVALID', detail, { cause: error })
  }
  return error
}

function urlOf(app: FastifyInstance, { tls, host }: Config): string {
  const { port } = app.server.address() as AddressInfo
  // The certificate that we make is for this name too, and it reads better.
  const name = isLoopback(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `${tls ? 'https' : 'http'}://${name}:${port}`
}
