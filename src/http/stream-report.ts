// Tells the operator which client a stream was closed for, and how it stood: one line for each stream that the hub gave up.

import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import { CLOSE_REASONS, type CloseReason } from '../hub/close-reason.ts'
import type { Selector } from '../topic-pattern.ts'
import { http2StreamOf } from './connections.ts'

/** Whose stream it is: kept while it is open. */
export interface StreamOwner {
  readonly remoteAddress: string
  readonly remotePort: number | undefined
  /** As `millrace:open` named it. */
  readonly feed: string
  /** `performance.now()` */
  readonly openedAt: number
  readonly protocol: 'h2' | 'http/1.1'
}

export interface StreamEnd {
  readonly reason: CloseReason
  readonly error: unknown
  readonly selector: Selector
  /** How many positions of the log it had still to read, whether they matched or not. */
  readonly positionsBehind: number
  readonly bytesSent: number
}

// Clients go away and hubs are drained every day.
const LEVELS: Partial<Record<CloseReason, 'info' | 'warn'>> = {
  vanished: 'info',
  stalled: 'warn',
  error: 'warn',
}

const MAX_TOPICS = 5

export function ownerOf(request: FastifyRequest, feed: string): StreamOwner {
  const { ip, socket } = request
  const protocol = http2StreamOf(request) === undefined ? 'http/1.1' : 'h2'
  return { remoteAddress: ip, remotePort: socket.remotePort, feed, openedAt: performance.now(), protocol }
}

export function reportEnd(logger: FastifyBaseLogger, owner: StreamOwner, end: StreamEnd): void {
  const { reason, error, selector, positionsBehind, bytesSent } = end
  const level = LEVELS[reason]
  if (level === undefined) return
  const { remoteAddress, remotePort, feed, openedAt } = owner
  const topics = [...selector.topics, ...selector.patterns]
  const report = {
    reason,
    remoteAddress,
    remotePort,
    feed,
    topics: topics.slice(0, MAX_TOPICS),
    topicCount: topics.length,
    positionsBehind,
    openMs: Math.round(performance.now() - openedAt),
    bytesSent,
    ...(error !== undefined && { err: error }),
  }
  logger[level](report, `a stream was closed: ${CLOSE_REASONS[reason]}`)
}
