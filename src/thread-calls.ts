// Calls from one thread to another over a message port, both ends; and errors that can be copied on the way.

import type { Transferable } from 'node:worker_threads'
import { MillraceError, type ErrorCode } from './errors.ts'

/** A worker, the port to its parent, or one end of a channel. */
export interface Port {
  postMessage(message: unknown, transfer?: readonly Transferable[]): void
  // oxlint-disable-next-line typescript/no-explicit-any -- so it is declared
  on(event: 'message', listener: (message: any) => void): unknown
}

/** What a thread can be called for. They may be async. */
export type Methods = Readonly<Record<string, (...values: never[]) => unknown>>

interface Request {
  readonly call: number
  readonly method: string
  readonly values: readonly unknown[]
}

type Answer =
  | { readonly answered: number; readonly value: unknown }
  | { readonly answered: number; readonly error: PlainError }

/** What one end tells the other without being asked. */
interface News {
  readonly news: unknown
}

/** An error that can be copied from thread to thread. */
export interface PlainError {
  /** Of the catalogue; undefined for any other error, whose message is its stack. */
  readonly code: ErrorCode | undefined
  readonly message: string
  readonly retryAfter: number | undefined
  readonly extra: MillraceError['extra']
}

interface Pending {
  resolve(value: never): void
  reject(error: Error): void
}

/** Calls the methods that the other end of the port answers. */
export class Calls<M extends Methods> {
  readonly #port: Port
  readonly #pending = new Map<number, Pending>()
  readonly #onIdle: () => void
  #calls = 0
  #end: Error | undefined

  /** `onIdle` is called whenever no call is left that waits for its answer. */
  constructor(port: Port, onIdle: () => void = () => {}) {
    this.#port = port
    this.#onIdle = onIdle
    port.on('message', (message: Answer | Request | News) => {
      if ('answered' in message) this.#take(message)
    })
  }

  call<Name extends keyof M & string>(
    method: Name,
    ...values: Parameters<M[Name]>
  ): Promise<Awaited<ReturnType<M[Name]>>> {
    if (this.#end !== undefined) return Promise.reject(this.#end)
    const call = this.#calls++
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    this.#port.postMessage({ call, method, values } satisfies Request)
    return new Promise((resolve, reject) => this.#pending.set(call, { resolve, reject }))
  }

  /** The other end is gone: rejects the calls that wait, and those to come. */
  end(error: Error): void {
    this.#end ??= error
    for (const pending of this.#pending.values()) pending.reject(error)
    this.#pending.clear()
  }

  #take(answer: Answer): void {
    const pending = this.#pending.get(answer.answered)
    if (pending === undefined) return
    this.#pending.delete(answer.answered)
    if (this.#pending.size === 0) this.#onIdle()
    if ('error' in answer) pending.reject(errorOf(answer.error))
    else pending.resolve(answer.value as never)
  }
}

/** Answers the calls of the other end: in the order they were made, but for methods that are async. */
export function answerCalls(port: Port, methods: Methods): void {
  const post = (answer: Answer): void => port.postMessage(answer)
  port.on('message', (message: Answer | Request | News) => {
    if (!('method' in message)) return
    const { call, method, values } = message
    const fail = (error: unknown): void => post({ answered: call, error: plainError(error) })
    try {
      const value = methods[method]!(...(values as never[]))
      if (!(value instanceof Promise)) return post({ answered: call, value })
      value.then(settled => post({ answered: call, value: settled }), fail)
    } catch (error) {
      fail(error)
    }
  })
}

export function tellNews(port: Port, news: unknown): void {
  port.postMessage({ news } satisfies News)
}

export function onNews(port: Port, listener: (news: never) => void): void {
  port.on('message', (message: Answer | Request | News) => {
    if ('news' in message) listener(message.news as never)
  })
}

export function plainError(error: unknown): PlainError {
  if (error instanceof MillraceError) {
    const { code, message, retryAfter, extra } = error
    return { code, message, retryAfter, extra }
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: undefined, message, retryAfter: undefined, extra: {} }
}

export function errorOf({ code, message, retryAfter, extra }: PlainError): Error {
  if (code === undefined) return new Error(message)
  return new MillraceError(code, message, { extra, ...(retryAfter !== undefined && { retryAfter }) })
}
