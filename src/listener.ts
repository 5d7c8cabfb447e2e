// Everything that serves HTTP on one thread, over a log that it is given: app, connections, streams, hub, metrics. A
// hub has one of these, or one in each worker.

import { once } from 'node:events'
import type { Http2SecureServer } from 'node:http2'
import type { AddressInfo, ListenOptions } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'
import type { Logger } from 'pino'
import { Authenticator, type AnonymousRights, type KeyTexts } from './auth/authenticator.ts'
import type { Grant } from './auth/grant.ts'
import type { KeysOutage } from './auth/remote-keys.ts'
import { isLoopback } from './config/check.ts'
import type { Config } from './config/schema.ts'
import { AbuseReports } from './http/abuse.ts'
import { createApp } from './http/app.ts'
import { authenticate } from './http/authenticate.ts'
import type { TlsMaterial } from './http/certificates.ts'
import type { ConnectionCounts } from './http/connection-counts.ts'
import { Connections } from './http/connections.ts'
import { crossOrigin } from './http/cross-origin.ts'
import { ThreadQuestions, type AskElsewhere } from './http/thread-questions.ts'
import { EventStreams, type Regranted } from './http/event-streams.ts'
import { LISTEN_BACKLOG, listenError } from './http/port.ts'
import { nativeStreams } from './http/native-streams.ts'
import { Presence } from './http/presence.ts'
import type { RateLimits } from './http/rates.ts'
import type { CompressionRule } from './gzip/rule.ts'
import { Hub } from './hub/hub.ts'
import { PAGE_LIMITS } from './hub/page-cache.ts'
import type { EventLog } from './log/event-log.ts'
import { Metrics } from './metrics/metrics.ts'
import type { RouteContext } from './routes/context.ts'
import { errorRoutes } from './routes/errors.ts'
import { feedRoutes } from './routes/feed.ts'
import { healthRoutes } from './routes/health.ts'
import { mercureRoutes } from './routes/mercure/mercure.ts'
import { metricsRoute } from './routes/metrics.ts'
import { openApiRoute } from './routes/openapi.ts'
import { publishRoutes } from './routes/publish.ts'
import { topicRoutes } from './routes/topics.ts'
import { sessionRoutes } from './routes/session.ts'
import { welcomeRoute } from './routes/welcome.ts'

export interface ListenerParts {
  readonly config: Config
  readonly logger: Logger
  readonly log: EventLog
  readonly tls: TlsMaterial | undefined
  readonly keys: KeyTexts
  /** Of all threads. */
  readonly counts: ConnectionCounts
  readonly rates: RateLimits
  /** Renews the token of a stream that another thread has. */
  readonly renewElsewhere: (feed: string, token: string) => Promise<Regranted>
  readonly askElsewhere: AskElsewhere
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
  /**
   * Puts keys of tokens into service, and ends the streams of tokens that are no longer good for them. Those behind an
   * address are asked for again, which may end some later.
   */
  readonly useKeys: (keys: KeyTexts) => void
  /** Drains: no new streams, a goodbye to each open one, all closed within `drainMs` and a grace. Leaves the log open. */
  close(): Promise<void>
}

export interface Listener extends HttpSide {
  readonly metrics: Metrics
  readonly questions: ThreadQuestions
  /** Renews the token of a stream that is here. Errors: those of `Authenticator.grantOf`. */
  readonly renew: (feed: string, token: string) => Promise<Regranted>
  /** Cuts all connections, without a goodbye; resolves when they are closed. */
  readonly cut: () => Promise<void>
}

/** Errors: MILLRACE_PORT_TAKEN, MILLRACE_CONFIG_INVALID. */
export async function startListener(parts: ListenerParts): Promise<Listener> {
  const { config, logger, log, tls, keys, counts, rates, readMetrics } = parts
  const metrics = new Metrics({
    connections: () => connections.count,
    streams: () => streams.count,
    gzipTotals: () => streams.gzipTotals,
  })
  const abuse = new AbuseReports(reason => metrics.abused(reason), logger)
  const connections = new Connections(config, abuse, counts)
  const hub = new Hub(log, metrics, PAGE_LIMITS, compressionRule(config))
  const streams = new EventStreams(hub, connections, config)
  const questions = new ThreadQuestions(parts.askElsewhere)
  const presence = new Presence(streams, questions, config)
  const closing = new AbortController()
  const authenticator: Authenticator = new Authenticator(
    {
      ...config,
      anonymous: anonymousGrant(config),
      onKeysChanged: () => {
        logger.info('the keys behind --jwks-url have changed')
        void streams.recheck(authenticator)
      },
      onKeysOutage: outage => logger.warn(outage, outageText(outage)),
    },
    keys,
  )
  const app = createApp({ ...config, logger, tls }, connections, abuse)
  // The stream is most often on the connection of whoever renews its token, so here.
  const regrant = async (feed: string, grant: Grant): Promise<Regranted> => {
    const regranted = streams.regrant(feed, grant)
    return regranted === 'unknown' ? parts.renewElsewhere(feed, grant.token!) : regranted
  }
  await registerRoutes(app, config, authenticator, () => readMetrics(metrics), {
    hub,
    streams,
    kinds: nativeStreams(log.epoch, config),
    regrant,
    questions,
    presence,
    anonymous: authenticator.anonymous,
    rates,
    limits: config,
    currentGrant: grant => authenticator.current(grant),
    closing: closing.signal,
    authCookie: config.authCookie,
  })
  await listen(app, config, parts.reusePort)

  async function close(): Promise<void> {
    logger.info({ streams: streams.count }, 'draining')
    closing.abort()
    presence.close()
    authenticator.close()
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
    questions,
    renew: async (feed, token) =>
      streams.find(feed) !== undefined
        ? streams.regrant(feed, await authenticator.grantOf(token))
        : 'unknown',
    useKeys(changed) {
      authenticator.useKeys(changed)
      void streams.recheck(authenticator)
    },
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
  authenticator: Authenticator,
  readMetrics: () => Promise<string>,
  context: RouteContext,
): Promise<void> {
  const { corsOrigin: allowedOrigins, allowedHost: allowedHosts } = config
  await crossOrigin(app, { allowedOrigins, allowedHosts, isLoopback: isLoopback(config.host) })
  // Whoever may not even ask needs no token, and the answer to a bad one is for the page to read.
  authenticate(app, authenticator, config)
  await openApiRoute(app)
  for (const routes of [publishRoutes, topicRoutes, feedRoutes, sessionRoutes, healthRoutes])
    await routes(app, context)
  // Behind a proxy it is as far from loopback as its clients are.
  const isForUsOnly = isLoopback(config.host) && allowedHosts.length === 0
  if (config.mercure) await mercureRoutes(app, context, { ...config, isLoopback: isForUsOnly })
  await metricsRoute(app, readMetrics)
  await errorRoutes(app)
  await welcomeRoute(app)
}

function anonymousGrant({ anonymousPublish, anonymousReceive, anonymousMetrics }: Config): AnonymousRights {
  return { publish: anonymousPublish, receive: anonymousReceive, isAdmin: anonymousMetrics }
}

function outageText({ hasKeys }: KeysOutage): string {
  const outcome = hasKeys ? 'those that it had stay in service' : 'tokens are answered 503 until they can'
  return `the keys of tokens cannot be read from --jwks-url; ${outcome}`
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
