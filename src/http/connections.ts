// The connections of the server, HTTP/2 sessions and HTTP/1.1 sockets alike: how many there are, how many streams each
// carries, and whether the peer is still there.

import type { Server as NetServer, Socket } from 'node:net'
import { constants, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Connection } from '../hub/frames.ts'
import type { AbuseReports } from './abuse.ts'
import type { ConnectionCounts } from './connection-counts.ts'
import { HeldBytes } from './held-bytes.ts'
import { OverheadGuard, type Explained, type OverheadOptions } from './overhead.ts'
import { Rounds } from './rounds.ts'
import { trustedProxies } from './trusted-proxies.ts'

export interface ConnectionsOptions extends OverheadOptions {
  /** More connections than this are told 503 on their first request. */
  readonly maxConnections: number
  /** More than these of one address are told 429; 0: no limit. */
  readonly maxConnectionsPerAddress: number
  /** Proxies: their connections are those of many clients. */
  readonly trustProxy: readonly string[]
  /** How often an HTTP/2 peer is sent a PING, in milliseconds. */
  readonly pingIntervalMs: number
  /** How long it may take to answer, in milliseconds; twice as long if it sends something else meanwhile. */
  readonly pingTimeoutMs: number
  /** How long an HTTP/2 connection may carry nothing, in milliseconds. */
  readonly idleTimeoutMs: number
  /** What bodies and answers that are under way may take of memory. */
  readonly maxHeldBytesPerConnection: number
}

export interface HttpConnection extends Connection, Explained {
  /** Event streams open on it. */
  streams: number
  /** It came when there were as many already as there may be: of the hub, or of its address. */
  readonly overLimit: 'hub' | 'address' | undefined
  /** The peer stopped answering PINGs. */
  hasVanished: boolean
  /** It was cut off for what it did. */
  isAbusive: boolean
  readonly address: string | undefined
  readonly held: HeldBytes
  /** What had been explained at the last PING, and since when it is the same. */
  idle: { explainedBytes: number; since: number }
}

const connectionsByTransport = new WeakMap<Http2Session | Socket, HttpConnection>()

