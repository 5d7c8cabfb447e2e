// The connections of the server, HTTP/2 sessions and HTTP/1.1 sockets alike: how many there are, how many streams each
// carries, and whether the peer is still there.

import type { Server as NetServer, Socket } from 'node:net'
import type { Http2Session, ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Connection } from '../hub/frames.ts'
import { Rounds } from './rounds.ts'

export interface ConnectionsOptions {
  /** More connections than this are told 503 on their first request. */
  readonly maxConnections: number
  /** How often an HTTP/2 peer is sent a PING, in milliseconds. */
  readonly pingIntervalMs: number
  /** How long it may take to answer, in milliseconds. */
  readonly pingTimeoutMs: number
}

export interface HttpConnection extends Connection {
  /** Event streams open on it. */
  streams: number
  /** It came when there were `maxConnections` already. */
  readonly isOverLimit: boolean
  /** The peer stopped answering PINGs. */
  hasVanished: boolean
}

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #byTransport = new Map<Http2Session | Socket, HttpConnection>()
  readonly #pings: Rounds<Http2Session>
  /** TCP connections, those without a TLS handshake too. */
  readonly #raw = new Set<Socket>()
  readonly #sockets = new WeakMap<Http2Session | Socket, Socket>()

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#pings = new Rounds(options.pingIntervalMs, session => this.#ping(session))
  }

  get count(): number {
    return this.#byTransport.size
  }

  /** Follows the connections that the server takes from now on. */
  follow(server: NetServer, isTls: boolean): void {
    // A tenth more gets as far as an explanation; beyond that the kernel's queue is all there is.
    server.maxConnections = Math.ceil(this.#options.maxConnections * 1.1)
    server.on('connection', (socket: Socket) => {
      // An HTTP/1.1 client that vanished in the middle of an upload has no PING to answer.
      socket.setKeepAlive(true, this.#options.pingIntervalMs)
      this.#raw.add(socket)
      socket.once('close', () => this.#raw.delete(socket))
    })
    let accepted: Socket
    // The first listener, for Node makes the session in its own: the socket of a session is the one accepted last.
    server.prependListener(isTls ? 'secureConnection' : 'connection', (socket: TLSSocket) => {
      accepted = socket
      if (socket.alpnProtocol !== 'h2') this.#add(socket)
    })
    server.on('session', (session: Http2Session) => {
      this.#sockets.set(session, accepted)
      const stopPings = this.#pings.add(session)
      this.#add(session).once('close', stopPings)
    })
  }

  /** The connection that carries this request. */
  of(request: FastifyRequest): HttpConnection {
    const transport = http2StreamOf(request)?.session ?? request.raw.socket
    return this.#byTransport.get(transport) ?? newConnection(false)
  }

  /** Lets the connection end once this request, and whatever else it carries, is answered. */
  endAfter(request: FastifyRequest, reply: FastifyReply): void {
    const stream = http2StreamOf(request)
    if (stream === undefined) reply.header('connection', 'close')
    else stream.session?.close()
  }

  /** Says GOAWAY to HTTP/2 peers: streams that are open go on, new ones are refused. */
  refuseNewStreams(): void {
    for (const transport of this.#byTransport.keys()) {
      if ('goaway' in transport && !transport.closed) transport.close()
    }
  }

  /** Cuts whatever is left. */
  destroy(): void {
    this.#pings.close()
    for (const transport of this.#byTransport.keys()) this.#cut(transport)
    for (const socket of this.#raw) socket.destroy()
  }

  // A session that is destroyed still waits for the write that is under way, which a peer that is gone never takes.
  #cut(transport: Http2Session | Socket): void {
    transport.destroy()
    this.#sockets.get(transport)?.destroy()
  }

  #add<T extends Http2Session | Socket>(transport: T): T {
    this.#byTransport.set(transport, newConnection(this.count >= this.#options.maxConnections))
    transport.once('close', () => this.#byTransport.delete(transport))
    return transport
  }

  #ping(session: Http2Session): void {
    const connection = this.#byTransport.get(session)
    // A session that was destroyed stays in the map until its socket is closed, and throws when it is pinged.
    if (connection === undefined || session.closed || session.destroyed) return
    const deadline = setTimeout(() => {
      connection.hasVanished = true
      this.#cut(session)
    }, this.#options.pingTimeoutMs).unref()
    session.ping(() => clearTimeout(deadline))
  }
}

/** Undefined on HTTP/1.1. */
export function http2StreamOf(request: FastifyRequest): ServerHttp2Stream | undefined {
  return (request.raw as { stream?: ServerHttp2Stream }).stream
}

function newConnection(isOverLimit: boolean): HttpConnection {
  return { turn: 0, streams: 0, isOverLimit, hasVanished: false }
}
