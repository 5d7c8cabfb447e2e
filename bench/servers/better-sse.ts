// A baseline: better-sse, a channel per topic.

import { createChannel, createSession, type Channel } from 'better-sse'
import { openApp, serve } from './plain-hub.ts'

const app = await openApp()
const channels = new Map<string, Channel>()

await serve(app, {
  async subscribe(topic, request, reply) {
    reply.hijack()
    const session = await createSession(request.raw, reply.raw)
    channelOf(topic).register(session)
  },
  publish(topic, { id, data }) {
    channelOf(topic).broadcast(data, 'message', { eventId: id })
  },
})

function channelOf(topic: string): Channel {
  const channel = channels.get(topic) ?? createChannel()
  channels.set(topic, channel)
  return channel
}
