// All open event streams: opens them on requests, keeps them alive, and drains them when the hub shuts down.

import { randomBytes } from 'node:crypto'
import type { ServerHttp2Stream } from 'node:http2'
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isApiKey } from '../auth/api-keys.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Grant } from '../auth/grant.ts'
import { MillraceError } from '../errors.ts'
import type { GzipTotals } from '../gzip/gzip-stream.ts'
import type { Hub } from '../hub/hub.ts'
import type { Start, Subscriber } from '../hub/subscriber.ts'
import { SSE_MEDIA_TYPE } from '../protocol/sse.ts'
import type { Selector } from '../topic-pattern.ts'
import { Compression, type CompressionOptions } from './compression.ts'
import { http2StreamOf, type Connections } from './connections.ts'
import { EventStream, type EventStreamOptions } from './event-stream.ts'
import { Expiries } from './expiries.ts'
import type { HeldFeed } from './held-feed.ts'
import { Rounds } from './rounds.ts'
import type { StreamKind } from './stream-kind.ts'
import { ownerOf, reportEnd, type StreamOwner } from './stream-report.ts'

export interface EventStreamsOptions extends EventStreamOptions, CompressionOptions {
  readonly maxStreamsPerConnection: number
  /** When clients are told to come back, about, in milliseconds. */
  readonly retryMs: number
}

/** A stream that is open. */
export interface OpenStream {
  /** Its name. */
  readonly feed: string
  readonly kind: StreamKind
  readonly stream: EventStream
  readonly subscriber: Subscriber
  /** What it follows. */
  readonly selector: Selector
  readonly owner: StreamOwner
  grant: Grant
  /** What it takes of what its connection may make the hub hold. */
  held?: HeldFeed | undefined
}

export type Regranted = 'granted' | 'unknown' | 'forbidden'

export class EventStreams {
  readonly #hub: Hub
  readonly #connections: Connections
  readonly #options: EventStreamsOptions
  readonly #compression: Compression
  /** By the names of their feeds. */
  readonly #open = new Map<string, OpenStream>()
  readonly #expiries = new Expiries<OpenStream>(({ stream }) => stream.end('expired'))
  readonly #beats: Rounds<EventStream>
  #isDraining = false
  /** What streams had sent that have ended. */
  #endedBytes = 0
  /** Once keys have changed. */
  #authenticator: Authenticator | undefined

  constructor(hub: Hub, connections: Connections, options: EventStreamsOptions) {
    this.#hub = hub
    this.#connections = connections
    this.#options = options
    this.#compression = new Compression(options)
    this.#beats = new Rounds(options.heartbeatMs, stream => stream.beat())
  }

  get count(): number {
    return this.#open.size
  }

  /** What compressed streams were to carry so far, and what was sent for it. */
  get gzipTotals(): Readonly<GzipTotals> {
    return this.#compression.totals
  }

