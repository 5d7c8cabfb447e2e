// A bare HTTP/1.1 client: bytes into a socket, TLS or not, and answers out of it.

import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Test } from 'tap'
import type { Reachable } from './hub.ts'

export interface Http1Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** One connection; it is cut when the test ends. */
export class Http1Client {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  #hasEnded = false

  private constructor(t: Test, socket: Socket) {
    this.socket = socket
    socket.on('data', chunk => (this.#received = Buffer.concat([this.#received, chunk])))
    socket.on('error', () => {})
    socket.on('close', () => (this.#hasEnded = true))
    t.teardown(() => socket.destroy())
  }

  static async connect(t: Test, hub: Reachable): Promise<Http1Client> {
    const { protocol, port: portText } = new URL(hub.url)
    const port = Number(portText)
    const isTls = protocol === 'https:'
    const socket = isTls
      ? connectTls({
          port,
          host: 'localhost',
          servername: 'localhost',
          ca: hub.ca,
          ALPNProtocols: ['http/1.1'],
        })
      : connectTcp({ port, host: 'localhost' })
    await once(socket, isTls ? 'secureConnect' : 'connect')
    return new Http1Client(t, socket)
  }

  /** Sends a request's head: `POST /topics/a` and header lines. */
  send(requestLine: string, headers: readonly string[] = []): void {
    this.socket.write([`${requestLine} HTTP/1.1`, 'host: localhost', ...headers, '', ''].join('\r\n'))
  }

  /** The next answer. It must have a content-length. */
  async answer(): Promise<Http1Answer> {
    const head = await this.head()
    const length = Number(head.headers['content-length'])
    if (Number.isNaN(length)) throw new Error('the answer has no content-length')
    await this.#until(() => this.#received.length >= length)
    return { ...head, text: this.#take(length).toString() }
  }

  /** The head of the next answer, whose body then comes with `bodyUntil`. */
  async head(): Promise<Omit<Http1Answer, 'text'>> {
    await this.#until(() => this.#received.includes('\r\n\r\n'))
    const [statusLine = '', ...lines] = this.#take(this.#received.indexOf('\r\n\r\n') + 4)
      .toString()
      .trimEnd()
      .split('\r\n')
    const headers = lines.map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
    })
    return { status: Number(statusLine.split(' ')[1]), headers: Object.fromEntries(headers) }
  }

  /** Resolves when the bytes received so far hold the text; returns them. */
  async bodyUntil(text: string): Promise<string> {
    await this.#until(() => this.#received.includes(text))
    return this.#received.toString()
  }

  async #until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      if (this.#hasEnded) throw new Error(`the connection ended after: ${this.#received.toString()}`)
      const settled = new AbortController()
      const { signal } = settled
      await Promise.race([once(this.socket, 'data', { signal }), once(this.socket, 'close', { signal })])
      settled.abort()
    }
  }

  #take(bytes: number): Buffer {
    const taken = this.#received.subarray(0, bytes)
    this.#received = this.#received.subarray(bytes)
    return taken
  }
}
