// Calls to a worker thread, answered in the order they were made; both ends.

import { parentPort, Worker } from 'node:worker_threads'
import { MillraceError, type ErrorCode } from '../../errors.ts'

interface Request {
  readonly call: number
  readonly method: string
  readonly values: readonly unknown[]
}

type Answer =
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: PlainError }
  | { readonly news: unknown }

/** An error that can be copied from thread to thread. */
interface PlainError {
  readonly code: string | undefined
  readonly message: string
  readonly retryAfter: number | undefined
}

interface Pending {
  resolve(value: never): void
  reject(error: Error): void
}

/** The methods of a thread. */
export type Methods = Readonly<Record<string, (...values: never[]) => unknown>>

/** A thread that runs, as seen from the one that started it. */
export class Thread<M extends Methods> {
  /** Called with what the thread tells by itself. */
  onNews: (news: never) => void = () => {}
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  #calls = 0
  #end: Error | undefined
  #isClosing = false

  /** `name`: a module beside this one. */
  constructor(name: string) {
    // Run from source, or built.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./${name}.${extension}`, import.meta.url), { name })
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#take(answer))
    this.#worker.once('error', error => this.#fail(error))
    this.#worker.once('exit', () => this.#fail(new Error('it ended')))
  }

  call<Name extends keyof M & string>(
    method: Name,
    ...values: Parameters<M[Name]>
  ): Promise<Awaited<ReturnType<M[Name]>>> {
    if (this.#end !== undefined) return Promise.reject(this.#end)
    const call = this.#calls++
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has no origin
    this.#worker.postMessage({ call, method, values } satisfies Request)
    // While somebody waits for an answer, the process does not end.
    this.#worker.ref()
    return new Promise((resolve, reject) => this.#pending.set(call, { resolve, reject }))
  }

  /** Ends the thread; to be called when it has answered. */
  async close(): Promise<void> {
    if (this.#end !== undefined) return
    this.#isClosing = true
    await this.#worker.terminate()
  }

  #take(answer: Answer): void {
    if ('news' in answer) return this.onNews(answer.news as never)
    const pending = this.#pending.get(answer.call)
    if (pending === undefined) return
    this.#pending.delete(answer.call)
    if (this.#pending.size === 0) this.#worker.unref()
    if ('error' in answer) pending.reject(errorOf(answer.error))
    else pending.resolve(answer.value as never)
  }

  // Without its threads a log is of no use. The process ends, as for any error that nobody foresaw, so that whoever watches
  // it starts it anew; those who wait are told first.
  #fail(cause: Error): void {
    if (this.#end !== undefined) return
    const detail = `A thread of the log failed: ${cause.message}. Restart the hub.`
    this.#end = new MillraceError('MILLRACE_LOG_UNAVAILABLE', detail, { cause, retryAfter: 5 })
    for (const pending of this.#pending.values()) pending.reject(this.#end)
    this.#pending.clear()
    if (this.#isClosing) return
    setImmediate(() => {
      throw cause
    })
  }
}

/** In the thread: answers calls with these methods. Returns what tells news. */
export function answerCalls(methods: Methods): (news: unknown) => void {
  const port = parentPort!
  const answer = (message: Answer): void => port.postMessage(message)
  port.on('message', ({ call, method, values }: Request) => {
    try {
      answer({ call, value: methods[method]!(...(values as never[])) })
    } catch (error) {
      answer({ call, error: plainError(error) })
    }
  })
  return news => answer({ news })
}

function plainError(error: unknown): PlainError {
  const { code, retryAfter } = error as Partial<MillraceError>
  const { message, stack } = error as Error
  const isOurs = error instanceof MillraceError
  return { code: isOurs ? code : undefined, message: isOurs ? message : String(stack), retryAfter }
}

export function errorOf({ code, message, retryAfter }: PlainError): Error {
  if (code === undefined) return new Error(message)
  return new MillraceError(code as ErrorCode, message, retryAfter === undefined ? {} : { retryAfter })
}
