// The topics' states: for each topic the newest event that was PUT, kept whatever becomes of the history.

import { MillraceError } from '../errors.ts'
import { RESET, type NewEvent, type Position, type Topic } from '../event.ts'
import { entryBytes, type Entry } from './entry.ts'
import type { ReadLimit, ReadPage } from './event-log.ts'
import { Journal } from './journal.ts'
import { scan } from './scan.ts'
import type { Selector } from '../topic-pattern.ts'

interface StateEntry extends Entry {
  /** The same event in the topic's history; `isGone` says whether it still is there. */
  readonly source: Entry
}

export class States {
  /** Counts up when a topic gets its first state or loses its state. */
  changes = 0
  bytes = 0
  readonly #maxBytes: number
  readonly #byTopic = new Map<Topic, StateEntry>()
  readonly #journal = new Journal()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Refuses events as a whole when their states do not fit. Errors: MILLRACE_STATE_FULL. */
  reserve(events: readonly NewEvent[]): void {
    requireStateRoom(events, {
      maxBytes: this.#maxBytes,
      bytes: this.bytes,
      bytesOf: topic => this.#byTopic.get(topic)?.bytes ?? 0,
      size: entryBytes,
    })
  }

  get(topic: Topic): Entry | undefined {
    return this.#byTopic.get(topic)
  }

  topics(): IterableIterator<Topic> {
    return this.#byTopic.keys()
  }

  /** Any event, in order: those that are not about a state change nothing. */
  take(entry: Entry): void {
    if (entry.type === RESET || entry.isState) this.#clear(entry.topic)
    if (entry.isState) this.#set(entry)
  }

  /** A page of states in the order they were set; `isFew`: the selector names so few topics that each is looked up. */
  read(
    after: Position,
    selector: Selector,
    limit: ReadLimit & { onlyGone: boolean },
    isFew: boolean,
  ): Pick<ReadPage, 'events' | 'position'> {
    const isWanted = (state: StateEntry): boolean => !(limit.onlyGone && !state.source.isGone)
    if (isFew) {
      const states = selector.topics.flatMap(topic => this.#byTopic.get(topic) ?? [])
      return pageOf(states.filter(isWanted), after, limit)
    }
    // The journal holds nothing but StateEntry objects.
    return scan(
      this.#journal,
      after,
      limit,
      entry => selector.matches(entry.topic) && isWanted(entry as StateEntry),
    )
  }

  #set(entry: Entry): void {
    const state: StateEntry = { ...entry, source: entry }
    this.#byTopic.set(entry.topic, state)
    this.#journal.push(state)
    this.bytes += state.bytes
    this.changes++
  }

  #clear(topic: Topic): void {
    const state = this.#byTopic.get(topic)
    if (state === undefined) return
    this.#byTopic.delete(topic)
    state.isGone = true
    this.#journal.remove(state)
    this.bytes -= state.bytes
    this.changes++
  }
}

/** What is known of the states there are. */
export interface StateRoom {
  readonly maxBytes: number
  readonly bytes: number
  bytesOf(topic: Topic): number
  size(event: NewEvent): number
}

/** Errors: MILLRACE_STATE_FULL. */
export function requireStateRoom(events: readonly NewEvent[], room: StateRoom): void {
  if (!events.some(event => event.isState)) return
  // Of several states of one topic the last one counts, and a reset takes a topic's state away.
  const sizes = new Map<Topic, number>()
  for (const event of events) {
    if (event.isState || event.type === RESET) sizes.set(event.topic, event.isState ? room.size(event) : 0)
  }
  let { bytes } = room
  for (const [topic, size] of sizes) bytes += size - room.bytesOf(topic)
  if (bytes <= room.bytes || bytes <= room.maxBytes) return
  throw new MillraceError('MILLRACE_STATE_FULL', `All states together may take ${room.maxBytes} bytes.`)
}

function pageOf(
  states: StateEntry[],
  after: Position,
  limit: ReadLimit,
): Pick<ReadPage, 'events' | 'position'> {
  const events: StateEntry[] = []
  let bytes = 0
  for (const state of states.toSorted((one, other) => one.position - other.position)) {
    if (state.position <= after) continue
    if (state.position > limit.through) break
    events.push(state)
    bytes += state.bytes
    if (events.length >= limit.maxEvents || bytes >= limit.maxBytes)
      return { events, position: state.position }
  }
  return { events, position: Math.max(after, limit.through) }
}
