// One worker, as the main thread sees it: a thread that listens, until it ends or is ended.

import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { KeyTexts } from '../auth/authenticator.ts'
import type { TlsMaterial } from '../http/certificates.ts'
import type { Regranted } from '../http/event-streams.ts'
import type { LogShare } from '../log/share.ts'
import type { MetricValues } from '../metrics/all-threads.ts'
import { MillraceError } from '../errors.ts'
import { answerCalls, Calls, onNews } from '../thread-calls.ts'
import type { MainMethods, WorkerData, WorkerMethods, WorkerNews } from './messages.ts'

// A worker that is busy for longer is shown as it was before.
const METRICS_PATIENCE_MS = 1000

const ANSWER_PATIENCE_MS = 5000

// A worker takes up to a second to end by itself.
const END_PATIENCE_MS = 2000

export interface WorkerParts {
  readonly share: LogShare
  readonly data: Omit<WorkerData, 'log'>
  readonly main: MainMethods
  readonly writeLine: (line: string) => void
  /** It has delivered nothing for too long. */
  readonly onStall: () => void
}

export class HubWorker {
  readonly name: string
  /** Resolves when the thread is gone, with what ended it if it did not end by itself. */
  readonly ended: Promise<Error | undefined>
  readonly startedAt = performance.now()
  /** What it counted when somebody last asked. */
  metrics: MetricValues = []
  readonly #worker: Worker
  readonly #calls: Calls<WorkerMethods>

  constructor({ share, data, main, writeLine, onStall }: WorkerParts) {
    const { handle, disconnect } = share.connect(onStall)
    // Run from source, or built.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.name = data.name
    this.#worker = new Worker(new URL(`./worker-thread.${extension}`, import.meta.url), {
      name: data.name,
      workerData: { ...data, log: handle } satisfies WorkerData,
      transferList: [handle.port],
    })
    this.#calls = new Calls(this.#worker)
    answerCalls(this.#worker, main)
    onNews(this.#worker, (line: WorkerNews) => writeLine(line))
    this.ended = this.#end(disconnect)
  }

  /** Resolves when it listens. */
  start(): Promise<void> {
    return this.#calls.call('start')
  }

  useCertificate(tls: TlsMaterial): void {
    // One that has ended is replaced by one that has it from the start.
    this.#calls.call('useCertificate', tls).catch(() => {})
  }

  useKeys(keys: KeyTexts): void {
    this.#calls.call('useKeys', keys).catch(() => {})
  }

  /** `unknown` too if it has ended. */
  renew(feed: string, token: string): Promise<Regranted> {
    return this.#calls.call('renew', feed, token).catch((error: unknown) => {
      if (error instanceof MillraceError) throw error
      return 'unknown'
    })
  }

  /** What it answers (`ThreadQuestions`); undefined if it has ended, or is busy for longer than that. */
  answer(question: string, value: unknown): Promise<unknown> {
    const answered = this.#calls.call('answer', question, value).catch(() => undefined)
    return Promise.race([answered, sleep(ANSWER_PATIENCE_MS, undefined, { ref: false })])
  }

  async readMetrics(): Promise<MetricValues> {
    const asked = this.#calls.call('metrics').then(metrics => (this.metrics = metrics))
    const patience = sleep(METRICS_PATIENCE_MS, undefined, { ref: false })
    await Promise.race([asked.catch(() => {}), patience])
    return this.metrics
  }

  /** Drains; what is left after this time is cut. */
  async close(patienceMs: number): Promise<void> {
    const closed = this.#calls.call('close').catch(() => {})
    await Promise.race([closed, sleep(patienceMs, undefined, { ref: false })])
    await this.#worker.terminate()
  }

  /** Has the thread end; one that does not listen any more is ended. */
  async end(): Promise<void> {
    this.#calls.call('end').catch(() => {})
    await Promise.race([this.ended, sleep(END_PATIENCE_MS, undefined, { ref: false })])
    await this.#worker.terminate()
  }

  #end(disconnect: () => void): Promise<Error | undefined> {
    return new Promise(resolve => {
      let cause: Error | undefined
      this.#worker.once('error', error => (cause = error as Error))
      this.#worker.once('exit', () => {
        disconnect()
        this.#calls.end(cause ?? new Error(`${this.name} has ended`))
        resolve(cause)
      })
    })
  }
}
