// A bare HTTP/2 client, for what `fetch` hides: paths as they stand, resets, streams that are not read.

import { once } from 'node:events'
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2'
import type { Test } from 'tap'
import type { Reachable } from './hub.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** One connection; it is cut when the test ends. */
export class Http2Client {
  readonly session: ClientHttp2Session

  constructor(
    t: Test,
    hub: Pick<Reachable, 'url' | 'ca'>,
    options: SecureClientSessionOptions & { readonly localAddress?: string } = {},
  ) {
    this.session = connect(hub.url, { ca: hub.ca, ...options })
    // What goes wrong is seen on the streams.
    this.session.on('error', () => {})
    t.teardown(() => this.session.destroy())
  }

  /** Sends the request's head; `endStream: false` keeps it open for a body. */
  open(path: string, headers: OutgoingHttpHeaders = {}, endStream = true): ClientHttp2Stream {
    const stream = this.session.request({ ':path': path, ...headers }, { endStream })
    stream.on('error', () => {})
    return stream
  }

  get(path: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    return answerTo(this.open(path, headers))
  }

  post(path: string, body: string | Buffer, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    const stream = this.open(path, { ':method': 'POST', ...headers }, false)
    stream.end(body)
    return answerTo(stream)
  }

  /** Resolves when the hub has received all that was sent so far: nothing overtakes a PING. */
  async roundTrip(): Promise<void> {
    if (this.session.connecting) await once(this.session, 'connect')
    await new Promise<void>((resolve, reject) => {
      this.session.ping(error => (error === null ? resolve() : reject(error)))
    })
  }

  /** Resolves when the connection is closed. */
  async close(): Promise<void> {
    const closed = once(this.session, 'close')
    this.session.destroy()
    await closed
  }

  /** Opens an event stream; resolves when its head has come. Nothing of it is read yet. */
  async listen(path: string, headers: OutgoingHttpHeaders = {}): Promise<ClientHttp2Stream> {
    const stream = this.open(path, { accept: 'text/event-stream', ...headers })
    const { status } = await headOf(stream)
    if (status !== 200) throw new Error(`${path}: ${status}`)
    return stream
  }
}

/** Rejects when the stream ends without a response. */
export async function headOf(stream: ClientHttp2Stream): Promise<Omit<Answer, 'text'>> {
  const ended = once(stream, 'close').then(() => {
    throw new Error(`the stream was closed with code ${stream.rstCode} before it was answered`)
  })
  const [headers] = (await Promise.race([once(stream, 'response'), ended])) as [IncomingHttpHeaders]
  return { status: Number(headers[constants.HTTP2_HEADER_STATUS]), headers }
}

export async function answerTo(stream: ClientHttp2Stream): Promise<Answer> {
  const head = await headOf(stream)
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return { ...head, text: Buffer.concat(chunks).toString() }
}
