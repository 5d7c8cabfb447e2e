// A real hub for a test: its own port, its own certificates, closed when the test ends.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Agent, fetch, type RequestInit, type Response } from 'undici'
import pino, { type DestinationStream } from 'pino'
import { MEMORY_LOG_BYTES } from '../../src/config/event-log-options.ts'
import { DEFAULTS, type Config } from '../../src/config/schema.ts'
import { startServer, type RunningServer } from '../../src/server.ts'

export interface TestHub {
  readonly server: RunningServer
  readonly url: string
  readonly caFile: string
  readonly ca: string
  /** HTTP/2 over TLS, trusting the hub. */
  readonly agent: Agent
  /** `fetch` over that agent, for a path of the hub. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** Publishes text; returns the event's id. */
  publish(topic: string, data: string, headers?: Record<string, string>): Promise<string>
}

/** As much of a hub as clients see, whatever process it runs in. */
export type Reachable = Pick<TestHub, 'url' | 'ca' | 'fetch' | 'publish'>

// One authority for all hubs of a test file: making keys takes time.
const certsDir = mkdtempSync(join(tmpdir(), 'millrace-test-'))
process.once('exit', () => rmSync(certsDir, { recursive: true, force: true }))

const IN_MEMORY = { log: 'memory:', logMaxBytes: MEMORY_LOG_BYTES }

/** Its log is in memory unless told otherwise. */
export async function startHub(
  t: Test,
  options: Partial<Config> = {},
  logTo?: DestinationStream,
): Promise<TestHub> {
  const config: Config = {
    ...DEFAULTS,
    ...IN_MEMORY,
    port: 0,
    certsDir,
    drainMs: 200,
    logLevel: 'silent',
    ...options,
  }
  const logger = logTo === undefined ? pino({ level: config.logLevel }) : pino({ level: 'info' }, logTo)
  const server = await startServer(config, logger)
  const caFile = join(certsDir, 'ca.pem')
  const ca = config.tls ? readFileSync(caFile, 'utf8') : ''
  const agent = new Agent({ connect: { ca }, allowH2: true })
  t.teardown(async () => {
    await agent.destroy()
    await server.close()
  })
  return { server, caFile, agent, ...reach(server.url, ca, agent) }
}

export function reach(url: string, ca: string, agent: Agent): Reachable {
  const hubFetch = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(`${url}${path}`, { dispatcher: agent, ...init })
  return {
    url,
    ca,
    fetch: hubFetch,
    publish: async (topic, data, headers = {}) => {
      const response = await hubFetch(`/topics/${topic}`, { method: 'POST', body: data, headers })
      const answer = (await response.json()) as { id: string; detail?: string }
      if (response.status !== 201) throw new Error(`publish: ${response.status} ${answer.detail}`)
      return answer.id
    },
  }
}

/** The same hub over a connection of its own, which with several workers may be another one's. */
export function onOwnConnection(t: Test, { url, ca }: Reachable): Reachable {
  const agent = new Agent({ connect: { ca }, allowH2: true })
  t.teardown(() => agent.destroy())
  return reach(url, ca, agent)
}
