// Reads topics, patterns and cursors from requests.

import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'
import {
  isReservedTopic,
  patternFault,
  RESERVED_TOPIC_PREFIX,
  topicFault,
  typeFault,
  type Position,
  type Topic,
} from '../event.ts'
import { parseId } from '../protocol/ids.ts'
import { isPattern, type TopicPattern } from '../topic-pattern.ts'
import type { RouteLimits } from './context.ts'

type NameLimits = Pick<RouteLimits, 'maxTopicNameBytes'>

/** The topic that the path ends with. Errors: MILLRACE_TOPIC_INVALID. */
export function pathTopic(request: FastifyRequest, limits: NameLimits): Topic {
  return validTopic((request.params as { '*': string })['*'], limits)
}

/** Errors: MILLRACE_TOPIC_INVALID. */
export function validTopic(topic: string, { maxTopicNameBytes }: NameLimits): Topic {
  const fault = topicFault(topic, maxTopicNameBytes) ?? reservedFault(topic)
  if (fault === undefined) return topic
  throw new MillraceError('MILLRACE_TOPIC_INVALID', `The topic ${shown(topic)} ${fault}.`)
}

/** Errors: MILLRACE_TOPIC_INVALID, MILLRACE_PATTERN_INVALID. */
export function validPattern(name: string, limits: NameLimits): Topic | TopicPattern {
  if (!isPattern(name)) return validTopic(name, limits)
  const fault = patternFault(name, limits.maxTopicNameBytes) ?? reservedFault(name)
  if (fault === undefined) return name
  throw new MillraceError('MILLRACE_PATTERN_INVALID', `The pattern ${shown(name)} ${fault}.`)
}

function reservedFault(name: string): string | undefined {
  return isReservedTopic(name) ? `starts with '${RESERVED_TOPIC_PREFIX}', which is reserved` : undefined
}

/** Errors: MILLRACE_TYPE_INVALID. */
export function validType(type: string | undefined): string | undefined {
  const fault = type === undefined ? undefined : typeFault(type)
  if (fault === undefined) return type
  throw new MillraceError('MILLRACE_TYPE_INVALID', `The type ${shown(type!)} ${fault}.`)
}

export type Cursor = 'earliest' | { epoch: string; position: Position }

/** Where a page of history ends that leads back. */
export type Before = 'latest' | { readonly epoch: string; readonly position: Position }

export interface CursorQuery {
  readonly after?: string | undefined
  /** What event-source-polyfill sends in place of the header. */
  readonly lastEventId?: string | undefined
}

/**
 * Where a reader wants to go on. The header comes first: a browser that reconnects repeats the query it began with.
 * `absent`: it names no place. Undefined: it names one that no hub issues (another server's id, say), which is
 * announced on the stream. Errors: MILLRACE_ID_INVALID for an `after` that is no id at all.
 */
export function requestedCursor(request: FastifyRequest, query: CursorQuery): Cursor | 'absent' | undefined {
  const resumed = request.headers['last-event-id'] ?? query.lastEventId
  if (typeof resumed === 'string' && resumed !== '') return cursorOf(resumed)
  return query.after === undefined ? 'absent' : validCursor(query.after)
}

/** Errors: MILLRACE_ID_INVALID for what is no id at all. */
export function validCursor(after: string): Cursor {
  const cursor = cursorOf(after)
  if (cursor !== undefined) return cursor
  throw new MillraceError(
    'MILLRACE_ID_INVALID',
    `${shown(after)} is neither an id that a hub issues nor 'earliest'.`,
  )
}

/**
 * Where the page is to end that a request for one further back asks for; undefined: it asks for none.
 * Errors: MILLRACE_ID_INVALID, MILLRACE_REQUEST_INVALID for what leads forward beside it.
 */
export function requestedBefore(
  { headers }: FastifyRequest,
  query: CursorQuery & { readonly before?: string; readonly wait?: number },
): Before | undefined {
  const { before, after, lastEventId, wait } = query
  if (before === undefined) return undefined
  const forward = { after, wait, lastEventId, 'Last-Event-ID': headers['last-event-id'] }
  const [other] = Object.entries(forward).find(([, value]) => value !== undefined) ?? []
  if (other !== undefined) {
    const detail = `'before' leads back in the history, and '${other}' forward: leave one of them out.`
    throw new MillraceError('MILLRACE_REQUEST_INVALID', detail)
  }
  const place = before === 'latest' ? before : parseId(before)
  if (place !== undefined) return place
  throw new MillraceError(
    'MILLRACE_ID_INVALID',
    `${shown(before)} is neither an id that a hub issues nor 'latest'.`,
  )
}

function cursorOf(text: string): Cursor | undefined {
  return text === 'earliest' ? text : parseId(text)
}

// Enough to recognize it by.
const SHOWN_CHARACTERS = 80

export function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text)
}
