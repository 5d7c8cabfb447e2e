// The floor of the fan-out: `node:http2` and nothing else. No framework, no log, no ids that mean anything, no resume, no
// bound: what came in a turn of the event loop is one chunk, and goes to everybody who listens.
// Usage: node bench/servers/bare-http2.ts serve --port N --certs-dir DIR

import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { parseArgs } from 'node:util'
import { openCertificates } from '../../src/http/certificates.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { port: { type: 'string' }, 'certs-dir': { type: 'string' } },
})

interface Topic {
  readonly readers: Set<ServerHttp2Stream>
  pending: string
}

const certificates = await openCertificates({ certsDir: values['certs-dir'] ?? 'certs' })
const settings = { maxConcurrentStreams: 1000 }
const server = createSecureServer({ ...certificates.secureContext(), settings, maxSessionMemory: 1000 })
const topics = new Map<string, Topic>()
const changed = new Set<Topic>()
let lastId = 0

server.on('stream', (stream, headers) => {
  stream.on('error', () => {})
  const topic = topicOf(headers[':path']!)
  if (headers[':method'] === 'GET') follow(stream, topic)
  else take(stream, topic)
})
server.listen(Number(values.port), '127.0.0.1')
process.on('SIGTERM', () => process.exit())

function topicOf(path: string): Topic {
  let topic = topics.get(path)
  if (topic === undefined) topics.set(path, (topic = { readers: new Set(), pending: '' }))
  return topic
}

function follow(stream: ServerHttp2Stream, { readers }: Topic): void {
  stream.respond({ ':status': 200, 'content-type': 'text/event-stream' })
  stream.write(':\n\n')
  readers.add(stream)
  stream.on('close', () => readers.delete(stream))
}

function take(stream: ServerHttp2Stream, topic: Topic): void {
  let data = ''
  stream.setEncoding('utf8').on('data', text => void (data += text))
  stream.on('end', () => {
    if (changed.size === 0) setImmediate(flush)
    changed.add(topic)
    topic.pending += `data: ${data}\nid: ${++lastId}\n\n`
    stream.respond({ ':status': 201 })
    stream.end()
  })
}

function flush(): void {
  for (const topic of changed) {
    const chunk = Buffer.from(topic.pending)
    topic.pending = ''
    for (const reader of topic.readers) reader.write(chunk)
  }
  changed.clear()
}
