// The one event stream that a connection carries over HTTP/1.1.

import { once } from 'node:events'
import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import type { OutgoingHttpHeaders } from 'node:http2'
import type { ByteTaker, ConnectionEvents, EventConnection, Target } from './event-connection.ts'

export class Http1Connection implements EventConnection {
  readonly #target: Target
  readonly #events: ConnectionEvents
  #response: IncomingMessage | undefined
  #isClosing = false

  constructor(target: Target, events: ConnectionEvents) {
    this.#target = target
    this.#events = events
  }

  async subscribe(path: string, take: ByteTaker, more: OutgoingHttpHeaders = {}): Promise<void> {
    const { port, ca } = this.#target
    const headers = { accept: 'text/event-stream', ...more }
    const asked = request({ host: '127.0.0.1', port, ca, path, headers, agent: false })
    const [response] = (await once(asked.end(), 'response')) as [IncomingMessage]
    if (response.statusCode !== 200) throw new Error(`a stream was answered with ${response.statusCode}`)
    this.#response = response
    response.on('error', () => {})
    response.on('close', () => {
      if (!this.#isClosing) this.#events.onEnd()
    })
    response.on('data', (chunk: Buffer) => {
      this.#events.onRead()
      take(chunk)
    })
    await once(response, 'data')
  }

  pause(): void {
    this.#response?.pause()
  }

  resume(): void {
    this.#response?.resume()
  }

  async close(): Promise<void> {
    this.#isClosing = true
    if (this.#response === undefined || this.#response.destroyed) return
    const closed = once(this.#response, 'close')
    this.#response.destroy()
    await closed
  }
}
