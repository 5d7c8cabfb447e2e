// A baseline: @fastify/sse, one `reply.sse.send()` per subscriber and event.

import { fastifySSE, type SSEReplyInterface } from '@fastify/sse'
import { Audiences, openApp, serve } from './plain-hub.ts'

const app = await openApp()
await app.register(fastifySSE)
const audiences = new Audiences<SSEReplyInterface>()

await serve(
  app,
  {
    async subscribe(topic, _request, reply) {
      const { sse } = reply as unknown as { sse: SSEReplyInterface }
      const audience = audiences.of(topic).add(sse)
      sse.onClose(() => audience.delete(sse))
      sse.keepAlive()
      await sse.send({ event: 'open', data: topic })
    },
    publish(topic, event) {
      for (const sse of audiences.of(topic)) if (sse.isConnected) void sse.send(event)
    },
  },
  { sse: 'only' },
)
