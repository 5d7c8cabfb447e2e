// Events as flat arrays, as threads hand them to each other: copying one costs a fraction of copying objects
// (docs/design/0006-workers.md).

import type { NewEvent, StoredEvent } from '../event.ts'

export type Field = string | number | null

/** Flags of an event. */
export const IS_JSON = 1
export const IS_STATE = 2

/** Topic, type or null, flags, data. */
export const FIELDS_PER_NEW_EVENT = 4

/** Position, topic, time, type or null, flags, data. */
export const FIELDS_PER_EVENT = 6

export function flatNewEvents(events: readonly NewEvent[]): Field[] {
  const fields: Field[] = []
  for (const event of events) fields.push(event.topic, event.type ?? null, flagsOf(event), event.data)
  return fields
}

export function newEventsOf(fields: readonly Field[]): NewEvent[] {
  const events: NewEvent[] = []
  for (let at = 0; at < fields.length; at += FIELDS_PER_NEW_EVENT) {
    const flags = fields[at + 2] as number
    events.push({
      topic: fields[at] as string,
      type: (fields[at + 1] as string | null) ?? undefined,
      isJson: (flags & IS_JSON) !== 0,
      isState: (flags & IS_STATE) !== 0,
      data: fields[at + 3] as string,
    })
  }
  return events
}

export function flatEvents(events: readonly StoredEvent[]): Field[] {
  const fields: Field[] = []
  for (const event of events) {
    fields.push(event.position, event.topic, event.time, event.type ?? null, flagsOf(event), event.data)
  }
  return fields
}

export function eventsOf(fields: readonly Field[]): StoredEvent[] {
  const events: StoredEvent[] = []
  for (let at = 0; at < fields.length; at += FIELDS_PER_EVENT) {
    const flags = fields[at + 4] as number
    events.push({
      topic: fields[at + 1] as string,
      data: fields[at + 5] as string,
      type: (fields[at + 3] as string | null) ?? undefined,
      isJson: (flags & IS_JSON) !== 0,
      isState: (flags & IS_STATE) !== 0,
      position: fields[at] as number,
      time: fields[at + 2] as number,
    })
  }
  return events
}

function flagsOf({ isJson, isState }: NewEvent): number {
  return (isJson ? IS_JSON : 0) | (isState ? IS_STATE : 0)
}
