// An event as the logs hold it in memory.

import type { NewEvent, Position } from '../event.ts'
import type { JournalEntry } from './journal.ts'

export interface Entry extends JournalEntry {
  readonly bytes: number
}

// What an event costs beyond its text: its object, its places in ring and journal.
const OVERHEAD_BYTES = 160

export function entryOf(event: NewEvent, position: Position, time: number): Entry {
  return {
    topic: event.topic,
    data: event.data,
    type: event.type,
    isJson: event.isJson,
    isState: event.isState,
    position,
    time,
    bytes: entryBytes(event),
    isGone: false,
  }
}

export function entryBytes(event: NewEvent): number {
  const names = event.topic.length + (event.type?.length ?? 0)
  return OVERHEAD_BYTES + names + Buffer.byteLength(event.data)
}
