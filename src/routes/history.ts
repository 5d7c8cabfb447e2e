// Pages of a topic's history from a cursor on, and waiting for the next event (long polling).

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Position, Topic } from '../event.ts'
import { waitForEvent } from '../http/wait-for-event.ts'
import type { Start } from '../hub/subscriber.ts'
import type { ReadPage } from '../log/event-log.ts'
import type { GapData } from '../protocol/control-events.ts'
import { formatId } from '../protocol/ids.ts'
import { selectorOf } from '../topic-pattern.ts'
import type { RouteContext } from './context.ts'
import { historyPage, MAX_PAGE_BYTES, pageSize, readState, type HistoryPage } from './history-page.ts'

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
  const maxEvents = pageSize(query.limit, context.limits)
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
  const { events, lostThrough, through } = page
  return historyPage({
    topic,
    epoch: log.epoch,
    maxEvents,
    state: start.kind === 'earliest' ? await readState(log, selector, log.head()) : undefined,
    events,
    // Not the head: while nothing is published to the topic, the page and its ETag stay the same.
    position: events.at(-1)?.position ?? Math.max(start.position, lostThrough),
    gap: gapBefore(page, start, log.epoch),
    hasNext: page.position < through,
    before: undefined,
  })
}

/** Whoever asks for what there is misses nothing; whoever comes with a cursor is told what is gone. */
function gapBefore(page: ReadPage, start: Start, epoch: string): GapData | undefined {
  const resumesAfter = formatId(epoch, start.position)
  if (start.kind === 'unknown') return { reason: 'unknown', resumesAfter }
  if (start.kind === 'earliest' || page.lostThrough === 0) return undefined
  return { reason: 'expired', resumesAfter, lostThrough: formatId(epoch, page.lostThrough) }
}
