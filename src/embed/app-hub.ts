// What `app.hub` does for the app that the hub lives in: publishing and subscribing without a request.

import type { Topic } from '../event.ts'
import type { TopicPattern } from '../topic-pattern.ts'

export interface AppHub {
  /** The id of the newest event of any topic: a cursor for what comes after. */
  readonly head: string
  /**
   * Resolves when the log has the event. Text is published as text, whatever else as JSON. Whoever is behind is waited
   * for no longer than a request would be.
   * Errors: MILLRACE_TOPIC_INVALID, MILLRACE_TYPE_INVALID, MILLRACE_JSON_INVALID, MILLRACE_NOT_UTF8,
   * MILLRACE_BODY_TOO_LARGE, MILLRACE_KEY_REUSED, MILLRACE_STATE_FULL, MILLRACE_LOG_FULL, MILLRACE_LOG_UNAVAILABLE;
   * MILLRACE_DRAINING once the app has closed.
   */
  readonly publish: (topic: Topic, data: unknown, options?: PublishOptions) => Promise<Published>
  /** All or none, in this order, next to each other. At least one. Errors: as for `publish`. */
  readonly publishMany: (
    events: readonly AppEvent[],
    options?: Pick<PublishOptions, 'key'>,
  ) => Promise<PublishedMany>
  /**
   * Hands over each event that matches, one after the other: the next one when the promise that `onEvent` returned has
   * resolved. An `onEvent` that throws ends the subscription.
   * Errors, at once: MILLRACE_TOPIC_INVALID, MILLRACE_PATTERN_INVALID, MILLRACE_TOO_MANY_PATTERNS, MILLRACE_ID_INVALID.
   */
  readonly subscribe: (
    topics: Topic | TopicPattern | readonly (Topic | TopicPattern)[],
    onEvent: (event: ReceivedEvent) => void | Promise<void>,
    options?: SubscribeOptions,
  ) => Subscription
}

export interface PublishOptions {
  /** The SSE event name. Default: `message`. */
  readonly type?: string | undefined
  /** An Idempotency-Key: what is published again under it is kept once. */
  readonly key?: string | undefined
  /** It becomes the topic's state: kept beyond retention, handed to each new subscriber. Default: false. */
  readonly state?: boolean | undefined
}

export interface AppEvent extends Omit<PublishOptions, 'key'> {
  readonly topic: Topic
  readonly data: unknown
}

export interface Published {
  readonly id: string
  readonly topic: Topic
}

export interface PublishedMany {
  /** Of the last event. */
  readonly id: string
  /** How many are kept, those that were before under the same key included. */
  readonly published: number
}

export interface ReceivedEvent {
  readonly id: string
  readonly topic: Topic
  /** `millrace:reset`: the topic was deleted. */
  readonly type: string | undefined
  readonly time: Date
  /** JSON as the value that it says, text as text. */
  readonly data: unknown
}

export interface SubscribeOptions {
  /** Go on after this id, or from the `earliest` event that is kept. Default: what comes from now on. */
  readonly after?: string | undefined
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined
  /** Is told, before anything newer comes, that events after the last id are gone. */
  readonly onGap?: ((gap: AppGap) => void | Promise<void>) | undefined
}

export interface AppGap {
  /** `expired`: they have left the log. `unknown`: the log has never issued the id in `after`. */
  readonly reason: 'expired' | 'unknown'
  /** Events up to this id are gone; undefined: not known. */
  readonly lostThrough: string | undefined
}

export interface Subscription {
  readonly close: () => void
  /** Resolves when it has ended and no call of `onEvent` runs any more; rejects with what `onEvent` threw. */
  readonly closed: Promise<void>
}