  /** What all streams have sent so far, those that have ended too. */
  get bytesSent(): number {
    let bytes = this.#endedBytes
    for (const { stream } of this.#open.values()) bytes += stream.bytesSent
    return bytes
  }

  /** Whether streams of this are not compressed, although their clients would take it. */
  excludesCompression(selector: Selector): boolean {
    return this.#compression.excludes(selector)
  }

  /** Those that are open in this thread. */
  list(): Iterable<OpenStream> {
    return this.#open.values()
  }

  /**
   * Answers the request with an event stream. The reply is out of Fastify's hands from here on. Undefined: whoever asked
   * has gone, while its token was verified perhaps.
   * Errors: MILLRACE_DRAINING, MILLRACE_TOO_MANY_STREAMS.
   */
  open(
    request: FastifyRequest,
    reply: FastifyReply,
    kind: StreamKind,
    selector: Selector,
    start: Start,
    feed: string = randomBytes(12).toString('base64url'),
  ): OpenStream | undefined {
    if (isGone(request, reply)) {
      reply.hijack()
      return undefined
    }
    const connection = this.#connections.of(request)
    this.#requireRoom(connection.streams)
    const { grant } = request
    const owner = ownerOf(request, feed)
    const logger = request.server.log
    const gzip = this.#compression.streamFor(request.headers['accept-encoding'], selector.source ?? selector)
    const outgoing = respond(request, reply, gzip === undefined ? {} : { 'content-encoding': 'gzip' })
    // Before the stream's own listener, which takes the subscriber away.
    outgoing.once('close', () => {
      stopBeats()
      this.#open.delete(feed)
      this.#expiries.remove(opened)
      kind.closed?.(opened)
      const { closeReason: reason, error, bytesSent } = stream
      this.#endedBytes += bytesSent
      const positionsBehind = this.positionsBehind(subscriber)
      reportEnd(logger, owner, { reason, error, selector: opened.selector, positionsBehind, bytesSent })
    })
    const stream = new EventStream(outgoing, connection, this.#options, kind, gzip)
    const stopBeats = this.#beats.add(stream)
    stream.write(Buffer.from(kind.opening(feed, selector, start)))
    const subscriber = this.#hub.subscribe(selector, kind.encoder, stream, start)
    stream.carry(subscriber)
    const opened: OpenStream = {
      feed,
      kind,
      stream,
      subscriber,
      get selector() {
        return subscriber.selector
      },
      owner,
      grant,
    }
    this.#open.set(feed, opened)
    this.#expiries.add(opened)
    kind.opened?.(opened)
    this.#lookAgain(opened)
    return opened
  }

  /** Gives an open stream another grant. `forbidden`: it does not cover the stream, or is somebody else's. */
  regrant(feed: string, grant: Grant): Regranted {
    const opened = this.find(feed)
    if (opened === undefined) return 'unknown'
    if (
      grant.holder === undefined ||
      grant.holder !== opened.grant.holder ||
      !opened.kind.covers(grant, opened.selector)
    )
      return 'forbidden'
    this.#give(opened, grant)
    this.#lookAgain(opened)
    return 'granted'
  }

  /** The open stream of this name, if this thread has it. */
  find(feed: string): OpenStream | undefined {
    const opened = this.#open.get(feed)
    return opened?.stream.hasEnded === true ? undefined : opened
  }

  /** Keys have changed: ends the streams whose tokens are no longer good for them, those that come late too. */
  async recheck(authenticator: Authenticator): Promise<void> {
    this.#authenticator = authenticator
    const all = [...this.#open.values()]
    // What an API key is good for is known at once; of a JWT it may have to be asked for.
    const keysFirst = [
      ...all.filter(({ grant }) => isApiKey(grant.token ?? '')),
      ...all.filter(({ grant }) => !isApiKey(grant.token ?? '')),
    ]
    for (const opened of keysFirst) await this.#recheckOne(opened, authenticator)
  }

  async #recheckOne(opened: OpenStream, authenticator: Authenticator): Promise<void> {
    const { grant, stream, kind } = opened
    if (grant.generation === authenticator.generation || grant.token === undefined) return
    const now = await regranted(authenticator, grant)
    // It may have ended, or been given another one, meanwhile.
    if (opened.grant !== grant || stream.hasEnded) return
    if (now === 'expired') stream.end('expired')
    else if (now !== undefined && kind.covers(now, opened.selector)) this.#give(opened, now)
    else stream.end('revoked')
  }

  #give(opened: OpenStream, grant: Grant): void {
    this.#expiries.remove(opened)
    opened.grant = grant
    this.#expiries.add(opened)
  }

  /** Its token may have been verified just before keys changed. */
  #lookAgain(opened: OpenStream): void {
    const authenticator = this.#authenticator
    if (authenticator !== undefined) void this.#recheckOne(opened, authenticator)
  }

