// How busy which topics are: counted from a tail of the log of its own, while somebody looks.

import { isReservedTopic, type StoredEvent, type Topic } from '../../event.ts'
import type { EventLog, Tail } from '../../log/event-log.ts'
import { formatId } from '../../protocol/ids.ts'
import type { TopicStats } from '../../protocol/inspector.ts'

/** How many topics are kept from one second to the next: the busiest, and then those that had an event last. */
export const MAX_TRACKED_TOPICS = 1000
/** How many topics can be new in one second; the events of others are not counted. */
export const MAX_NEW_TOPICS = 1000
/** How many the pages are told of. */
export const MAX_TOLD_TOPICS = 100

const MAX_DATA_CHARACTERS = 200

// A burst of a second is seen for some more.
const SMOOTHING_S = 4

interface TrackedTopic {
  rate: number
  events: number
  /** Since the rate was taken last. */
  fresh: number
  last: StoredEvent
  /** By the batch that is being counted. */
  isTouched: boolean
}

export class TopicRates {
  readonly #epoch: string
  readonly #tail: Tail
  #topics = new Map<Topic, TrackedTopic>()

  constructor(log: EventLog) {
    this.#epoch = log.epoch
    this.#tail = log.tail(events => {
      const touched: TrackedTopic[] = []
      for (const event of events) this.#count(event, touched)
      // Not each event is cut: of a topic, the last of the batch.
      for (const tracked of touched) {
        tracked.last = shortened(tracked.last)
        tracked.isTouched = false
      }
      // It holds nobody back.
      this.#tail?.delivered(events.at(-1)!.position, Number.MAX_SAFE_INTEGER)
    })
  }

  stop(): void {
    this.#tail.stop()
  }

  /** How many are tracked. */
  get size(): number {
    return this.#topics.size
  }

  /** Takes the rates of the time since they were taken last, and returns the busiest topics. */
  take(seconds: number): TopicStats[] {
    for (const tracked of this.#topics.values()) {
      const isNew = tracked.fresh === tracked.events
      // What comes first is no rate yet: of a second at least.
      const now = tracked.fresh / (isNew ? Math.max(1, seconds) : seconds)
      const weight = isNew ? 1 : 1 - Math.exp(-seconds / SMOOTHING_S)
      tracked.rate += (now - tracked.rate) * weight
      if (tracked.rate < 0.001) tracked.rate = 0
      tracked.fresh = 0
    }
    const busiest = [...this.#topics].sort(([, one], [, other]) => byRate(one, other))
    if (busiest.length > MAX_TRACKED_TOPICS) this.#topics = new Map(busiest.slice(0, MAX_TRACKED_TOPICS))
    return busiest.slice(0, MAX_TOLD_TOPICS).map(([topic, tracked]) => this.#tell(topic, tracked))
  }

  #count(event: StoredEvent, touched: TrackedTopic[]): void {
    const tracked = this.#topics.get(event.topic) ?? this.#track(event)
    if (tracked === undefined) return
    tracked.events++
    tracked.fresh++
    tracked.last = event
    if (tracked.isTouched) return
    tracked.isTouched = true
    touched.push(tracked)
  }

  #track(event: StoredEvent): TrackedTopic | undefined {
    const { topic } = event
    const isFull = this.#topics.size >= MAX_TRACKED_TOPICS + MAX_NEW_TOPICS
    if (isFull || isReservedTopic(topic)) return undefined
    const tracked = { rate: 0, events: 0, fresh: 0, last: event, isTouched: false }
    this.#topics.set(topic, tracked)
    return tracked
  }

  #tell(topic: Topic, { rate, events, last }: TrackedTopic): TopicStats {
    return {
      topic,
      rate,
      events,
      lastId: formatId(this.#epoch, last.position),
      lastTime: last.time,
      lastData: last.data,
      ...(last.type !== undefined && { lastType: last.type }),
    }
  }
}

/** A copy: a slice would hold on to all of the text that it is of. */
function shortened(event: StoredEvent): StoredEvent {
  if (event.data.length <= MAX_DATA_CHARACTERS) return event
  return { ...event, data: Buffer.from(event.data.slice(0, MAX_DATA_CHARACTERS)).toString() }
}

function byRate(one: TrackedTopic, other: TrackedTopic): number {
  return other.rate - one.rate || other.last.position - one.last.position
}
