// Pages of a topic's history as JSON: cursors, ETags, and waiting for the next event (long polling).

import { hash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Position, StoredEvent, Topic } from '../event.ts'
import { waitForEvent } from '../http/wait-for-event.ts'
import type { Start } from '../hub/subscriber.ts'
import type { EventLog, ReadPage } from '../log/event-log.ts'
import type { GapData } from '../protocol/control-events.ts'
import { formatId } from '../protocol/ids.ts'
import { envelope } from '../protocol/sse.ts'
import { selectorOf, type Selector } from '../topic-pattern.ts'
import { setCacheRules } from './cache-rules.ts'
import type { RouteContext } from './context.ts'

const DEFAULT_EVENTS = 100

// Pages that nobody reads wait in memory, as many as a connection has streams.
const MAX_PAGE_BYTES = 256 * 1024

export interface HistoryPage {
  /** The JSON text of the answer. */
  readonly body: string
  /** Where the next page begins, behind the prefix of the routes; undefined when there is none yet. */
  readonly next: string | undefined
}

/** Reads a page after `start`; when it is empty, waits up to `wait` seconds for an event. */
export async function readHistory(
  context: RouteContext,
  request: FastifyRequest<{ Querystring: { readonly limit?: number; readonly wait?: number } }>,
  reply: FastifyReply,
  topic: Topic,
  start: Start,
): Promise<HistoryPage> {
  const { log } = context.hub
  const { query } = request
  const selector = selectorOf([topic])
  const maxEvents = Math.min(query.limit ?? DEFAULT_EVENTS, context.limits.maxPageEvents)
  const read = async (): Promise<ReadPage & { through: Position }> => {
    const limit = { through: log.head(), maxEvents, maxBytes: MAX_PAGE_BYTES }
    return { ...(await log.read(start.position, selector, limit)), through: limit.through }
  }
  let page = await read()
  const waitMs = Math.min((query.wait ?? 0) * 1000, context.limits.maxWaitMs)
  if (page.events.length === 0 && waitMs > 0 && start.kind !== 'unknown') {
    await waitForEvent(context, reply, selector, page.position, waitMs)
    // A grant may have ended meanwhile.
    ;(await context.currentGrant(request.grant)).requireReceive(topic)
    page = await read()
  }
  const state = start.kind === 'earliest' ? await readState(log, selector) : undefined
  return pageOf(page, { topic, start, state, epoch: log.epoch, maxEvents })
}

async function readState(log: EventLog, selector: Selector): Promise<StoredEvent | undefined> {
  const limit = { through: log.head(), maxEvents: 1, maxBytes: 1, onlyGone: false }
  return (await log.readStates(0, selector, limit)).events[0]
}

/** Answers with the page, or with 304 when the client has it. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: HistoryPage): FastifyReply {
  const etag = `"${hash('sha1', page.body, 'base64url')}"`
  setCacheRules(reply, { isPrivate: !request.grant.isAnonymous, vary: ['accept', 'last-event-id'] })
  reply.header('etag', etag)
  if (page.next !== undefined) reply.header('link', `<${request.server.prefix}${page.next}>; rel="next"`)
  if (isKnown(request.headers['if-none-match'], etag)) return reply.code(304).send()
  return reply.type('application/json').send(page.body)
}

interface PageFacts {
  readonly topic: Topic
  readonly start: Start
  readonly state: StoredEvent | undefined
  readonly epoch: string
  readonly maxEvents: number
}

function pageOf(page: ReadPage & { through: Position }, facts: PageFacts): HistoryPage {
  const { topic, start, state, epoch, maxEvents } = facts
  const withId = (event: StoredEvent): string => envelope(event, formatId(epoch, event.position))
  // Not the head: while nothing is published to the topic, the page and its ETag stay the same.
  const position = page.events.at(-1)?.position ?? Math.max(start.position, page.lostThrough)
  const cursor = formatId(epoch, position)
  const gap = gapBefore(page, start, epoch)
  const members = [
    `"topic":${JSON.stringify(topic)}`,
    ...(state === undefined ? [] : [`"state":${withId(state)}`]),
    `"events":[${page.events.map(withId).join(',')}]`,
    `"cursor":"${cursor}"`,
    ...(gap === undefined ? [] : [`"gap":${JSON.stringify(gap)}`]),
  ]
  const path = topic.split('/').map(encodeURIComponent).join('/')
  const hasMore = page.position < page.through
  const next = hasMore ? `/topics/${path}?after=${cursor}&limit=${maxEvents}` : undefined
  return { body: `{${members.join(',')}}`, next }
}

/** Whoever asks for what there is misses nothing; whoever comes with a cursor is told what is gone. */
function gapBefore(page: ReadPage, start: Start, epoch: string): GapData | undefined {
  const resumesAfter = formatId(epoch, start.position)
  if (start.kind === 'unknown') return { reason: 'unknown', resumesAfter }
  if (start.kind === 'earliest' || page.lostThrough === 0) return undefined
  return { reason: 'expired', resumesAfter, lostThrough: formatId(epoch, page.lostThrough) }
}

// RFC 9110, section 13.1.2: weak comparison.
function isKnown(header: string | undefined, etag: string): boolean {
  const known = header?.split(',').map(each => each.trim().replace(/^W\//, ''))
  return known !== undefined && (known.includes('*') || known.includes(etag))
}
