// The floor of publishing: Fastify with a route that reads a body, answers, and keeps nothing. The same HTTP/2 and TLS
// settings as the hub.
// Usage: node bench/servers/empty-route.ts serve --port N --certs-dir DIR

import { parseArgs } from 'node:util'
import Fastify from 'fastify'
import { openCertificates } from '../../src/http/certificates.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string' }, 'certs-dir': { type: 'string' } },
})

const certificates = await openCertificates({ certsDir: values['certs-dir'] ?? 'certs' })
const app = Fastify({ http2: true, https: { ...certificates.secureContext(), allowHTTP1: true } })

let taken = 0
app.post('/topics/*', (request, reply) => {
  const topic = (request.params as { '*': string })['*']
  return reply.code(201).send({ id: String(++taken), topic })
})
app.get('/metrics', () => `millrace_published_events_total ${taken}\n`)

await app.listen({ port: Number(values.port), host: '127.0.0.1' })
process.on('SIGTERM', () => process.exit())
