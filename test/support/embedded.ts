// Somebody's Fastify app with a hub in it, on a port of its own; closed when the test ends.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import { Agent, fetch, type RequestInit, type Response } from 'undici'
import { openCertificates } from '../../src/http/certificates.ts'
import millrace, { type MillraceOptions } from '../../src/index.ts'

export type Protocol = 'HTTP/1.1' | 'HTTP/1.1 over TLS' | 'HTTP/2 over TLS'

export interface EmbeddedHub {
  readonly app: FastifyInstance
  readonly url: string
  readonly ca: string
  /** For a path of the app. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** Publishes text by a request; returns the event's id. */
  readonly publish: (topic: string, data: string, headers?: Record<string, string>) => Promise<string>
}

export interface EmbedParts {
  readonly protocol?: Protocol
  /** Of the plugin. Its log is in memory and all is open, under `/push`, unless told otherwise. */
  readonly options?: Partial<MillraceOptions>
  readonly server?: FastifyServerOptions
  /** What the app has before the plugin. */
  readonly before?: (app: FastifyInstance) => unknown
  /** What it has behind it. */
  readonly after?: (app: FastifyInstance) => unknown
}

export const OPEN = { anonymousPublish: ['**'], anonymousReceive: ['**'] }

const certsDir = mkdtempSync(join(tmpdir(), 'millrace-embed-'))
process.once('exit', () => rmSync(certsDir, { recursive: true, force: true }))

export async function startEmbedded(t: Test, parts: EmbedParts = {}): Promise<EmbeddedHub> {
  const { protocol = 'HTTP/1.1', options = OPEN, before, after } = parts
  const isTls = protocol !== 'HTTP/1.1'
  const app = await appOf(isTls, parts.server)
  await before?.(app)
  await app.register(millrace, { prefix: '/push', log: 'memory:', drainMs: 200, ...options })
  await after?.(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ca = isTls ? readFileSync(join(certsDir, 'ca.pem'), 'utf8') : ''
  const agent = new Agent({ allowH2: protocol === 'HTTP/2 over TLS', connect: { ca } })
  t.teardown(async () => {
    await agent.destroy()
    await app.close()
  })
  const url = `http${isTls ? 's' : ''}://localhost:${(app.server.address() as AddressInfo).port}`
  const appFetch: EmbeddedHub['fetch'] = (path, init) => fetch(url + path, { dispatcher: agent, ...init })
  return {
    app,
    url,
    ca,
    fetch: appFetch,
    publish: async (topic, data, headers = {}) => {
      const response = await appFetch(`/push/topics/${topic}`, { method: 'POST', body: data, headers })
      const { id, detail } = (await response.json()) as { id: string; detail?: string }
      if (response.status !== 201) throw new Error(`publish: ${response.status} ${detail}`)
      return id
    },
  }
}

async function appOf(isTls: boolean, server: object = {}): Promise<FastifyInstance> {
  if (!isTls) return fastify(server)
  const certificates = await openCertificates({ certsDir })
  const https = { ...certificates.secureContext(), allowHTTP1: true }
  return fastify({ ...server, http2: true, https }) as unknown as FastifyInstance
}
