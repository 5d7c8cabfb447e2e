// What users of the client pass in and get: options with their defaults, events, and what else a subscription is told.

import type { GapData, PresenceData } from '../protocol/control-events.ts'
import type { MillraceError } from './millrace-error.ts'

/** An event as it is handed out. Several subscriptions get the same object. */
export interface HubEvent<Data = unknown> {
  /** Absent: this is the topic's state, from before the subscription began. */
  readonly id?: string
  readonly topic: string
  /** Absent: it was published without one. */
  readonly type?: string
  /** When the hub took it, as ISO 8601. */
  readonly time: string
  /** JSON as it was published; text as a string. */
  readonly data: Data
}

export interface Gap extends GapData {
  /** Of the subscription that is told. */
  readonly topics: readonly string[]
}

export type Presence = PresenceData

export interface Reset {
  readonly topic: string
  /** Absent: it comes with what a subscription wanted from earlier on. */
  readonly id?: string
}

/**
 * - `idle`: nothing is subscribed to
 * - `connecting`: for the first time, or at once again after a stream was cut: nothing to worry anybody with
 * - `open`
 * - `waiting`: the hub could not be reached, and will be tried again
 * - `offline`: the same, and the browser says that there is no network
 * - `closed`: by `close()`
 */
export type ConnectionState = 'idle' | 'connecting' | 'open' | 'waiting' | 'offline' | 'closed'

export interface Status {
  readonly state: ConnectionState
  /** Why it is not open. */
  readonly reason?: MillraceError
  /** When it is tried again, in milliseconds since 1970. */
  readonly retryAt?: number
}

/** What of `sessionStorage` is used. */
export interface KeyValueStore {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

export interface ConnectOptions {
  /** A JWT or API key, or what gets one: asked before each connection, before it expires, and after a 401. */
  readonly token?: string | (() => string | undefined | Promise<string | undefined>)
  /** As `fetch` has it. Default: 'same-origin'; 'include' sends the hub's cookie from pages of other origins. */
  readonly credentials?: 'omit' | 'same-origin' | 'include'
  /** One status for all subscriptions: enough for one banner. */
  readonly onStatus?: (status: Status) => void
  /** Goes on after a reload where the page was: the name under which the position is kept. */
  readonly resume?: string
  /** Where. Default: `sessionStorage`, which each tab has for itself. */
  readonly store?: KeyValueStore
  /** The tabs of this origin share one stream. A text: only those that give the same one, such as a user's name. Default: false. */
  readonly share?: boolean | string
  /** A stream without a byte for so long is dead, in milliseconds. Default: 45,000, three heartbeats of a hub. */
  readonly silenceMs?: number
  /** How long the stream is kept when nothing is subscribed to, in milliseconds. Default: 1,000. */
  readonly lingerMs?: number
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch
}

export interface SubscribeOptions {
  /** Ends the subscription. */
  readonly signal?: AbortSignal
  /** Begins behind this id, or with the `earliest` event that is kept. Default: with the topics' states, and what comes from now on. */
  readonly after?: string
  /** Events were lost. Without it, that is reported as an error. */
  readonly onGap?: (gap: Gap) => void
  /** A topic was deleted. Not of what was deleted before, for who reads from the `earliest` on. */
  readonly onReset?: (reset: Reset) => void
  /** States and what was missed have been handed out; what comes now is live. */
  readonly onReady?: () => void
  /** The subscription has ended, for a reason that waiting does not mend. Without it, that is reported as an error. */
  readonly onError?: (error: MillraceError) => void
  /** Who follows the topics. Of patterns it is not told: there must be a topic that is none. */
  readonly onPresence?: (presence: Presence) => void
}

export interface EventsOptions extends Pick<SubscribeOptions, 'signal' | 'after' | 'onGap' | 'onReset'> {
  /** Events that wait to be taken before the loop counts as slow, and gets a stream of its own. Default: 1,000. */
  readonly maxWaiting?: number
}

export interface PublishOptions {
  /** The event's type. */
  readonly type?: string
  /** Becomes the topic's state. */
  readonly state?: boolean
  /** Its `Idempotency-Key`, 1 to 255 characters. Default: a new one. */
  readonly key?: string
  /** Gives up. Whether the event was kept is not known then. */
  readonly signal?: AbortSignal
}

export interface HistoryOptions {
  /** Events behind this id. Default: from the earliest on. */
  readonly after?: string
  /** Events before this id, or `latest`. */
  readonly before?: string
  /** Default: 100. */
  readonly limit?: number
  readonly signal?: AbortSignal
}

export interface HistoryPage<Data = unknown> {
  readonly topic: string
  readonly state?: HubEvent<Data>
  readonly events: readonly HubEvent<Data>[]
  /** Pass it as `after` to go on from here. */
  readonly cursor: string
  readonly gap?: GapData
}

export interface TopicsOptions {
  /** A pattern. Default: all that may be received. */
  readonly match?: string
  /** Topics behind this name. */
  readonly after?: string
  /** Default: 100. */
  readonly limit?: number
  readonly signal?: AbortSignal
}

export interface TopicSummary {
  readonly topic: string
  readonly events: number
  readonly bytes: number
  readonly first?: string
  readonly last?: string
  readonly state?: string
  readonly time: string
}
