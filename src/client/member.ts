// What a stream's reader is to the stream: topics, a place to go on from, and somebody to hand things to.

import type { PresenceData } from '../protocol/control-events.ts'
import { patternMatcher } from '../topic-pattern.ts'
import type { MillraceError } from './millrace-error.ts'
import type { Gap, HubEvent, Reset } from './options.ts'

export type Notice =
  | { readonly kind: 'event'; readonly event: HubEvent }
  | { readonly kind: 'gap'; readonly gap: Omit<Gap, 'topics'> }
  | { readonly kind: 'reset'; readonly reset: Reset }
  | { readonly kind: 'presence'; readonly presence: PresenceData }
  /** What was there before has been handed out. */
  | { readonly kind: 'ready' }
  /** It is no member any more. */
  | { readonly kind: 'error'; readonly error: MillraceError }

export interface Member {
  /** Topics and patterns. */
  readonly topics: readonly string[]
  readonly matches: (topic: string) => boolean
  /** Where it goes on when it is added to a stream: an id, `earliest`, or now, with the topics' states first. */
  after: string | undefined
  /** Throws nothing. */
  take(notice: Notice): void
  /** Resolves when it can take more. Undefined: it can. */
  room?(): Promise<void> | undefined
}

export function matcherOf(topics: readonly string[]): (topic: string) => boolean {
  const matchers = topics.map(patternMatcher)
  return topic => matchers.some(matches => matches(topic))
}
