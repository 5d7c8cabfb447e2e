// The workers of a hub: starts them on one port, replaces those that end, and is one hub to whoever measures or stops it.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { KeyTexts } from '../auth/authenticator.ts'
import type { Config } from '../config/schema.ts'
import type { TlsMaterial } from '../http/certificates.ts'
import { ConnectionCounts } from '../http/connection-counts.ts'
import type { Regranted } from '../http/event-streams.ts'
import { Rates } from '../http/rates.ts'
import type { HttpSide } from '../listener.ts'
import type { EventLog } from '../log/event-log.ts'
import { LogShare } from '../log/share.ts'
import { writeLine } from '../logger.ts'
import { AllThreadsMetrics, type MetricValues } from '../metrics/all-threads.ts'
import type { MainMethods } from './messages.ts'
import { HubWorker } from './worker.ts'

export interface PoolParts {
  /** With the port that all workers listen on. */
  readonly config: Config
  readonly workers: number
  readonly logger: Logger
  readonly log: EventLog
  readonly tls: TlsMaterial | undefined
  readonly keys: KeyTexts
}

// A worker that lived no longer is replaced after a while, which doubles each time: it may be that none can live.
const SHORT_LIFE_MS = 10_000
const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 5000

// The drain of a worker takes `drainMs` and half a second at most, where it does.
const CLOSE_GRACE_MS = 1500

export class WorkerPool implements HttpSide {
  readonly port: number
  readonly #parts: PoolParts
  readonly #share: LogShare
  readonly #counts: SharedArrayBuffer
  readonly #metrics: AllThreadsMetrics
  readonly #main: MainMethods
  /** By their numbers. */
  readonly #workers: HubWorker[] = []
  readonly #shortLives: number[]
  readonly #closing = new AbortController()
  #tls: TlsMaterial | undefined
  #keys: KeyTexts

  /** Resolves when all of them listen. Errors: MILLRACE_PORT_TAKEN, MILLRACE_CONFIG_INVALID. */
  static async start(parts: PoolParts): Promise<WorkerPool> {
    const pool = new WorkerPool(parts)
    try {
      await Promise.all(pool.#shortLives.map((_, number) => pool.#launch(number)))
      return pool
    } catch (error) {
      await pool.close()
      throw error
    }
  }

  private constructor(parts: PoolParts) {
    const { config, workers, log, tls, keys } = parts
    const rates = new Rates(config)
    this.port = config.port
    this.#parts = parts
    this.#tls = tls
    this.#keys = keys
    this.#share = new LogShare(log)
    this.#counts = ConnectionCounts.memory(workers)
    this.#metrics = new AllThreadsMetrics(() => log.usage())
    this.#main = {
      readMetrics: () => this.#readMetrics(),
      renew: (feed, token) => this.#renew(feed, token),
      askOthers: (number, question, value) => this.#askOthers(number, question, value),
      takeOf: (rate, who, amount) => rates.take(rate, who, amount),
    }
    this.#shortLives = Array.from({ length: workers }, () => 0)
  }

  useCertificate(tls: TlsMaterial): void {
    this.#tls = tls
    for (const worker of this.#workers) worker.useCertificate(tls)
  }

  useKeys(keys: KeyTexts): void {
    this.#keys = keys
    for (const worker of this.#workers) worker.useKeys(keys)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const patienceMs = this.#parts.config.drainMs + CLOSE_GRACE_MS
    await Promise.all(this.#workers.map(worker => worker.close(patienceMs)))
    this.#share.close()
  }

  async #launch(number: number): Promise<void> {
    const { config, logger } = this.#parts
    const worker: HubWorker = new HubWorker({
      share: this.#share,
      data: {
        name: `worker-${number + 1}`,
        number,
        config,
        logLevel: logger.level,
        tls: this.#tls,
        keys: this.#keys,
        counts: this.#counts,
      },
      main: this.#main,
      writeLine: line => writeLine(logger, line),
      onStall: () => this.#endStalled(worker),
    })
    this.#workers[number] = worker
    void worker.ended.then(cause => this.#replace(number, worker, cause))
    await worker.start()
  }

  #endStalled(worker: HubWorker): void {
    this.#parts.logger.error({ thread: worker.name }, 'a worker does not deliver any more: it is ended')
    void worker.end()
  }

  async #replace(number: number, worker: HubWorker, cause: Error | undefined): Promise<void> {
    new ConnectionCounts(this.#counts, number).clear()
    this.#metrics.retire(worker.name, worker.metrics)
    worker.metrics = []
    if (this.#closing.signal.aborted) return
    const delayMs = this.#delayOf(number, worker)
    this.#parts.logger.error({ err: cause, thread: worker.name, delayMs }, 'a worker ended and is replaced')
    try {
      await sleep(delayMs, undefined, { signal: this.#closing.signal })
      await this.#launch(number)
      this.#parts.logger.info({ thread: worker.name }, 'the new worker listens')
    } catch (error) {
      if (this.#closing.signal.aborted) return
      this.#parts.logger.error({ err: error, thread: worker.name }, 'the new worker did not start')
      await this.#workers[number]!.end()
    }
  }

  #delayOf(number: number, { startedAt }: HubWorker): number {
    const isShort = performance.now() - startedAt < SHORT_LIFE_MS
    const shortLives = (this.#shortLives[number] = isShort ? this.#shortLives[number]! + 1 : 0)
    return shortLives === 0 ? 0 : Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (shortLives - 1))
  }

  async #renew(feed: string, token: string): Promise<Regranted> {
    const answers = await Promise.all(this.#workers.map(worker => worker.renew(feed, token)))
    return answers.find(answer => answer !== 'unknown') ?? 'unknown'
  }

  async #askOthers(number: number, question: string, value: unknown): Promise<unknown[]> {
    const others = this.#workers.filter((_, at) => at !== number)
    const answers = await Promise.all(others.map(worker => worker.answer(question, value)))
    return answers.filter(answer => answer !== undefined)
  }

  async #readMetrics(): Promise<string> {
    const each = this.#workers.map(
      async worker => [worker.name, await worker.readMetrics()] as [string, MetricValues],
    )
    return this.#metrics.text(new Map(await Promise.all(each)))
  }
}
