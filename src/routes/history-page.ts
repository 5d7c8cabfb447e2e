// A page of a topic's history as JSON, and how it is sent: links to the pages beside it, ETags.

import { hash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Position, StoredEvent, Topic } from '../event.ts'
import type { EventLog } from '../log/event-log.ts'
import type { GapData } from '../protocol/control-events.ts'
import { formatId } from '../protocol/ids.ts'
import { envelope } from '../protocol/sse.ts'
import type { Selector } from '../topic-pattern.ts'
import { setCacheRules } from './cache-rules.ts'
import type { RouteLimits } from './context.ts'

const DEFAULT_EVENTS = 100

// Pages that nobody reads wait in memory, as many as a connection has streams.
export const MAX_PAGE_BYTES = 256 * 1024

export interface PageFacts {
  readonly topic: Topic
  readonly epoch: string
  /** How many events it may have: the pages beside it may have as many. */
  readonly maxEvents: number
  readonly state: StoredEvent | undefined
  readonly events: readonly StoredEvent[]
  /** Where to go on forward. */
  readonly position: Position
  readonly gap: GapData | undefined
  /** There may be events after `position` already. */
  readonly hasNext: boolean
  /** Where a page further back ends; undefined: nothing older is kept, or it is not known. */
  readonly before: Position | undefined
}

export interface HistoryPage {
  /** The JSON text of the answer. */
  readonly body: string
  /** The pages beside it: their addresses behind the prefix of the routes, and what they are to it. */
  readonly links: readonly (readonly [path: string, rel: 'prev' | 'next'])[]
}

export function pageSize(limit: number | undefined, { maxPageEvents }: RouteLimits): number {
  return Math.min(limit ?? DEFAULT_EVENTS, maxPageEvents)
}

/** The state that the selector's one topic has, if it was set by then. */
export async function readState(
  log: EventLog,
  selector: Selector,
  through: Position,
): Promise<StoredEvent | undefined> {
  const limit = { through, maxEvents: 1, maxBytes: 1, onlyGone: false }
  return (await log.readStates(0, selector, limit)).events[0]
}

export function historyPage(facts: PageFacts): HistoryPage {
  const { topic, epoch, maxEvents, state, events, gap } = facts
  const withId = (event: StoredEvent): string => envelope(event, formatId(epoch, event.position))
  const cursor = formatId(epoch, facts.position)
  const before = facts.before === undefined ? undefined : formatId(epoch, facts.before)
  const members = [
    `"topic":${JSON.stringify(topic)}`,
    ...(state === undefined ? [] : [`"state":${withId(state)}`]),
    `"events":[${events.map(withId).join(',')}]`,
    `"cursor":"${cursor}"`,
    ...(before === undefined ? [] : [`"before":"${before}"`]),
    ...(gap === undefined ? [] : [`"gap":${JSON.stringify(gap)}`]),
  ]
  const path = `/topics/${topic.split('/').map(encodeURIComponent).join('/')}`
  const links = [
    ...(before === undefined ? [] : [[`${path}?before=${before}&limit=${maxEvents}`, 'prev'] as const]),
    ...(facts.hasNext ? [[`${path}?after=${cursor}&limit=${maxEvents}`, 'next'] as const] : []),
  ]
  return { body: `{${members.join(',')}}`, links }
}

/** Answers with the page, or with 304 when the client has it. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: HistoryPage): FastifyReply {
  const etag = `"${hash('sha1', page.body, 'base64url')}"`
  setCacheRules(reply, { isPrivate: !request.grant.isAnonymous, vary: ['accept', 'last-event-id'] })
  reply.header('etag', etag)
  const links = page.links.map(([path, rel]) => `<${request.server.prefix}${path}>; rel="${rel}"`)
  if (links.length > 0) reply.header('link', links.join(', '))
  if (isKnown(request.headers['if-none-match'], etag)) return reply.code(304).send()
  return reply.type('application/json').send(page.body)
}

// RFC 9110, section 13.1.2: weak comparison.
function isKnown(header: string | undefined, etag: string): boolean {
  const known = header?.split(',').map(each => each.trim().replace(/^W\//, ''))
  return known !== undefined && (known.includes('*') || known.includes(etag))
}
