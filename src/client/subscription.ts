// A subscription: what a hub's streams hand over reaches its handlers, each event once and in order.

import type { PresenceData } from '../protocol/control-events.ts'
import { isPattern } from '../topic-pattern.ts'
import { matcherOf, type Member, type Notice } from './member.ts'
import { clientError, type MillraceError } from './millrace-error.ts'
import type { Gap, HubEvent, SubscribeOptions } from './options.ts'
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
  readonly watched: readonly string[]
  readonly matches: (topic: string) => boolean
  after: string | undefined
  isClosed = false
  readonly #onEvent: OnEvent<never>
  readonly #options: SubscribeOptions
  readonly #onClose: () => void
  /** The id that was handed out last. */
  #last = ''
  /** What was handed out without an id, until it is ready: whoever is cut off before gets it again. */
  #states: Set<string> | undefined = new Set()
  /** The topics that it was given events of until it is ready, if it reads from the earliest on. */
  readonly #given = new Set<string>()
  /** Topics that it has been told of who is there. */
  readonly #known = new Set<string>()

  constructor(
    topics: readonly string[],
    onEvent: OnEvent<never>,
    options: SubscribeOptions,
    onClose: () => void,
  ) {
    this.topics = topics
    this.watched = options.onPresence === undefined ? [] : topics.filter(topic => !isPattern(topic))
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
    this.#onClose()
  }

  take(notice: Notice): void {
    if (this.isClosed || !this.#isNews(notice)) return
    const { to, value } = notice
    if (to === 'onEvent') run(this.#onEvent as OnEvent<unknown>, value)
    else if (to === 'onGap') this.#tellGap({ ...value, topics: this.topics })
    else if (to === 'onError') {
      this.close()
      this.#report(value)
    } else if (to !== 'onJoined') run(this.#options[to] as ((value: unknown) => void) | undefined, value)
  }

  /** Whatever the ways that things come by, none is told twice. */
  #isNews({ to, value }: Notice): boolean {
    if (to === 'onEvent') return this.#isNewEvent(value)
    if (to === 'onPresence') return this.#isWhole(value)
    if (to === 'onReady') {
      const isFirst = this.#states !== undefined
      this.#states = undefined
      this.#given.clear()
      return isFirst
    }
    if (to === 'onReset') return !this.#isReadingAll || this.#given.has(value.topic)
    // The ids of another log may sort anyhow.
    if (to === 'onGap' && value.reason === 'unknown') this.#last = ''
    return true
  }

  #isNewEvent(event: HubEvent): boolean {
    if (this.#isReadingAll) this.#given.add(event.topic)
    if (event.id === undefined) return this.#isNewState(event)
    if (event.id <= this.#last) return false
    this.#last = event.id
    return true
  }

  /** It comes across what was deleted before, and has nothing of it. */
  get #isReadingAll(): boolean {
    return this.#states !== undefined && this.#options.after === 'earliest'
  }

  #isNewState(state: HubEvent): boolean {
    const states = this.#states
    if (states === undefined) return true
    const before = states.size
    return states.add(textOf(state)).size > before
  }

  /** Who has come and gone says nothing to whoever has not heard who is there. */
  #isWhole({ topic, joined }: PresenceData): boolean {
    if (joined !== undefined && !this.#known.has(topic)) return false
    this.#known.add(topic)
    return true
  }

  #tellGap(gap: Gap): void {
    const { onGap } = this.#options
    if (onGap === undefined) this.#report(clientError('CLIENT_GAP', `Events were lost: ${gap.reason}.`))
    else run(onGap, gap)
  }

  #report(error: MillraceError): void {
    run(this.#options.onError ?? report, error)
  }
}

/** Tells one state from another. */
function textOf(state: HubEvent): string {
  try {
    return JSON.stringify(state)
  } catch {
    // Its data can be parsed, but is nested too deep to be written.
    return `${state.topic} ${state.time}`
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
