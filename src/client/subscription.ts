// A subscription: what a hub's streams hand over reaches its handlers, each event once and in order.

import { matcherOf, type Member, type Notice } from './member.ts'
import { clientError, type MillraceError } from './millrace-error.ts'
import type { HubEvent, SubscribeOptions } from './options.ts'
import { report } from './platform.ts'

export interface Subscription {
  readonly topics: readonly string[]
  readonly isClosed: boolean
  /** Nothing is handed out after that. */
  close(): void
}

export type OnEvent<Data> = (event: HubEvent<Data>) => unknown

export class ActiveSubscription implements Subscription, Member {
  readonly topics: readonly string[]
  readonly matches: (topic: string) => boolean
  after: string | undefined
  isClosed = false
  room?: () => Promise<void> | undefined
  readonly #onEvent: OnEvent<never>
  readonly #options: SubscribeOptions
  readonly #onClose: (subscription: ActiveSubscription) => void
  /** What was handed out last: whatever the ways that events come by, none comes twice. */
  #last = ''
  #isReady = false

  constructor(
    topics: readonly string[],
    onEvent: OnEvent<never>,
    options: SubscribeOptions,
    onClose: (subscription: ActiveSubscription) => void,
  ) {
    this.topics = topics
    this.matches = matcherOf(topics)
    this.#onEvent = onEvent
    this.#options = options
    this.#onClose = onClose
    this.after = options.after
    options.signal?.addEventListener('abort', this.close)
  }

  readonly close = (): void => {
    if (this.isClosed) return
    this.isClosed = true
    this.#options.signal?.removeEventListener('abort', this.close)
    this.#onClose(this)
  }

  take(notice: Notice): void {
    if (this.isClosed) return
    const { onGap, onReset, onReady, onPresence } = this.#options
    if (notice.kind === 'event') this.#event(notice.event)
    else if (notice.kind === 'gap') {
      // The ids of another log may sort anyhow.
      if (notice.gap.reason === 'unknown') this.#last = ''
      const gap = { ...notice.gap, topics: this.topics }
      const orElse = (): void => this.#report(clientError('CLIENT_GAP', `Events were lost: ${gap.reason}.`))
      run(onGap ?? orElse, gap)
    } else if (notice.kind === 'reset') run(onReset, notice.reset)
    else if (notice.kind === 'presence') run(onPresence, notice.presence)
    else if (notice.kind === 'ready') {
      if (!this.#isReady) run(onReady, undefined)
      this.#isReady = true
    } else {
      this.close()
      this.#report(notice.error)
    }
  }

  #event(event: HubEvent): void {
    if (event.id !== undefined) {
      if (event.id <= this.#last) return
      this.#last = event.id
    }
    run(this.#onEvent as OnEvent<unknown>, event)
  }

  #report(error: MillraceError): void {
    run(this.#options.onError ?? report, error)
  }
}

/** A handler that throws, at once or later, does not keep others from being called. */
function run<Value>(handler: ((value: Value) => unknown) | undefined, value: Value): void {
  try {
    const result = handler?.(value)
    if (result instanceof Promise) result.catch(report)
  } catch (error) {
    report(error)
  }
}
