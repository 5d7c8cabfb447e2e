// Ends what clients leave unfinished: answers that they do not read, and bodies that go on after they were answered.

import { constants } from 'node:http2'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MillraceError, type ErrorCode } from '../errors.ts'
import type { AbuseReason, AbuseReports } from './abuse.ts'
import { connectionOf, http2StreamOf } from './connections.ts'
import type { HeldPiece } from './held-bytes.ts'
import { WINDOW_BYTES } from './overhead.ts'

export interface UnfinishedOptions {
  /** How long a client may read nothing of its answer, in milliseconds. */
  readonly stallTimeoutMs: number
  /** How long the rest of a body that is not wanted is read and thrown away, in milliseconds. */
  readonly bodyTimeoutMs: number
}

export function endWhatIsUnfinished(
  app: FastifyInstance,
  options: UnfinishedOptions,
  abuse: AbuseReports,
): void {
  // An answer waits for its reader no longer than a stream does; until then it is held in memory.
  app.addHook('onSend', (request, reply, payload, done) => {
    // A problem is small, and can be one about this.
    if (reply.statusCode < 400) holdUntilEnd(request, reply, bytesOf(payload))
    if (!request.raw.complete) {
      const outgoing = http2StreamOf(request) ?? reply.raw
      outgoing.once('finish', () => endLater(request, options.bodyTimeoutMs, abuse))
    }
    reply.raw.setTimeout(options.stallTimeoutMs, () => {
      abuse.add('unread', request.ip)
      reset(request, constants.NGHTTP2_CANCEL)
    })
    done()
  })
  app.addHook('onError', async (request, _reply, error) => {
    const reason = error instanceof MillraceError ? REASONS[error.code] : undefined
    if (reason === undefined) return
    abuse.add(reason, request.ip)
    if (reason === 'late') knownLate.add(request)
  })
}

/** They are counted: that the rest of their bodies does not come either is no news. */
const knownLate = new WeakSet<FastifyRequest>()

const REASONS: { readonly [Code in ErrorCode]?: AbuseReason } = {
  MILLRACE_REQUEST_TIMEOUT: 'late',
  MILLRACE_CONNECTION_FULL: 'held',
}

function bytesOf(payload: unknown): number {
  return typeof payload === 'string' || payload instanceof Buffer ? payload.length : 0
}

/**
 * Counts what the connection makes the hub hold until the answer has ended, a stream for as long as it is open.
 * Errors: MILLRACE_CONNECTION_FULL.
 */
export function holdUntilEnd(
  request: FastifyRequest,
  reply: FastifyReply,
  bytes: number,
): HeldPiece | undefined {
  if (bytes === 0) return undefined
  const held = connectionOf(request)?.held.open(http2StreamOf(request) ?? reply.raw)
  held?.hold(bytes)
  return held
}

/** On HTTP/1.1 the rest of a body stands in the way of the next request: reading it on may save the connection. */
function endLater(request: FastifyRequest, afterMs: number, abuse: AbuseReports): void {
  // What the app has injected has no connection.
  if (!('complete' in request.raw) || request.raw.complete) return
  const connection = connectionOf(request)
  // What is under way.
  if (connection !== undefined) connection.explainedBytes += WINDOW_BYTES
  const timer = setTimeout(() => {
    if (!knownLate.has(request)) abuse.add('late', request.ip)
    // The answer was whole (RFC 9113, section 8.1).
    reset(request, constants.NGHTTP2_NO_ERROR)
  }, afterMs).unref()
  const settled = (): void => clearTimeout(timer)
  request.raw.once('end', settled).once('close', settled)
}

function reset(request: FastifyRequest, code: number): void {
  const stream = http2StreamOf(request)
  if (stream === undefined) request.raw.socket.destroy()
  else stream.close(code)
}
