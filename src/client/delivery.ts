// Hands what a stream brings to its members: with an `id:` line to those on the stream, without one to those that are being
// added. Keeps the cursor, and how far those have got who are not there yet.

import type { EventSourceMessage } from 'eventsource-parser'
import {
  BYE,
  GAP,
  OPEN,
  PRESENCE,
  RESET,
  TOPICS,
  type ByeData,
  type GapData,
  type OpenData,
  type PresenceData,
  type ResetData,
  type TopicsData,
} from '../protocol/control-events.ts'
import type { Member, Notice } from './member.ts'
import type { HubEvent } from './options.ts'
import { Roster } from './roster.ts'

export interface DeliveryHost {
  onOpen(feed: string, topics: readonly string[]): void
  /** The batch is on the stream, or has lost it. */
  onBatchEnd(): void
  onTopics(topics: readonly string[]): void
  onBye(reason: string): void
}

export class Delivery {
  readonly roster = new Roster()
  /** Everything up to here was handed out to those on the stream. */
  cursor: string | undefined
  /** Whom the stream is being opened with, or who is being added. */
  batch: readonly Member[] = []
  readonly #host: DeliveryHost
  /** Where the batch has got to, on its way to the cursor. */
  #batchCursor: string | undefined
  #isOpening = false
  /** Since the batch began, those on the stream were told of a gap, which has states without an `id:` line behind it. */
  #hasGap = false

  constructor(host: DeliveryHost) {
    this.#host = host
  }

  begin(batch: readonly Member[], isOpening: boolean): void {
    this.batch = batch
    this.#isOpening = isOpening
    this.#hasGap = false
  }

  take({ id, event, data }: EventSourceMessage): void {
    const content: unknown = JSON.parse(data)
    if (event === OPEN) this.#opened(content as OpenData)
    // An id is where the stream stands: all that came before it, such as states, has been handed over.
    if (id !== undefined && (this.#isOpening || event === TOPICS)) this.#settle()
    if (event === undefined) this.#hand(content as HubEvent, id)
    else this.#control(event, content, id)
    if (id !== undefined) this.cursor = id
  }

  /** Whoever has not arrived goes on where it was. */
  endBatch(): void {
    if (this.#batchCursor !== undefined) for (const member of this.batch) member.after = this.#batchCursor
    this.#batchCursor = undefined
    this.batch = []
    this.#isOpening = false
    this.#host.onBatchEnd()
  }

  #opened({ feed, topics }: OpenData): void {
    this.#host.onOpen(feed, topics)
    // From the earliest on, there is no id before the first event, and no state.
    if (this.batch[0]?.after === 'earliest') this.#settle()
  }

  #settle(): void {
    const settled = this.roster.settle(this.batch)
    this.#batchCursor = undefined
    this.endBatch()
    for (const member of settled) member.take({ kind: 'ready' })
  }

  #hand(event: HubEvent, id: string | undefined): void {
    if (id === undefined && event.id !== undefined) this.#batchCursor = event.id
    this.#tell(id, { kind: 'event', event: id === undefined ? event : { id, ...event } }, event.topic)
  }

  #control(type: string, content: unknown, id: string | undefined): void {
    if (type === GAP) {
      this.#tell(id, { kind: 'gap', gap: content as GapData })
      if (id !== undefined) this.#hasGap = true
    } else if (type === RESET) {
      const { topic } = content as ResetData
      this.#tell(id, { kind: 'reset', reset: { topic, ...(id !== undefined && { id }) } }, topic)
    } else if (type === PRESENCE) {
      for (const member of [...this.roster.onStream, ...this.batch]) {
        member.take({ kind: 'presence', presence: content as PresenceData })
      }
    } else if (type === TOPICS) this.#host.onTopics((content as TopicsData).topics)
    else if (type === BYE) this.#host.onBye((content as ByeData).reason)
  }

  #tell(id: string | undefined, notice: Notice, topic?: string): void {
    const isForBatch = id === undefined && this.batch.length > 0
    if (isForBatch) {
      for (const member of this.batch) {
        if (this.roster.has(member) && (topic === undefined || member.matches(topic))) member.take(notice)
      }
    }
    if (isForBatch && !this.#hasGap) return
    for (const member of topic === undefined ? this.roster.onStream : this.roster.of(topic)) {
      if (this.roster.has(member)) member.take(notice)
    }
  }
}
