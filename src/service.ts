// What answers requests on one thread, over a log that it is given: hub, streams, who may do what, metrics, and the routes
// over all of it. `listener.ts` puts them on a server of the hub's own, `embed/plugin.ts` into somebody else's app.

import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { Authenticator, type AnonymousRights, type KeyTexts } from './auth/authenticator.ts'
import type { Grant } from './auth/grant.ts'
import type { KeysOutage } from './auth/remote-keys.ts'
import type { Config } from './config/schema.ts'
import type { CompressionRule } from './gzip/rule.ts'
import { AbuseReports } from './http/abuse.ts'
import { authenticate, type Authorize } from './http/authenticate.ts'
import type { ConnectionCounts } from './http/connection-counts.ts'
import { Connections } from './http/connections.ts'
import { EventStreams, type Regranted } from './http/event-streams.ts'
import { nativeStreams } from './http/native-streams.ts'
import { Presence } from './http/presence.ts'
import type { RateLimits } from './http/rates.ts'
import { ThreadQuestions, type AskElsewhere } from './http/thread-questions.ts'
import { Hub } from './hub/hub.ts'
import { PAGE_LIMITS } from './hub/page-cache.ts'
import type { EventLog } from './log/event-log.ts'
import { Metrics } from './metrics/metrics.ts'
import type { RouteContext } from './routes/context.ts'
import { errorRoutes } from './routes/errors.ts'
import { feedRoutes } from './routes/feed.ts'
import { inspectorRoutes } from './routes/inspector/inspector.ts'
import { mercureRoutes } from './routes/mercure/mercure.ts'
import { metricsRoute } from './routes/metrics.ts'
import { publishRoutes } from './routes/publish.ts'
import { sessionRoutes } from './routes/session.ts'
import { topicRoutes } from './routes/topics.ts'

export interface ServiceParts {
  readonly config: Config
  readonly logger: FastifyBaseLogger
  readonly log: EventLog
  readonly keys: KeyTexts
  /** Of all threads. */
  readonly counts: ConnectionCounts
  readonly rates: RateLimits
  /** Renews the token of a stream that another thread has. */
  readonly renewElsewhere: (feed: string, token: string) => Promise<Regranted>
  readonly askElsewhere: AskElsewhere
  /** What `/metrics` answers, given what is counted here. */
  readonly readMetrics: (own: Metrics) => Promise<string>
  /** The hub is reached from this machine only, through no proxy. */
  readonly isForUsOnly: boolean
  /** Gives requests their grants, where it does not leave them to tokens. */
  readonly authorize?: Authorize | undefined
  /** Default: true. If not, what looks like a token is none of ours. */
  readonly takesTokens?: boolean
}

export class Service {
  readonly metrics: Metrics
  readonly abuse: AbuseReports
  readonly connections: Connections
  readonly hub: Hub
  readonly streams: EventStreams
  readonly questions: ThreadQuestions
  readonly context: RouteContext
  readonly #parts: ServiceParts
  readonly #presence: Presence
  readonly #authenticator: Authenticator
  readonly #closing = new AbortController()

  /** Errors: MILLRACE_CONFIG_INVALID. */
  constructor(parts: ServiceParts) {
    const { config, logger, log } = parts
    this.#parts = parts
    this.metrics = new Metrics({
      connections: () => this.connections.count,
      streams: () => this.streams.count,
      gzipTotals: () => this.streams.gzipTotals,
    })
    this.abuse = new AbuseReports(reason => this.metrics.abused(reason), logger)
    this.connections = new Connections(config, this.abuse, parts.counts)
    this.hub = new Hub(log, this.metrics, PAGE_LIMITS, compressionRule(config))
    this.streams = new EventStreams(this.hub, this.connections, config)
    this.questions = new ThreadQuestions(parts.askElsewhere)
    this.#presence = new Presence(this.streams, this.questions, config)
    this.#authenticator = this.#createAuthenticator(parts)
    this.context = this.#createContext()
  }

