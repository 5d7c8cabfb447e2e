// Opens many event streams over HTTP/2 and TLS, and checks what arrives on each.

import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import {
  CONNECTION_WINDOW,
  STREAM_WINDOW,
  type ConnectionEvents,
  type EventConnection,
  type Target,
} from './event-connection.ts'
import { Http1Connection } from './http1-connection.ts'
import { Http2Connection } from './http2-connection.ts'
import { headersOf, type NextHeaders } from './request-headers.ts'
import { SequenceCheck } from './sequence-check.ts'

export type { Target } from './event-connection.ts'

export interface SubscribersTarget extends Target {
  /** HTTP/1.1, which carries one stream on a connection. Default: HTTP/2. */
  readonly isHttp1?: boolean
}

export interface Account {
  lost: number
  repeated: number
  outOfOrder: number
}

// TLS handshakes at a time, so that the first connection does not time out behind the last.
const OPENING = 25

/** For requests; event streams come over connections that are quicker to read. */
export async function connectTo({
  port,
  ca,
  streamWindow = STREAM_WINDOW,
}: Omit<Target, 'path'>): Promise<ClientHttp2Session> {
  const session = connect(`https://127.0.0.1:${port}`, {
    ca,
    settings: { initialWindowSize: streamWindow, enablePush: false },
  })
  await once(session, 'connect')
  session.setLocalWindowSize(CONNECTION_WINDOW)
  session.on('error', () => {})
  return session
}

export class Subscribers {
  readonly #connections: EventConnection[] = []
  readonly #checks: SequenceCheck[] = []
  readonly #onEvent: (sequence: number) => void
  readonly #events: ConnectionEvents
  /** Streams that ended before they were closed from here. */
  failed = 0

  /** `onRead` comes before the events that were read at once. */
  constructor(onEvent: (sequence: number) => void, onRead = () => {}) {
    this.#onEvent = onEvent
    this.#events = { onRead, onEnd: () => void this.failed++ }
  }

  /** Resolves when each stream has its response and its first bytes. `after`: the number last published. */
  async open(target: SubscribersTarget, connections: number, streams: number, after: number): Promise<void> {
    const headers = headersOf(target)
    for (let opened = 0; opened < connections; opened += OPENING) {
      const count = Math.min(OPENING, connections - opened)
      const each = streams / connections
      await Promise.all(
        Array.from({ length: count }, () => this.#openConnection(target, headers, each, after)),
      )
    }
  }

  /** The exact account over all streams, if `last` was the last number published. */
  account(last: number): Account {
    const total = { lost: 0, repeated: 0, outOfOrder: 0 }
    for (const check of this.#checks) {
      total.lost += check.lost(last)
      total.repeated += check.repeated
      total.outOfOrder += check.outOfOrder
    }
    return total
  }

  /** Reads nothing from now on but what the server was granted before. */
  pause(): void {
    for (const connection of this.#connections) connection.pause()
  }

  resume(): void {
    for (const connection of this.#connections) connection.resume()
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map(connection => connection.close()))
  }

  async #openConnection(
    target: SubscribersTarget,
    headers: NextHeaders,
    streams: number,
    after: number,
  ): Promise<void> {
    const connection = target.isHttp1
      ? new Http1Connection(target, this.#events)
      : await Http2Connection.open(target, this.#events)
    this.#connections.push(connection)
    await Promise.all(
      Array.from({ length: streams }, () => {
        const check = new SequenceCheck(after, this.#onEvent)
        this.#checks.push(check)
        return connection.subscribe(target.path, bytes => check.feed(bytes), headers())
      }),
    )
  }
}
