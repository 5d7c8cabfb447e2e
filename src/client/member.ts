// What a stream's reader is to the stream: topics, a place to go on from, and somebody to hand things to.

import type { PresenceData } from '../protocol/control-events.ts'
import { patternMatcher } from '../topic-pattern.ts'
import type { MillraceError } from './millrace-error.ts'
import type { Gap, HubEvent, Reset } from './options.ts'

/** What a member is told, by the handlers that it is for. */
interface Notices {
  readonly onEvent: HubEvent
  readonly onGap: Omit<Gap, 'topics'>
  readonly onReset: Reset
  readonly onPresence: PresenceData
  /** It has got to the cursor of the stream, and goes with it. */
  readonly onJoined: undefined
  /** What was there before has been handed out. */
  readonly onReady: undefined
  /** It is no member any more. */
  readonly onError: MillraceError
}

export type Notice = {
  [To in keyof Notices]: { readonly to: To; readonly value: Notices[To] }
}[keyof Notices]

export interface Member {
  /** Topics and patterns. */
  readonly topics: readonly string[]
  /** Those of the topics whose presence it is told. */
  readonly watched: readonly string[]
  readonly matches: (topic: string) => boolean
  /** Where it goes on when it is added to a stream: an id, `earliest`, or now, with the topics' states first. */
  after: string | undefined
  /** Throws nothing. */
  take(notice: Notice): void
}

export function matcherOf(topics: readonly string[]): (topic: string) => boolean {
  const matchers = topics.map(patternMatcher)
  return topic => matchers.some(matches => matches(topic))
}
