// Updates: what Mercure publishes. The log holds each as one event, whose data is a line of JSON with all that the update
// has beside its data, and the data below.

import type { NewEvent, StoredEvent, Topic } from '../../event.ts'
import { SUBSCRIPTION_EVENTS, UPDATES } from './paths.ts'

export interface Update {
  /** At least one; the first is the canonical one, the others are alternates. */
  readonly topics: readonly string[]
  /** Only for subscribers whose tokens name one of the topics. */
  readonly isPrivate: boolean
  /** Absent: the hub gives one (`ids.ts`). */
  readonly id?: string | undefined
  /** The SSE event name. */
  readonly type?: string | undefined
  readonly retryMs?: number | undefined
  readonly data: string
}

type Head = Omit<Update, 'data'>

/** The event that an update is stored as. */
export function eventOf(update: Update, topic: Topic = UPDATES): NewEvent {
  const { topics, isPrivate, id, type, retryMs, data } = update
  return {
    topic,
    data: `${JSON.stringify({ topics, isPrivate, id, type, retryMs } satisfies Head)}\n${data}`,
  }
}

export function isUpdate({ topic }: StoredEvent): boolean {
  return topic === UPDATES || topic === SUBSCRIPTION_EVENTS
}

/** The update that is stored as this event. */
export function updateOf(event: StoredEvent): Update {
  if (event !== last.event) last = { event, update: parse(event.data) }
  return last.update!
}

// One event is asked for again and again, by its index, by readers who choose, and by the encoder, and then the next.
let last: { event: StoredEvent | undefined; update: Update | undefined } = {
  event: undefined,
  update: undefined,
}

function parse(text: string): Update {
  const end = text.indexOf('\n')
  return { ...(JSON.parse(text.slice(0, end)) as Head), data: text.slice(end + 1) }
}
