// A thread of the log, as seen from the event loop that started it.

import { Worker } from 'node:worker_threads'
import { MillraceError } from '../../errors.ts'
import { Calls, onNews, type Methods } from '../../thread-calls.ts'

export class Thread<M extends Methods> {
  /** Called with what the thread tells by itself. */
  onNews: (news: never) => void = () => {}
  readonly #worker: Worker
  readonly #calls: Calls<M>
  #hasEnded = false
  #isClosing = false

  /** `name`: a module beside this one. */
  constructor(name: string) {
    // Run from source, or built.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./${name}.${extension}`, import.meta.url), { name })
    this.#calls = new Calls(this.#worker, () => this.#worker.unref())
    onNews(this.#worker, (news: never) => this.onNews(news))
    this.#worker.unref()
    this.#worker.once('error', error => this.#fail(error))
    this.#worker.once('exit', () => this.#fail(new Error('it ended')))
  }

  call<Name extends keyof M & string>(
    method: Name,
    ...values: Parameters<M[Name]>
  ): Promise<Awaited<ReturnType<M[Name]>>> {
    // While somebody waits for an answer, the process does not end.
    if (!this.#hasEnded) this.#worker.ref()
    return this.#calls.call(method, ...values)
  }

  /** Ends the thread; to be called when it has answered. */
  async close(): Promise<void> {
    if (this.#hasEnded) return
    this.#isClosing = true
    await this.#worker.terminate()
  }

  // Without its threads a log is of no use. The process ends, as for any error that nobody foresaw, so that whoever watches
  // it starts it anew; those who wait are told first.
  #fail(cause: Error): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const detail = `A thread of the log failed: ${cause.message}. Restart the hub.`
    this.#calls.end(new MillraceError('MILLRACE_LOG_UNAVAILABLE', detail, { cause, retryAfter: 5 }))
    if (this.#isClosing) return
    setImmediate(() => {
      throw cause
    })
  }
}