  /** How many positions of the log it has still to read, whether they match or not. */
  positionsBehind({ phase, position }: Subscriber): number {
    return phase === 'live' ? 0 : Math.max(0, this.#hub.log.head() - position)
  }

  /** Refuses new streams, and ends those that are open, spread over this time. */
  async drain(drainMs: number): Promise<void> {
    this.#isDraining = true
    // The last ones must have the time to get their goodbye.
    const spreadMs = drainMs * 0.8
    const leaving = [...this.#open.values()]
    const startedAt = performance.now()
    for (const [at, { stream }] of leaving.entries()) {
      const dueMs = (at / leaving.length) * spreadMs
      if (dueMs > performance.now() - startedAt + 10) await sleep(dueMs - (performance.now() - startedAt))
      stream.end('drain', undefined, jittered(this.#options.retryMs))
    }
    this.#beats.close()
    this.#expiries.close()
  }

  #requireRoom(streams: number): void {
    const { maxStreamsPerConnection, retryMs } = this.#options
    if (this.#isDraining) {
      const retryAfter = Math.ceil(retryMs / 1000)
      throw new MillraceError('MILLRACE_DRAINING', 'No new streams are opened.', { retryAfter })
    }
    if (streams >= maxStreamsPerConnection) {
      const detail = `A connection may carry ${maxStreamsPerConnection} event streams.`
      throw new MillraceError('MILLRACE_TOO_MANY_STREAMS', detail, { retryAfter: 1 })
    }
  }
}

/** What the grant's token is good for now; undefined: nothing. */
async function regranted(authenticator: Authenticator, grant: Grant): Promise<Grant | 'expired' | undefined> {
  try {
    return await authenticator.grantOf(grant.token!)
  } catch (error) {
    const code = error instanceof MillraceError ? error.code : undefined
    if (code === 'MILLRACE_TOKEN_EXPIRED') return 'expired'
    // Nobody can say just now whether it is still good: it was.
    return code === 'MILLRACE_KEYS_UNAVAILABLE' ? grant : undefined
  }
}

const STREAM_HEADERS = {
  'content-type': SSE_MEDIA_TYPE,
  // A cache must not keep it, a proxy must neither hold it back nor compress it.
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
} as const

export function isGone(request: FastifyRequest, reply: FastifyReply): boolean {
  const stream = http2StreamOf(request)
  return stream === undefined ? reply.raw.destroyed : stream.destroyed || stream.closed
}

/** Sends the response's head past Fastify, with the headers that hooks have set. */
export function respond(request: FastifyRequest, reply: FastifyReply, coding: object = {}): Writable {
  const vary = [reply.getHeader('vary'), 'accept-encoding'].filter(name => name !== undefined).join(', ')
  const headers = { ...reply.getHeaders(), ...STREAM_HEADERS, ...coding, vary } as Record<string, string>
  const stream = http2StreamOf(request)
  if (stream === undefined) {
    // A browser that would reconnect on the same connection while the hub drains gets a 503, and gives up for good.
    reply.raw.writeHead(200, { ...headers, connection: 'close' })
    reply.hijack()
    return reply.raw
  }
  // A hook of the app around us may have set them: elsewhere Node leaves them out, here it throws.
  for (const name of OF_HTTP1) delete headers[name]
  stream.respond({ ':status': 200, ...headers })
  // Not before: if a header cannot be sent, the request is still to be answered.
  reply.hijack()
  forget(request, reply, stream)
  return stream
}

// RFC 9113, section 8.2.2.
const OF_HTTP1 = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'] as const

/**
 * Lets go of the request and the reply while the stream lives on: 3 KB of memory. Node's compatibility layer refers to both by
 * properties of the stream, and looks whether they are there, for it takes them away itself when the stream closes.
 */
function forget(request: FastifyRequest, reply: FastifyReply, stream: ServerHttp2Stream): void {
  const properties = stream as unknown as Record<symbol, unknown>
  for (const symbol of Object.getOwnPropertySymbols(stream)) {
    const value = properties[symbol]
    if (value === request.raw || value === reply.raw) properties[symbol] = undefined
  }
}

/** Between half and one and a half times as much, so that clients do not come back all at once. */
function jittered(milliseconds: number): number {
  return Math.round(milliseconds * (0.5 + Math.random()))
}
