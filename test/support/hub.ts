// A real hub for a test: its own port, its own certificates, closed when the test ends.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Agent, fetch, type RequestInit, type Response } from 'undici'
import pino, { type DestinationStream } from 'pino'
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

// One authority for all hubs of a test file: making keys takes time.
const certsDir = mkdtempSync(join(tmpdir(), 'millrace-test-'))
process.once('exit', () => rmSync(certsDir, { recursive: true, force: true }))

export async function startHub(
  t: Test,
  options: Partial<Config> = {},
  logTo?: DestinationStream,
): Promise<TestHub> {
  const config: Config = { ...DEFAULTS, port: 0, certsDir, drainMs: 200, logLevel: 'silent', ...options }
  const logger = logTo === undefined ? pino({ level: config.logLevel }) : pino({ level: 'info' }, logTo)
  const server = await startServer(config, logger)
  const caFile = join(certsDir, 'ca.pem')
  const ca = config.tls ? readFileSync(caFile, 'utf8') : ''
  const agent = new Agent({ connect: { ca }, allowH2: true })
  t.teardown(async () => {
    await agent.destroy()
    await server.close()
  })
  const hubFetch = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(`${server.url}${path}`, { dispatcher: agent, ...init })
  return {
    server,
    url: server.url,
    caFile,
    ca,
    agent,
    fetch: hubFetch,
    publish: async (topic, data, headers = {}) => {
      const response = await hubFetch(`/topics/${topic}`, { method: 'POST', body: data, headers })
      const answer = (await response.json()) as { id: string; detail?: string }
      if (response.status !== 201) throw new Error(`publish: ${response.status} ${answer.detail}`)
      return answer.id
    },
  }
}
