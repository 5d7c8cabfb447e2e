// Not a contender: bare node:http2, which sends prepared events to all streams as fast as they take them when anybody
// POSTs. It shows how much the load generator can count.
// Usage: node bench/servers/blaster.ts serve --port N --certs-dir DIR --events N --events-per-write N --bytes N

import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { parseArgs } from 'node:util'
import { openCertificates } from '../../src/http/certificates.ts'
import { numberedData } from '../load/sequence-check.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string' },
    'certs-dir': { type: 'string' },
    events: { type: 'string' },
    'events-per-write': { type: 'string' },
    bytes: { type: 'string' },
  },
})

const chunks = prepareChunks(Number(values.events), Number(values['events-per-write']))
/** How many chunks each stream has had. */
const streams = new Map<ServerHttp2Stream, number>()

const certificates = await openCertificates({ certsDir: values['certs-dir'] ?? 'certs' })
const server = createSecureServer({
  ...certificates.secureContext(),
  settings: { maxConcurrentStreams: 100_000 },
})
server.on('stream', (stream, headers) => {
  stream.on('error', () => {})
  stream.on('close', () => streams.delete(stream))
  if (headers[':method'] === 'POST') {
    stream.respond({ ':status': 201 }, { endStream: true })
    sendRound()
  } else {
    stream.respond({ 'content-type': 'text/event-stream' })
    stream.write(': open\n\n')
    streams.set(stream, 0)
  }
})
server.listen(Number(values.port), '127.0.0.1')
process.on('SIGTERM', () => process.exit())

/** One write to each stream that takes it, and so on until all have everything. */
function sendRound(): void {
  let isDone = true
  for (const [stream, sent] of streams) {
    if (sent === chunks.length) continue
    isDone = false
    if (stream.writableNeedDrain) continue
    stream.write(chunks[sent]!)
    streams.set(stream, sent + 1)
  }
  if (!isDone) setImmediate(sendRound)
}

function prepareChunks(events: number, eachWrite: number): Buffer[] {
  const made: Buffer[] = []
  for (let first = 1; first <= events; first += eachWrite) {
    const texts = Array.from({ length: Math.min(eachWrite, events - first + 1) }, (_, at) => text(first + at))
    made.push(Buffer.from(texts.join('')))
  }
  return made
}

function text(sequence: number): string {
  return `id: 0mo1234567-${String(sequence).padStart(11, '0')}\ndata: ${numberedData(sequence, Number(values.bytes))}\n\n`
}
