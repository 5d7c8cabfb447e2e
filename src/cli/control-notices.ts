// What the hub's control events mean to whoever watches a terminal.

import type { EventSourceMessage } from 'eventsource-parser'
import { RESERVED_TYPE_PREFIX } from '../event.ts'
import { GAP, RESET, type GapData, type ResetData } from '../protocol/control-events.ts'

export function isControl({ event }: EventSourceMessage): boolean {
  return event?.startsWith(RESERVED_TYPE_PREFIX) === true
}

export function isGap({ event }: EventSourceMessage): boolean {
  return event === GAP
}

/** Undefined for what is no news: opening and farewell, which a reconnect follows. */
export function describeControl({ event, data }: EventSourceMessage): string | undefined {
  if (event === GAP) return describeGap(fieldsOf<GapData>(data))
  if (event === RESET) return `the topic ${fieldsOf<ResetData>(data).topic ?? ''} was deleted`
  return undefined
}

function describeGap({ reason, lostThrough }: Partial<GapData>): string {
  if (reason === 'unknown') return 'events may be lost: the log of the hub has begun anew since the last one'
  return `events are lost: they had left the log already${lostThrough === undefined ? '' : `, up to ${lostThrough}`}`
}

function fieldsOf<Data>(json: string): Partial<Data> {
  try {
    return JSON.parse(json) as Partial<Data>
  } catch {
    return {}
  }
}
