// Follows an event stream as gzip over HTTP/2, and keeps what came on the wire apart from what it says.

import { once } from 'node:events'
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2'
import { createGunzip } from 'node:zlib'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { headOf, type Http2Client } from './http2-client.ts'
import { Inbox } from './inbox.ts'

export class GzipFollower {
  readonly headers: IncomingHttpHeaders
  readonly stream: ClientHttp2Stream
  readonly events = new Inbox<EventSourceMessage>()
  /** What came on the wire. */
  readonly received: Buffer[] = []
  /** What it says. */
  text = ''
  /** Resolves when the stream has ended as gzip says that it should; rejects when it did not. */
  readonly ended: Promise<unknown>

  static async open(client: Http2Client, path: string, headers: object = {}): Promise<GzipFollower> {
    const stream = client.open(path, { accept: 'text/event-stream', 'accept-encoding': 'gzip', ...headers })
    const head = await headOf(stream)
    if (head.headers['content-encoding'] !== 'gzip') throw new Error(`${path} is not compressed`)
    const follower = new GzipFollower(stream, head.headers)
    await follower.events.take(1)
    return follower
  }

  private constructor(stream: ClientHttp2Stream, headers: IncomingHttpHeaders) {
    this.stream = stream
    this.headers = headers
    const parser = createParser({ onEvent: event => this.events.push(event) })
    const gunzip = createGunzip()
    this.ended = once(gunzip, 'end')
    this.ended.catch(() => {})
    gunzip.setEncoding('utf8').on('data', (text: string) => {
      this.text += text
      parser.feed(text)
    })
    stream.on('data', (chunk: Buffer) => this.received.push(chunk)).pipe(gunzip)
  }

  /** How much has come on the wire. */
  get bytes(): number {
    return this.received.reduce((sum, chunk) => sum + chunk.length, 0)
  }
}
