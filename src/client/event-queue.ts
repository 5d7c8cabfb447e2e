// Events that wait until a loop takes them. So many may wait; then the loop is slow, and the stream has to wait for it.

import type { HubEvent } from './options.ts'

export class EventQueue<Data> {
  readonly #maxWaiting: number
  readonly #waiting: HubEvent<Data>[] = []
  #error: Error | undefined
  #isEnded = false
  #arrived: (() => void) | undefined
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#maxWaiting
  }

  push(event: HubEvent<Data>): void {
    this.#waiting.push(event)
    this.#arrived?.()
  }

  /** What waits is still handed out; then the loop ends, or throws. */
  end(error?: Error): void {
    this.#isEnded = true
    this.#error ??= error
    this.#arrived?.()
    this.#drained?.resolve()
  }

  /** Resolves when half of what may wait was taken. Undefined: there is room. */
  room(): Promise<void> | undefined {
    if (!this.isFull || this.#isEnded) return undefined
    this.#drained ??= Promise.withResolvers<void>()
    return this.#drained.promise
  }

  /** Undefined: it has ended. */
  async take(): Promise<HubEvent<Data> | undefined> {
    while (this.#waiting.length === 0) {
      if (this.#error !== undefined) throw this.#error
      if (this.#isEnded) return undefined
      await new Promise<void>(resolve => (this.#arrived = resolve))
    }
    const event = this.#waiting.shift()
    if (this.#drained !== undefined && this.#waiting.length <= this.#maxWaiting / 2) {
      this.#drained.resolve()
      this.#drained = undefined
    }
    return event
  }
}
