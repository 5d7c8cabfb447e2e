// Serves the page that lies beside an example's server.ts, as it stands. The client library is the one thing that is built.

import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { bundleClient } from './bundle-client.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
}

/** `folder` is where index.html is, and the scripts and styles that it wants. */
export async function servePage(app: FastifyInstance, folder: string): Promise<void> {
  serveFolder(app, '/', folder)
  serveFolder(app, '/support/', import.meta.dirname)
  const client = await bundleClient()
  app.get('/millrace-client.js', (_request, reply) => send(reply, '.js', client))
}

/** Listens on this machine, on port 3000 unless `PORT` says otherwise, until the process is told to stop. */
export async function listen(app: FastifyInstance): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close())
  await app.listen({ host: 'localhost', port: Number(process.env['PORT'] ?? 3000) })
  process.stdout.write(`http://localhost:${(app.server.address() as AddressInfo).port}\n`)
}

function serveFolder(app: FastifyInstance, prefix: string, folder: string): void {
  for (const name of readdirSync(folder)) {
    const kind = extname(name)
    if (TYPES[kind] === undefined) continue
    const path = prefix + (name === 'index.html' ? '' : name)
    app.get(path, async (_request, reply) => send(reply, kind, await readFile(join(folder, name))))
  }
}

function send(reply: FastifyReply, kind: string, content: string | Buffer): FastifyReply {
  return reply.type(TYPES[kind]!).header('cache-control', 'no-cache').send(content)
}
