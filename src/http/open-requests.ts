// The requests of one scope that are not answered whole, so that they can be cut off when the app around it closes: an
// upload that goes on for ever would keep its server from closing.

import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { http2StreamOf } from './connections.ts'

/** An HTTP/2 stream or an HTTP/1.1 response: not the request, which open streams have let go of. */
interface Open {
  once(event: 'close', listener: () => void): unknown
  destroy(): unknown
}

export class OpenRequests {
  readonly #open = new Set<Open>()
  #isEnding = false
  #onNone: () => void = () => {}

  follow(app: FastifyInstance): void {
    app.addHook('onRequest', (request, reply, done) => {
      const open: Open = http2StreamOf(request) ?? reply.raw
      this.#open.add(open)
      open.once('close', () => {
        this.#open.delete(open)
        if (this.#open.size === 0) this.#onNone()
      })
      done()
    })
    // A connection that stays open for the next request keeps the server from closing, too.
    app.addHook('onSend', (request, reply, _payload, done) => {
      if (this.#isEnding && request.raw.httpVersionMajor === 1) reply.header('connection', 'close')
      done()
    })
  }

  /** Resolves when none is left; cuts those that are left after this time. */
  async end(patienceMs: number): Promise<void> {
    this.#isEnding = true
    if (this.#open.size === 0) return
    const none = new AbortController()
    this.#onNone = () => none.abort()
    await sleep(patienceMs, undefined, { signal: none.signal }).catch(() => {})
    for (const open of this.#open) open.destroy()
  }
}
