// A baseline for bench/compression.ts: a fan-out in which each stream has a compressor of its own, as compression
// middleware does it. Otherwise as fast as it gets: a chunk is encoded once, and nothing is kept.
// Usage: node bench/servers/gzip-per-stream.ts serve --port N --certs-dir DIR

import { parseArgs } from 'node:util'
import { constants, createGzip, type Gzip } from 'node:zlib'
import Fastify from 'fastify'
import { openCertificates } from '../../src/http/certificates.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string' }, 'certs-dir': { type: 'string' } },
})

const certificates = await openCertificates({ certsDir: values['certs-dir'] ?? 'certs' })
const app = Fastify({ http2: true, https: { ...certificates.secureContext(), allowHTTP1: true } })
app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))

const subscribers = new Map<string, Set<Gzip>>()
let lastId = 0

app.post('/topics/*', (request, reply) => {
  const lines = String(request.body).split('\n')
  const text = lines.map(line => `data: ${line}\nid: 0mxk3f9q2ab-${String(++lastId).padStart(11, '0')}\n\n`)
  const chunk = Buffer.from(text.join(''))
  for (const gzip of subscribers.get(topicOf(request.params)) ?? []) send(gzip, chunk)
  return reply.code(201).send({ id: String(lastId) })
})

app.get('/topics/*', (request, reply) => {
  const audience = subscribers.get(topicOf(request.params)) ?? new Set<Gzip>()
  const gzip = createGzip()
  subscribers.set(topicOf(request.params), audience.add(gzip))
  reply.hijack()
  const stream = request.raw.stream
  stream.respond({ ':status': 200, 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
  stream.on('error', () => {}).on('close', () => audience.delete(gzip))
  gzip.pipe(stream)
  send(gzip, Buffer.from('event: open\ndata: {}\n\n'))
})

await app.listen({ port: Number(values.port), host: '127.0.0.1' })
process.on('SIGTERM', () => process.exit())

function send(gzip: Gzip, chunk: Buffer): void {
  gzip.write(chunk)
  gzip.flush(constants.Z_SYNC_FLUSH)
}

function topicOf(params: unknown): string {
  return (params as { '*': string })['*']
}
