// Serves HTTP on one thread, over a log that it is given: a service on a server of its own. A hub has one of these, or one
// in each worker.

import { once } from 'node:events'
import type { Http2SecureServer } from 'node:http2'
import type { AddressInfo, ListenOptions } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'
import type { Logger } from 'pino'
import type { KeyTexts } from './auth/authenticator.ts'
import { isForThisMachine, isLoopback, servesInspector, takesTokens } from './config/check.ts'
import type { Config } from './config/schema.ts'
import { createApp } from './http/app.ts'
import type { TlsMaterial } from './http/certificates.ts'
import { crossOrigin } from './http/cross-origin.ts'
import type { Regranted } from './http/event-streams.ts'
import { LISTEN_BACKLOG, listenError } from './http/port.ts'
import { refuseUnnamedProxies } from './http/unnamed-proxies.ts'
import type { ThreadQuestions } from './http/thread-questions.ts'
import type { Metrics } from './metrics/metrics.ts'
import { healthRoutes } from './routes/health.ts'
import { openApiRoute } from './routes/openapi.ts'
import { welcomeRoute } from './routes/welcome.ts'
import { Service, type ServiceParts } from './service.ts'

export interface ListenerParts extends Omit<ServiceParts, 'isForUsOnly'> {
  readonly logger: Logger
  readonly tls: TlsMaterial | undefined
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
  const { config, logger, tls } = parts
  const service = new Service({ ...parts, isForUsOnly: isForThisMachine(config) })
  const { connections, streams } = service
  const app = createApp({ ...config, logger, tls }, connections, service.abuse)
  await addRoutes(app, service, config)
  await listen(app, config, parts.reusePort)

  async function close(): Promise<void> {
    logger.info({ streams: streams.count }, 'draining')
    service.beginToClose()
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
    service.hub.close()
  }
  return {
    port: (app.server.address() as AddressInfo).port,
    metrics: service.metrics,
    questions: service.questions,
    renew: (feed, token) => service.renew(feed, token),
    useKeys: changed => service.useKeys(changed),
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

async function addRoutes(app: FastifyInstance, service: Service, config: Config): Promise<void> {
  const { corsOrigin: allowedOrigins, allowedHost: allowedHosts } = config
  // Whoever may not even ask needs no token, and the answer to a bad one is for the page to read.
  await crossOrigin(app, { allowedOrigins, allowedHosts, isLoopback: isLoopback(config.host) })
  if (isForThisMachine(config) && !takesTokens(config)) refuseUnnamedProxies(app)
  await openApiRoute(app)
  await service.addRoutes(app)
  await healthRoutes(app, service.context)
  const hasInspector = servesInspector(config)
  if (hasInspector) await service.addInspector(app)
  await welcomeRoute(app, hasInspector)
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
