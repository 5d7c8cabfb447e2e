// The hub under test: where it starts, the limits that keep it from trimming, and what it counts.

import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import { join } from 'node:path'
import { startServer, type ServerProcess } from './server-process.ts'

export const HUB = join(import.meta.dirname, '../../src/cli/main.ts')

/** Nothing is trimmed, nobody is cut off. */
export const UNLIMITED = [
  '--log-max-bytes=1000000000000',
  '--log-max-topic-bytes=1000000000000',
  '--log-max-topic-events=1000000000',
  '--log-max-age-ms=1000000000000',
  '--stall-timeout-ms=2000000000',
  '--drain-ms=100',
]

/** Has a fresh hub for as long as `use` takes. */
export async function withHub<T>(
  certsDir: string,
  flags: readonly string[],
  use: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const server = await startServer(HUB, certsDir, flags)
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** So many were published since the hub was started. */
export async function publishedEvents(session: ClientHttp2Session): Promise<number> {
  return (await readMetrics(session)).get('millrace_published_events_total')!
}

/** The hub's counters and gauges by name; those with labels, by what stands in the text. */
export async function readMetrics(session: ClientHttp2Session): Promise<Map<string, number>> {
  const stream = session.request({ ':path': '/metrics' })
  const [headers] = await once(stream, 'response')
  if (headers[':status'] !== 200) throw new Error(`/metrics was answered with ${headers[':status']}`)
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}
