// Server-Sent Events on the wire (WHATWG HTML, section 9.2): fields, events, and the two formats of our streams.

import type { StoredEvent } from '../event.ts'
import { RESERVED_TYPE_PREFIX } from '../event.ts'
import { formatId } from './ids.ts'

export const SSE_MEDIA_TYPE = 'text/event-stream'

/**
 * A comment keeps the connection busy. No blank line follows: @microsoft/fetch-event-source would make an empty
 * message of a block that holds nothing else.
 */
export const HEARTBEAT = Buffer.from(':\n')

export interface SseFields {
  readonly id?: string | undefined
  readonly type?: string | undefined
  /** Any text; each line becomes a `data` field, so it cannot inject another field. */
  readonly data: string
  /** Milliseconds. */
  readonly retryMs?: number | undefined
}

/**
 * `id` and `type` hold no line ends: ours never do, and `typeFault` refuses such types.
 *
 * The id comes last: @microsoft/fetch-event-source resumes from an id as soon as it has read that line, and would skip
 * an event that was cut off below it.
 */
export function encodeSse({ id, type, data, retryMs }: SseFields): string {
  let text = type === undefined ? '' : `event: ${type}\n`
  if (retryMs !== undefined) text += `retry: ${retryMs}\n`
  text += `data: ${hasLineEnd(data) ? data.replace(lineEnd, '\ndata: ') : data}\n`
  return id === undefined ? `${text}\n` : `${text}id: ${id}\n\n`
}

// A bare CR ends a line too (WHATWG HTML, 9.2.6).
const lineEnd = /\r\n|\r|\n/g

function hasLineEnd(text: string): boolean {
  return text.includes('\n') || text.includes('\r')
}

/** A stream of one topic: data as it was published. */
export function topicFrame(event: StoredEvent, epoch: string): string {
  return encodeSse({ id: formatId(epoch, event.position), type: event.type, data: event.data })
}

/**
 * A feed of many topics: data in an envelope that names topic and type. All of them are `message` events, since an
 * EventSource can listen only to types that it knows, and a pattern can match any; control events keep their names.
 */
export function feedFrame(event: StoredEvent, epoch: string): string {
  const id = formatId(epoch, event.position)
  if (isControl(event)) return encodeSse({ id, type: event.type, data: event.data })
  return encodeSse({ id, data: envelope(event) })
}

/** As the frame of the event would be, but without the id: the reader's cursor must not move back to it. */
export function stateFrame(event: StoredEvent, format: 'topic' | 'feed'): string {
  if (format === 'feed') return encodeSse({ data: envelope(event) })
  return encodeSse({ type: event.type, data: event.data })
}

/** The state of a topic that was added to a feed: a new subscriber's would not say that it is for what was added. */
export function addedStateFrame(event: StoredEvent): string {
  return encodeSse({ data: `{"added":true,${envelope(event).slice(1)}` })
}

/**
 * On a feed, an event that is older than the reader's cursor, which must not move back to it: its id is in the envelope
 * and is none of the frame's.
 */
export function earlierFrame(event: StoredEvent, epoch: string): string {
  if (isControl(event)) return encodeSse({ type: event.type, data: event.data })
  return encodeSse({ data: envelope(event, formatId(epoch, event.position)) })
}

/** The JSON text `{"topic","type"?,"time","data"}`, with `"id"` first if one is given. Data that is JSON stays as it was. */
export function envelope(event: StoredEvent, id?: string): string {
  const head = id === undefined ? '{"topic":' : `{"id":"${id}","topic":`
  const type = event.type === undefined ? '' : `,"type":${JSON.stringify(event.type)}`
  const data = event.isJson ? event.data : JSON.stringify(event.data)
  return `${head}${JSON.stringify(event.topic)}${type},"time":"${isoTime(event.time)}","data":${data}}`
}

function isControl(event: StoredEvent): boolean {
  return event.type?.startsWith(RESERVED_TYPE_PREFIX) ?? false
}

// Busy hubs store many events in one millisecond.
let lastTime = 0
let lastTimeText = new Date(0).toISOString()

function isoTime(time: number): string {
  if (time !== lastTime) {
    lastTime = time
    lastTimeText = new Date(time).toISOString()
  }
  return lastTimeText
}
