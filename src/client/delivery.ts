// Hands what a stream brings to its members: to those on the stream, or to those that are being added. Keeps the cursor, and
// how far those have got who are not there yet.

import {
  GAP,
  OPEN,
  PRESENCE,
  READY,
  RESET,
  TOPICS,
  type GapData,
  type PresenceData,
  type ResetData,
  type TopicsData,
} from '../protocol/control-events.ts'
import type { Member, Notice } from './member.ts'
import type { HubEvent } from './options.ts'
import { Roster, topicsOf } from './roster.ts'

/** An event of a feed. It has an id of its own, or `added`, if it is for those that are being added. */
type Envelope = HubEvent & { readonly added?: boolean }

export class Delivery {
  readonly roster = new Roster()
  /** Everything up to here was handed out to those on the stream. */
  cursor: string | undefined
  /** Whom the stream is being opened with, or who is being added. Undefined: the stream is as it is to be. */
  batch: readonly Member[] | undefined
  readonly #onBatchEnd: () => void
  /** Where the batch has got to, on its way to the cursor. */
  #batchCursor: string | undefined
  #isOpening = false
  /** The stream began at a position, and has not got to the head yet. */
  #isReadingOn = false

  constructor(onBatchEnd: () => void) {
    this.#onBatchEnd = onBatchEnd
  }

  /** Whom to open the stream with: those that were on it come first. */
  beginOpening(): readonly Member[] {
    this.roster.unsettle(this.cursor)
    const batch = this.roster.nextBatch()
    const { after } = batch[0]!
    this.cursor = after === 'earliest' ? undefined : after
    this.#isOpening = true
    this.#isReadingOn = after !== undefined
    return (this.batch = batch)
  }

  take(type: string | undefined, content: unknown, id: string | undefined): void {
    if (this.#isStart(type, content, id)) this.#settle()
    if (type === READY && this.#isReadingOn) {
      this.#isReadingOn = false
      tellReady(this.roster.onStream)
    }
    if (type === undefined) this.#hand(content as Envelope, id)
    else this.#control(type, content, id)
    this.cursor = id ?? this.cursor
  }

  /** Whoever has not arrived goes on where it was. */
  endBatch(): void {
    for (const member of this.batch ?? []) {
      // Whoever has left may be on a stream of its own by now, which has not got so far.
      if (this.roster.has(member)) member.after = this.#batchCursor ?? member.after
    }
    this.#batchCursor = undefined
    this.batch = undefined
    this.#isOpening = false
    this.#onBatchEnd()
  }

  /** Whether the batch has got to where the stream is: all that it had to get first, such as states, has been handed over. */
  #isStart(type: string | undefined, content: unknown, id: string | undefined): boolean {
    if (type === TOPICS) {
      // A change whose answer was lost may have been made before this one.
      const { added } = content as TopicsData
      return [...topicsOf(this.batch ?? [])].every(topic => added.includes(topic))
    }
    // From the earliest on, there is no id before the first event, and no state.
    return this.#isOpening && (id !== undefined || (type === OPEN && this.batch![0]!.after === 'earliest'))
  }

  #settle(): void {
    const settled = this.roster.settle(this.batch ?? [])
    this.#batchCursor = undefined
    this.endBatch()
    for (const member of settled) member.take({ to: 'onJoined', value: undefined })
    if (!this.#isReadingOn) tellReady(settled)
  }

  #hand(event: Envelope, id: string | undefined): void {
    const { topic } = event
    if (id !== undefined) return this.#tell(false, { to: 'onEvent', value: { id, ...event } }, topic)
    const { added = this.#isOpening, ...value } = event
    this.#batchCursor = this.batch && (value.id ?? this.#batchCursor)
    this.#tell(added || value.id !== undefined, { to: 'onEvent', value }, topic)
  }

  #control(type: string, content: unknown, id: string | undefined): void {
    const isForBatch = id === undefined
    if (type === GAP) this.#tell(isForBatch, { to: 'onGap', value: content as GapData })
    else if (type === RESET) {
      const { topic } = content as ResetData
      this.#tell(isForBatch, { to: 'onReset', value: { topic, ...(!isForBatch && { id }) } }, topic)
    } else if (type === PRESENCE) {
      const value = content as PresenceData
      for (const member of [...this.roster.onStream, ...(this.batch ?? [])]) {
        const isToldOf = this.roster.has(member) && member.watched.includes(value.topic)
        if (isToldOf) member.take({ to: 'onPresence', value })
      }
    }
  }

  #tell(isForBatch: boolean, notice: Notice, topic?: string): void {
    const { roster, batch = [] } = this
    const onStream = (): readonly Member[] => (topic === undefined ? roster.onStream : roster.of(topic))
    for (const member of isForBatch ? batch : onStream()) {
      if (roster.has(member) && (topic === undefined || member.matches(topic))) member.take(notice)
    }
  }
}

/** To those that know it already it is no news. */
function tellReady(members: readonly Member[]): void {
  for (const member of members) member.take({ to: 'onReady', value: undefined })
}
