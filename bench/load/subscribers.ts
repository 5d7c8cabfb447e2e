// Opens many event streams over HTTP/2 and TLS, and checks what arrives on each.

import { once } from 'node:events'
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { SequenceCheck } from './sequence-check.ts'

export interface Target {
  readonly port: number
  /** PEM of the authority that signed the server's certificate. */
  readonly ca: string
  readonly path: string
  /** What the server may send on a stream before the client has read it. Default: 6 MiB, as browsers grant. */
  readonly streamWindow?: number | undefined
}

export interface Account {
  lost: number
  repeated: number
  outOfOrder: number
}

// What browsers grant: with Node's 64 KiB the client would slow the server down.
const STREAM_WINDOW = 6 * 2 ** 20
const CONNECTION_WINDOW = 15 * 2 ** 20
// TLS handshakes at a time, so that the first connection does not time out behind the last.
const OPENING = 25

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
  readonly #sessions: ClientHttp2Session[] = []
  readonly #streams: ClientHttp2Stream[] = []
  readonly #checks: SequenceCheck[] = []
  readonly #onEvent: (sequence: number) => void
  /** Streams that ended before they were closed from here. */
  failed = 0
  #isClosing = false

  constructor(onEvent: (sequence: number) => void) {
    this.#onEvent = onEvent
  }

  /** Resolves when each stream has its response and its first bytes. `after`: the number last published. */
  async open(target: Target, connections: number, streams: number, after: number): Promise<void> {
    for (let opened = 0; opened < connections; opened += OPENING) {
      const count = Math.min(OPENING, connections - opened)
      const each = streams / connections
      await Promise.all(Array.from({ length: count }, () => this.#openConnection(target, each, after)))
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

  /** Reads nothing from now on. */
  pause(): void {
    for (const stream of this.#streams) stream.pause()
  }

  resume(): void {
    for (const stream of this.#streams) stream.resume()
  }

  async close(): Promise<void> {
    this.#isClosing = true
    const closed = this.#sessions.map(session => once(session, 'close'))
    for (const session of this.#sessions) session.destroy()
    await Promise.all(closed)
  }

  async #openConnection(target: Target, streams: number, after: number): Promise<void> {
    const session = await connectTo(target)
    this.#sessions.push(session)
    await Promise.all(Array.from({ length: streams }, () => this.#openStream(session, target.path, after)))
  }

  async #openStream(session: ClientHttp2Session, path: string, after: number): Promise<void> {
    const stream = session.request({ ':path': path, accept: 'text/event-stream' })
    const check = new SequenceCheck(after, this.#onEvent)
    this.#checks.push(check)
    this.#streams.push(stream)
    stream.on('data', (chunk: Buffer) => check.feed(chunk))
    stream.on('error', () => {})
    stream.on('close', () => {
      if (!this.#isClosing) this.failed++
    })
    const [headers] = await once(stream, 'response')
    if (headers[':status'] !== 200) throw new Error(`a stream was answered with ${headers[':status']}`)
    await once(stream, 'data')
  }
}
