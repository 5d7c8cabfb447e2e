// Starts a hub: opens its certificates and its log, and has HTTP served in this thread or in workers.

import { availableParallelism } from 'node:os'
import type { Logger } from 'pino'
import type { KeyTexts } from './auth/authenticator.ts'
import { isLoopback } from './config/check.ts'
import { KeyFiles } from './config/key-files.ts'
import { retentionRules } from './config/retention-rules.ts'
import type { Config } from './config/schema.ts'
import { openCertificates, type Certificates, type TlsMaterial } from './http/certificates.ts'
import { ConnectionCounts } from './http/connection-counts.ts'
import { sharedPort } from './http/port.ts'
import { Rates } from './http/rates.ts'
import type { HttpSide } from './listener.ts'
import type { EventLog } from './log/event-log.ts'
import { openLog } from './log/open-log.ts'
import { createLogger } from './logger.ts'
import { watchKeys } from './config/watch-keys.ts'

export interface RunningServer {
  /** Where it listens, such as `https://localhost:9443`. */
  readonly url: string
  /** The authority that clients must trust, as a path, when the certificate is our own. */
  readonly certificateAuthority: string | undefined
  readonly logger: Logger
  /** Reads certificate and keys again, open streams or not. Rejects with MILLRACE_CERTIFICATE_UNUSABLE. */
  reload(): Promise<void>
  /** Drains: no new streams, a goodbye to each open one, all closed within `drainMs` and a grace. */
  close(): Promise<void>
}

/** Errors: MILLRACE_PORT_TAKEN, MILLRACE_CERTIFICATE_UNUSABLE. */
export async function startServer(
  config: Config,
  logger: Logger = createLogger(config),
): Promise<RunningServer> {
  const certificates = config.tls ? await openCertificates({ ...config, names: [config.host] }) : undefined
  const keys = new KeyFiles(config)
  warnOfRebinding(config, logger)
  const log = await openLog({ ...config, retention: retentionRules(config) }, logger)
  const side = await serveHttp(config, logger, log, certificates?.secureContext(), keys.texts).catch(
    async (error: unknown) => {
      await log.close()
      throw error
    },
  )
  const reloadCertificates = watchCertificates(certificates, side, logger)
  const reloadKeys = watchKeys(keys, side, logger)

  async function close(): Promise<void> {
    certificates?.close()
    keys.close()
    await side.close()
    await log.close()
    logger.info('closed')
  }
  let closed: Promise<void> | undefined
  return {
    url: urlOf(side.port, config),
    certificateAuthority: certificates?.certificateAuthority,
    logger,
    async reload() {
      // Keys behind an address are asked for again even if those in files are as they were.
      if (!reloadKeys()) side.useKeys(keys.texts)
      await reloadCertificates()
    },
    close: () => (closed ??= close()),
  }
}

/** With TLS a foreign name is found out by the certificate, and on loopback the hub answers to no such name. */
function warnOfRebinding(config: Config, logger: Logger): void {
  const { anonymousPublish, anonymousReceive, anonymousMetrics } = config
  const isOpen = anonymousPublish.length > 0 || anonymousReceive.length > 0 || anonymousMetrics
  if (config.tls || isLoopback(config.host) || config.allowedHost.length > 0 || !isOpen) return
  logger.warn(
    'any site can make a name of its own resolve to this hub, and do from the browsers of its visitors what anonymous clients may: name the hosts that clients use, --allowed-host',
  )
}

async function serveHttp(
  config: Config,
  logger: Logger,
  log: EventLog,
  tls: TlsMaterial | undefined,
  keys: KeyTexts,
): Promise<HttpSide> {
  const workers = config.workers === 'auto' ? availableParallelism() : config.workers
  const port = workers > 1 ? await sharedPort(config.port, config.host) : undefined
  // The main thread of a hub with workers has no use for most of what serves HTTP, which takes a while to load.
  if (port !== undefined) {
    const { WorkerPool } = await import('./workers/pool.ts')
    return WorkerPool.start({ config: { ...config, port }, workers, logger, log, tls, keys })
  }
  if (workers > 1) logger.warn('this platform shares no port between threads: one thread does all')
  const [{ startListener }, { registerLogMetrics }] = await Promise.all([
    import('./listener.ts'),
    import('./metrics/metrics.ts'),
  ])
  const listener = await startListener({
    config,
    logger,
    log,
    tls,
    keys,
    renewElsewhere: async () => 'unknown',
    askElsewhere: async () => [],
    counts: new ConnectionCounts(),
    rates: new Rates(config),
    readMetrics: ({ registry }) => registry.metrics(),
  })
  registerLogMetrics(listener.metrics.registry, () => log.usage())
  return listener
}

/** Puts each new certificate into service. */
function watchCertificates(
  certificates: Certificates | undefined,
  side: HttpSide,
  logger: Logger,
): () => Promise<void> {
  if (certificates === undefined) return async () => {}
  const use = (): void => {
    side.useCertificate(certificates.secureContext())
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

function urlOf(port: number, { tls, host }: Config): string {
  // The certificate that we make is for this name too, and it reads better.
  const name = isLoopback(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `${tls ? 'https' : 'http'}://${name}:${port}`
}
