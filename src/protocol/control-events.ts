// The events that the hub itself puts on a stream, and their data. Clients tell them by the prefix `millrace:`.

import { RESET, type Topic } from '../event.ts'

/** First on every stream: what it follows; its id, if it has one, is where the stream starts. */
export const OPEN = 'millrace:open'
/** Events that the client wanted are gone. Comes before anything newer. */
export const GAP = 'millrace:gap'
/** What there was has been handed over: states, or what came after the client's id. Its id is where the stream goes on; what comes now is live. */
export const READY = 'millrace:ready'
/** The hub ends the stream; `retry:` says when to come back. */
export const BYE = 'millrace:bye'
/** The stream follows other topics; its id is where these begin to count. */
export const TOPICS = 'millrace:topics'
/** Who follows a topic, to streams that asked for it. Without an id. */
export const PRESENCE = 'millrace:presence'
export { RESET }

export interface OpenData {
  /** The stream's own name. */
  readonly feed: string
  readonly topics: readonly string[]
}

export interface GapData {
  /** `expired`: events left the log. `unknown`: the log never issued the id that the client came with. */
  readonly reason: 'expired' | 'unknown'
  /** The stream goes on with what the log still has after this id. */
  readonly resumesAfter: string
  /** Events up to this id are gone, where known. */
  readonly lostThrough?: string
  /** It concerns only these, which were added to the stream. */
  readonly topics?: readonly string[]
}

export interface TopicsData {
  /** All that the stream follows now. */
  readonly topics: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

export interface ResetData {
  readonly topic: Topic
}

export interface ByeData {
  readonly reason: string
}

export interface PresenceData {
  readonly topic: Topic
  /** Open streams that get its events. */
  readonly count: number
  /** First of all: who is there. Names come only where the grant shows them. */
  readonly present?: readonly string[]
  /** After that: who has come, and who has gone. */
  readonly joined?: readonly string[]
  readonly left?: readonly string[]
}
