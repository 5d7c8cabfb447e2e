// One HTTP/2 connection to the hub, made anew whenever it was lost. Nothing in it is the hub's own code.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  connect,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ConnectionOptions {
  readonly url: string
  readonly caFile: string
  /** How many bytes the hub may send ahead of what was read. Default: Node's. */
  readonly windowBytes?: number
}

export interface Answer {
  readonly status: number
  readonly mediaType: string | undefined
  readonly retryAfter: string | undefined
  readonly text: string
}

const RECONNECT_MS = 20

export class Connection {
  readonly #options: ConnectionOptions
  readonly #ca: Buffer
  #session: Promise<ClientHttp2Session> | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#ca = readFileSync(options.caFile)
  }

  /** Sends the parts of a body one after the other. Rejects when no whole answer comes. */
  async send(
    method: string,
    path: string,
    parts: readonly string[],
    headers: Record<string, string>,
  ): Promise<Answer> {
    const stream = await this.#request({ ':method': method, ':path': path, ...headers })
    const answer = answerTo(stream)
    answer.catch(() => {})
    for (const part of parts) {
      stream.write(part)
      await new Promise(resolve => setImmediate(resolve))
    }
    stream.end()
    return answer
  }

  /** Resolves with the head of the answer and the stream, of which nothing is read yet. */
  async open(
    path: string,
    headers: Record<string, string>,
  ): Promise<{ status: number; stream: ClientHttp2Stream }> {
    const stream = await this.#request({ ':path': path, ...headers })
    const head = await headOf(stream)
    return { status: Number(head[constants.HTTP2_HEADER_STATUS]), stream }
  }

  close(): void {
    void this.#session?.then(session => session.destroy())
  }

  async #request(headers: Record<string, string>): Promise<ClientHttp2Stream> {
    const session = await (this.#session ??= this.#connect())
    const stream = session.request(headers, { endStream: headers[':method'] === undefined })
    stream.on('error', () => {})
    return stream
  }

  async #connect(): Promise<ClientHttp2Session> {
    const { url, windowBytes } = this.#options
    for (;;) {
      const session = connect(url, {
        ca: this.#ca,
        ...(windowBytes !== undefined && { settings: { initialWindowSize: windowBytes } }),
      })
      session.on('error', () => {})
      session.once('close', () => (this.#session = undefined))
      const isConnected = await Promise.race([
        once(session, 'connect').then(() => true),
        once(session, 'close').then(() => false),
      ]).catch(() => false)
      if (isConnected) return session
      await sleep(RECONNECT_MS)
    }
  }
}

/** Rejects when the stream is closed before it is answered. */
async function headOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingHttpHeaders>()
  stream.once('response', resolve)
  stream.once('close', () => reject(new Error('the stream was closed before it was answered')))
  return promise
}

async function answerTo(stream: ClientHttp2Stream): Promise<Answer> {
  const head = await headOf(stream)
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) throw new Error('the answer was cut')
  return {
    status: Number(head[constants.HTTP2_HEADER_STATUS]),
    mediaType: head['content-type'],
    retryAfter: head['retry-after'],
    text: Buffer.concat(chunks).toString(),
  }
}
