// What a page or program has of a hub: subscriptions on one shared stream, publishing, history, and one status.

import { ActiveSubscription, type OnEvent, type Subscription } from './subscription.ts'
import { EventQueue } from './event-queue.ts'
import type { FeedOptions } from './feed.ts'
import { Feeds, type Source } from './feeds.ts'
import { KeptPosition } from './kept-position.ts'
import type {
  ConnectOptions,
  EventsOptions,
  HistoryOptions,
  HistoryPage,
  HubEvent,
  PublishOptions,
  Status,
  SubscribeOptions,
  TopicsOptions,
  TopicSummary,
} from './options.ts'
import { locks, report, sessionStore } from './platform.ts'
import { publish, topicPath, type Published } from './publish.ts'
import { queryOf } from './query.ts'
import { Requests } from './requests.ts'
import { isPattern } from '../topic-pattern.ts'

/** `url` is the hub's address, such as `https://localhost:9443`; '' is the page's own origin. Opens nothing yet. */
export function connect(url: string, options: ConnectOptions = {}): HubConnection {
  return new HubConnection(url, options)
}

export class HubConnection {
  readonly #requests: Requests
  readonly #feedOptions: FeedOptions
  /** Undefined while what the tabs share is being loaded. */
  #source: Source | undefined
  readonly #subscriptions = new Set<ActiveSubscription>()
  /** The streams of those that cannot share one. */
  readonly #own = new Map<ActiveSubscription, Source>()
  readonly #kept: KeptPosition | undefined
  readonly #statusListeners = new Set<(status: Status) => void>()
  readonly #closing = new AbortController()
  #status: Status = IDLE
  readonly #host = {
    onStatus: (): void => this.#statusChanged(),
    onProgress: (cursor: string, topics: () => ReadonlySet<string>): undefined =>
      this.#kept?.keep(cursor, topics()),
  }

  /** Called by `connect`. */
  constructor(url: string, options: ConnectOptions) {
    this.#requests = new Requests(url, options)
    const { silenceMs = 45_000, lingerMs = 1000, resume, store = sessionStore(), onStatus } = options
    this.#feedOptions = { requests: this.#requests, silenceMs, lingerMs }
    if (resume !== undefined && store !== undefined) this.#kept = new KeptPosition(store, resume)
    if (onStatus !== undefined) this.#statusListeners.add(onStatus)
    const { share = false } = options
    if (share === false || locks() === undefined) this.#source = new Feeds(this.#feedOptions, this.#host)
    else void this.#share(share === true ? url : share)
  }

  /** Now; `onStatus` tells when it changes. */
  get status(): Status {
    return this.#status
  }

  /** Returns what ends it. */
  onStatus(listener: (status: Status) => void): () => void {
    this.#statusListeners.add(listener)
    return () => this.#statusListeners.delete(listener)
  }

  /**
   * Calls `onEvent` for each event of these topics and patterns, once and in order. What it returns is not waited for;
   * what it throws is reported, and keeps no other handler from being called.
   */
  subscribe<Data = unknown>(
    topics: string | readonly string[],
    onEvent: OnEvent<Data>,
    options: SubscribeOptions = {},
  ): Subscription {
    return this.#subscribe(topics, onEvent, options, () => {})
  }

  /**
   * The events of these topics and patterns, for a `for await` loop at its own pace. It ends when the signal is aborted
   * or the hub is closed. A loop that is slow gets a stream of its own, which is read as fast as it takes events.
   * Errors: MillraceError when the hub refuses, or when events were lost and there is no `onGap`.
   */
  async *events<Data = unknown>(
    topics: string | readonly string[],
    { maxWaiting = 1000, ...options }: EventsOptions = {},
  ): AsyncGenerator<HubEvent<Data>, void, undefined> {
    const queue = new EventQueue<Data>(maxWaiting)
    const onEvent = (event: HubEvent<Data>): void => {
      queue.push(event)
      // A state has no id to go on from; there is one of each topic at most.
      if (queue.isFull && event.id !== undefined) this.#pace(subscription, event.id, () => queue.room())
    }
    const onError = (error: Error): void => queue.end(error)
    const subscription = this.#subscribe(topics, onEvent, { ...options, onError }, () => queue.end())
    try {
      for (let event = await queue.take(); event !== undefined; event = await queue.take()) yield event
    } finally {
      subscription.close()
    }
  }

  /**
   * Publishes text, or anything else as JSON; repeated under one key until the hub has answered.
   * Errors: MillraceError when it refuses; whatever the signal was aborted with.
   */
  publish(topic: string, data: unknown, options: PublishOptions = {}): Promise<Published> {
    const { signal } = this.#closing
    const either = options.signal === undefined ? signal : AbortSignal.any([signal, options.signal])
    return publish(this.#requests, topic, data, { ...options, signal: either })
  }

  /** A page of what is kept of the topic. Errors: MillraceError. */
  async history<Data = unknown>(
    topic: string,
    { signal, ...query }: HistoryOptions = {},
  ): Promise<HistoryPage<Data>> {
    return this.#requests.json(topicPath(topic) + queryOf(query), { signal })
  }

  /** The topics that may be received, in the order of their names. Errors: MillraceError. */
  async topics({ signal, ...query }: TopicsOptions = {}): Promise<readonly TopicSummary[]> {
    const init = { signal }
    const answer = await this.#requests.json<{ topics: TopicSummary[] }>(`/topics${queryOf(query)}`, init)
    return answer.topics
  }

  /** Ends all subscriptions, loops and waiting publishes. */
  close(): void {
    this.#closing.abort(new Error('The connection to the hub was closed.'))
    for (const subscription of this.#subscriptions) subscription.close()
    this.#source?.close()
    this.#statusChanged()
  }

  async #share(name: string): Promise<void> {
    try {
      const { SharedFeeds } = await import('./shared-feeds.ts')
      if (this.#closing.signal.aborted) return
      this.#source = new SharedFeeds(name, this.#feedOptions, this.#host)
    } catch (error) {
      report(error)
      this.#source = new Feeds(this.#feedOptions, this.#host)
    }
    for (const subscription of this.#subscriptions) this.#source.add(subscription)
  }

  #subscribe(
    names: string | readonly string[],
    onEvent: OnEvent<never>,
    options: SubscribeOptions,
    onClose: () => void,
  ): ActiveSubscription {
    const topics = typeof names === 'string' ? [names] : [...names]
    if (topics.length === 0) throw new TypeError('A subscription is to a topic at least.')
    if (options.onPresence !== undefined && topics.every(isPattern)) {
      throw new TypeError('Presence is told of topics: patterns alone name none.')
    }
    const kept = this.#kept
    const onReady = (): void => {
      kept?.settled(topics)
      options.onReady?.()
    }
    const subscription = new ActiveSubscription(topics, onEvent, { ...options, onReady }, () => {
      this.#drop(subscription)
      onClose()
    })
    subscription.after ??= kept?.of(topics)
    this.#subscriptions.add(subscription)
    if (this.#closing.signal.aborted || options.signal?.aborted === true) subscription.close()
    else this.#source?.add(subscription)
    return subscription
  }

  #drop(subscription: ActiveSubscription): void {
    this.#subscriptions.delete(subscription)
    const own = this.#own.get(subscription)
    if (own === undefined) return this.#source?.remove(subscription)
    this.#own.delete(subscription)
    own.close()
    this.#statusChanged()
  }

  /** Gives it a stream of its own, which is read no faster than there is room. */
  #pace(subscription: ActiveSubscription, after: string, room: () => Promise<void> | undefined): void {
    if (this.#own.has(subscription)) return
    this.#source?.remove(subscription)
    subscription.after = after
    const own = new Feeds(this.#feedOptions, { ...this.#host, onProgress: room })
    this.#own.set(subscription, own)
    own.add(subscription)
  }

  #statusChanged(): void {
    const before = this.#status
    this.#status = this.#closing.signal.aborted ? CLOSED : this.#overallStatus()
    if (isSame(before, this.#status)) return
    for (const listener of this.#statusListeners) {
      try {
        listener(this.#status)
      } catch (error) {
        report(error)
      }
    }
  }

  /** The worst of all streams. */
  #overallStatus(): Status {
    const all = [this.#source, ...this.#own.values()].flatMap(source => source?.statuses ?? [])
    const [worst = IDLE] = WORST_FIRST.flatMap(state => all.filter(status => status.state === state))
    return worst
  }
}

const IDLE: Status = { state: 'idle' }
const CLOSED: Status = { state: 'closed' }
const WORST_FIRST = ['offline', 'waiting', 'connecting', 'open'] as const

function isSame(one: Status, other: Status): boolean {
  return one.state === other.state && one.reason === other.reason && one.retryAt === other.retryAt
}