/** The connection that carries this request; undefined when it is gone. */
export function connectionOf(request: FastifyRequest): HttpConnection | undefined {
  return connectionsByTransport.get(http2StreamOf(request)?.session ?? request.raw.socket)
}

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #open = new Set<Http2Session | Socket>()
  readonly #abuse: AbuseReports
  readonly #counts: ConnectionCounts
  readonly #pings: Rounds<Http2Session>
  readonly #overhead: OverheadGuard
  readonly #isProxy: (address: string | undefined) => boolean
  /** TCP connections, those without a TLS handshake too. */
  readonly #raw = new Set<Socket>()
  readonly #sockets = new WeakMap<Http2Session | Socket, Socket>()

  /** `counts` are those of the hub, this thread's among them. */
  constructor(options: ConnectionsOptions, abuse: AbuseReports, counts: ConnectionCounts) {
    this.#options = options
    this.#abuse = abuse
    this.#counts = counts
    this.#overhead = new OverheadGuard(options)
    this.#isProxy = trustedProxies(options.trustProxy)
    this.#pings = new Rounds(options.pingIntervalMs, session => this.#ping(session))
  }

  /** Of this thread. */
  get count(): number {
    return this.#open.size
  }

  /** Follows the connections that the server takes from now on. */
  follow(server: NetServer, isTls: boolean): void {
    // A tenth more gets as far as an explanation; beyond that the kernel's queue is all there is.
    const maxSockets = (server.maxConnections = Math.ceil(this.#options.maxConnections * 1.1))
    server.on('connection', (socket: Socket) => {
      // An HTTP/1.1 client that vanished in the middle of an upload has no PING to answer.
      socket.setKeepAlive(true, this.#options.pingIntervalMs)
      this.#raw.add(socket)
      this.#counts.addSockets(1)
      socket.once('close', () => {
        this.#raw.delete(socket)
        this.#counts.addSockets(-1)
      })
      // Others may have been taken by other threads.
      if (this.#counts.sockets > maxSockets) socket.destroy()
    })
    let accepted: Socket
    // The first listener, for Node makes the session in its own: the socket of a session is the one accepted last.
    server.prependListener(isTls ? 'secureConnection' : 'connection', (socket: TLSSocket) => {
      accepted = socket
      if (socket.alpnProtocol !== 'h2') this.#add(socket, socket)
    })
    server.on('session', (session: Http2Session) => {
      this.#sockets.set(session, accepted)
      const connection = this.#add(session, accepted)
      const stopPings = this.#pings.add(session)
      const stopWatch = this.#overhead.watch(accepted, connection, () => this.#endFlood(session, connection))
      session.once('close', stopPings).once('close', stopWatch)
    })
    server.on('sessionError', (error: NodeJS.ErrnoException, session: Http2Session) => {
      const connection = connectionsByTransport.get(session)
      if (connection === undefined || connection.isAbusive || !error.code?.startsWith('ERR_HTTP2')) return
      connection.isAbusive = true
      this.#abuse.add('protocol', connection.address)
    })
  }

  /** The connection that carries this request, followed or not. */
  of(request: FastifyRequest): HttpConnection {
    return connectionOf(request) ?? this.#meet(request)
  }

  /** Lets the connection end once this request, and whatever else it carries, is answered. */
  endAfter(request: FastifyRequest, reply: FastifyReply): void {
    const stream = http2StreamOf(request)
    if (stream === undefined) reply.header('connection', 'close')
    else stream.session?.close()
  }

  /** Says GOAWAY to HTTP/2 peers: streams that are open go on, new ones are refused. */
  refuseNewStreams(): void {
    for (const transport of this.#open) {
      if ('goaway' in transport && !transport.closed) transport.close()
    }
  }

  /** Cuts whatever is left. */
  destroy(): void {
    this.#pings.close()
    this.#overhead.close()
    for (const transport of this.#open) this.#cut(transport)
    for (const socket of this.#raw) socket.destroy()
  }

  // A session that is destroyed still waits for the write that is under way, which a peer that is gone never takes.
  #cut(transport: Http2Session | Socket): void {
    transport.destroy()
    this.#sockets.get(transport)?.destroy()
  }

  #add(transport: Http2Session | Socket, socket: Socket): HttpConnection {
    const connection = this.#newConnection(socket)
    connectionsByTransport.set(transport, connection)
    this.#open.add(transport)
    const address = socket.remoteAddress ?? ''
    this.#counts.addConnections(1, address)
    transport.once('close', () => {
      this.#open.delete(transport)
      this.#counts.addConnections(-1, address)
    })
    return connection
  }

  /** One of a server that is not followed, or one that is gone. */
  #meet(request: FastifyRequest): HttpConnection {
    const transport = http2StreamOf(request)?.session ?? request.raw.socket
    const connection = this.#newConnection(request.raw.socket)
    connectionsByTransport.set(transport, connection)
    return connection
  }

  #newConnection({ remoteAddress }: Socket): HttpConnection {
    return {
      turn: 0,
      streams: 0,
      overLimit: this.#overLimit(remoteAddress),
      hasVanished: false,
      isAbusive: false,
      address: remoteAddress,
      explainedBytes: 0,
      openBodies: 0,
      held: new HeldBytes(this.#options.maxHeldBytesPerConnection),
      idle: { explainedBytes: 0, since: performance.now() },
    }
  }

  #overLimit(address: string | undefined): HttpConnection['overLimit'] {
    const { maxConnections, maxConnectionsPerAddress: maxPerAddress } = this.#options
    if (this.#counts.connections >= maxConnections) return 'hub'
    if (maxPerAddress === 0 || address === undefined || this.#isProxy(address)) return undefined
    return this.#counts.connectionsOf(address) >= maxPerAddress ? 'address' : undefined
  }

  #endFlood(session: Http2Session, connection: HttpConnection): void {
    if (session.destroyed) return
    connection.isAbusive = true
    this.#abuse.add('overhead', connection.address)
    session.destroy(new Error('too many frames that carry nothing'), constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }

  #ping(session: Http2Session): void {
    const connection = connectionsByTransport.get(session)
    // A session that was destroyed stays open until its socket is closed, and throws when it is pinged.
    if (connection === undefined || session.closed || session.destroyed) return
    if (idleMs(connection) >= this.#options.idleTimeoutMs) return session.close()
    const stopWaiting = this.#expectAnswer(session, connection)
    session.ping(stopWaiting)
  }

  /** Frees the peer unless the returned function is called in time. */
  #expectAnswer(session: Http2Session, connection: HttpConnection): () => void {
    const socket = this.#sockets.get(session)!
    const { bytesRead } = socket
    let isLastChance = false
    const look = (): void => {
      if (isLastChance || socket.bytesRead === bytesRead) {
        connection.hasVanished = true
        this.#cut(session)
      } else {
        // It sends, so it is there: its answer may be behind all that.
        isLastChance = true
        timer.refresh()
      }
    }
    let looking: NodeJS.Immediate | undefined
    // If this thread was busy for long, the answer may wait to be read: that comes before `look`.
    const timer = setTimeout(() => (looking = setImmediate(look)), this.#options.pingTimeoutMs).unref()
    return () => {
      clearTimeout(timer)
      clearImmediate(looking)
    }
  }
}

/** For how long it has carried no stream and brought no request. */
function idleMs({ streams, explainedBytes, idle }: HttpConnection): number {
  const now = performance.now()
  if (streams > 0 || explainedBytes !== idle.explainedBytes) {
    idle.explainedBytes = explainedBytes
    idle.since = now
  }
  return now - idle.since
}

/** Undefined on HTTP/1.1. */
export function http2StreamOf(request: FastifyRequest): ServerHttp2Stream | undefined {
  return (request.raw as { stream?: ServerHttp2Stream }).stream
}
