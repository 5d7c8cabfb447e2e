// The plain way to do it, as the baseline: Fastify, fastify-sse-v2, one `reply.sse()` per subscriber and event.
// The same two routes, the same HTTP/2 and TLS settings as the hub; no log, no resume, no bound on its queues.
// Usage: node bench/servers/reply-sse.ts serve --port N --certs-dir DIR

import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import { FastifySSEPlugin } from 'fastify-sse-v2'
import { openCertificates } from '../../src/http/certificates.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string' }, 'certs-dir': { type: 'string' } },
})

const certificates = await openCertificates({ certsDir: values['certs-dir'] ?? 'certs' })
const app = Fastify({ http2: true, https: { ...certificates.secureContext(), allowHTTP1: true } })
await app.register(FastifySSEPlugin)

interface Subscriber {
  sse(event: { id: string; data: string }): void
}

const subscribers = new Map<string, Set<Subscriber>>()
let lastId = 0

app.post('/topics/*', (request, reply) => {
  const topic = topicOf(request.params)
  const event = { id: String(++lastId), data: String(request.body) }
  for (const subscriber of subscribers.get(topic) ?? []) subscriber.sse(event)
  return reply.code(201).send({ id: event.id, topic })
})

app.get('/topics/*', (request, reply) => {
  const topic = topicOf(request.params)
  const audience = subscribers.get(topic) ?? new Set<Subscriber>()
  subscribers.set(topic, audience.add(reply))
  reply.sse({ event: 'open', data: topic })
  // The plugin does not notice that a client is gone: its queue has to be ended from here.
  reply.raw.on('close', () => {
    audience.delete(reply)
    reply.sseContext.source?.end()
  })
})

await app.listen({ port: Number(values.port), host: '127.0.0.1' })
process.on('SIGTERM', () => process.exit())

function topicOf(params: unknown): string {
  return (params as { '*': string })['*']
}