  /** Has requests of this scope of Fastify say who asks, and adds the routes that every hub has. */
  async addRoutes(app: FastifyInstance): Promise<void> {
    const { config, isForUsOnly, readMetrics, authorize, takesTokens = true } = this.#parts
    authenticate(app, this.#authenticator, { ...config, authorize, takesTokens })
    for (const routes of [publishRoutes, topicRoutes, feedRoutes, sessionRoutes])
      await routes(app, this.context)
    if (config.mercure) await mercureRoutes(app, this.context, { ...config, isLoopback: isForUsOnly })
    await metricsRoute(app, () => readMetrics(this.metrics))
    await errorRoutes(app)
  }

  /** Adds what shows the hub to those who run it. */
  async addInspector(app: FastifyInstance): Promise<void> {
    await inspectorRoutes(app, this.context, {
      isOpen: this.#parts.isForUsOnly && !this.#authenticator.takesTokens,
      readFigures: () => this.metrics.figures(),
      grantOf: token => this.#authenticator.grantOf(token),
      logName: this.#parts.config.log,
    })
  }

  /**
   * Puts keys of tokens into service, and ends the streams of tokens that are no longer good for them. Those behind an
   * address are asked for again, which may end some later.
   */
  useKeys(keys: KeyTexts): void {
    this.#authenticator.useKeys(keys)
    void this.streams.recheck(this.#authenticator)
  }

  /** Renews the token of a stream that is here. Errors: those of `Authenticator.grantOf`. */
  async renew(feed: string, token: string): Promise<Regranted> {
    if (this.streams.find(feed) === undefined) return 'unknown'
    return this.streams.regrant(feed, await this.#authenticator.grantOf(token))
  }

  /** Whoever waits for an event is answered; streams go on. */
  beginToClose(): void {
    this.#closing.abort()
    this.#presence.close()
    this.#authenticator.close()
  }

  // The stream is most often on the connection of whoever renews its token, so here.
  async #regrant(feed: string, grant: Grant): Promise<Regranted> {
    const regranted = this.streams.regrant(feed, grant)
    if (regranted !== 'unknown' || grant.token === undefined) return regranted
    return this.#parts.renewElsewhere(feed, grant.token)
  }

  #createContext(): RouteContext {
    const { config, log, rates } = this.#parts
    const authenticator = this.#authenticator
    return {
      hub: this.hub,
      streams: this.streams,
      kinds: nativeStreams(log.epoch, config),
      regrant: (feed, grant) => this.#regrant(feed, grant),
      questions: this.questions,
      presence: this.#presence,
      anonymous: authenticator.anonymous,
      rates,
      limits: config,
      currentGrant: grant => authenticator.current(grant),
      closing: this.#closing.signal,
      authCookie: config.authCookie,
    }
  }

  #createAuthenticator({ config, keys, logger, authorize }: ServiceParts): Authenticator {
    const options = {
      ...config,
      anonymous: anonymousRights(config, authorize !== undefined),
      onKeysChanged: () => {
        logger.info('the keys behind --jwks-url have changed')
        void this.streams.recheck(this.#authenticator)
      },
      onKeysOutage: (outage: KeysOutage) => logger.warn(outage, outageText(outage)),
    }
    return new Authenticator(options, keys)
  }
}

function anonymousRights(config: Config, knowsOthers: boolean): AnonymousRights {
  return {
    publish: config.anonymousPublish,
    receive: config.anonymousReceive,
    isAdmin: config.anonymousMetrics,
    ...(knowsOthers && { denial: 'MILLRACE_TOKEN_MISSING' }),
  }
}

function outageText({ hasKeys }: KeysOutage): string {
  const outcome = hasKeys ? 'those that it had stay in service' : 'tokens are answered 503 until they can'
  return `the keys of tokens cannot be read from --jwks-url; ${outcome}`
}

function compressionRule({ compressionMinReaders, compressionMinBytes }: Config): CompressionRule {
  return { minReaders: compressionMinReaders, minBytes: compressionMinBytes }
}
