// A baseline: fastify-sse-v2, one `reply.sse()` per subscriber and event.

import { FastifySSEPlugin } from 'fastify-sse-v2'
import { Audiences, openApp, serve } from './plain-hub.ts'

interface SseReply {
  readonly raw: NodeJS.EventEmitter
  readonly sseContext: { readonly source?: { end(): void } }
  sse(event: { id?: string; event?: string; data: string }): void
}

const app = await openApp()
await app.register(FastifySSEPlugin)
const audiences = new Audiences<SseReply>()

await serve(app, {
  subscribe(topic, _request, given) {
    const reply = given as unknown as SseReply
    const audience = audiences.of(topic).add(reply)
    reply.sse({ event: 'open', data: topic })
    // The plugin does not notice that a client is gone: its queue has to be ended from here.
    reply.raw.on('close', () => {
      audience.delete(reply)
      reply.sseContext.source?.end()
    })
  },
  publish(topic, event) {
    for (const reply of audiences.of(topic)) reply.sse(event)
  },
})
