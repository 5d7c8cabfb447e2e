// What the baselines share: Fastify on the same HTTP/2 and TLS settings as the hub, and the same two routes. What they
// send with is the library's; none keeps a log, resumes a client or bounds its queues.
// Each is started with: node bench/servers/NAME.ts serve --port N --certs-dir DIR

import { parseArgs } from 'node:util'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { openCertificates } from '../../src/http/certificates.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string' }, 'certs-dir': { type: 'string' } },
})

export type App = Awaited<ReturnType<typeof openApp>>

export interface FanOut {
  subscribe(topic: string, request: FastifyRequest, reply: FastifyReply): unknown
  publish(topic: string, event: { readonly id: string; readonly data: string }): void
}

export async function openApp() {
  const certificates = await openCertificates({ certsDir: values['certs-dir'] ?? 'certs' })
  return Fastify({ http2: true, https: { ...certificates.secureContext(), allowHTTP1: true } })
}

/** `options`: of the route that subscribers use. */
export async function serve(app: App, fanOut: FanOut, options = {}): Promise<void> {
  let lastId = 0
  app.post('/topics/*', (request, reply) => {
    const topic = topicOf(request.params)
    const event = { id: String(++lastId), data: String(request.body) }
    fanOut.publish(topic, event)
    return reply.code(201).send({ id: event.id, topic })
  })
  app.get('/topics/*', options, (request, reply) =>
    fanOut.subscribe(topicOf(request.params), request as never, reply as never),
  )
  await app.listen({ port: Number(values.port), host: '127.0.0.1' })
  process.on('SIGTERM', () => process.exit())
}

/** Who wants which topic. */
export class Audiences<Subscriber> {
  readonly #byTopic = new Map<string, Set<Subscriber>>()

  of(topic: string): Set<Subscriber> {
    const audience = this.#byTopic.get(topic) ?? new Set()
    this.#byTopic.set(topic, audience)
    return audience
  }
}

function topicOf(params: unknown): string {
  return (params as { '*': string })['*']
}
