// GET /: a page that publishes and receives, for whoever just started the hub and opens its address.

import type { FastifyInstance } from 'fastify'
import { readFileSync } from 'node:fs'

const welcome = readFileSync(new URL('./welcome.html', import.meta.url), 'utf8')

// The page's own script and style, and nothing from anywhere else.
const POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "connect-src 'self'",
  'img-src data:',
  // Whoever could frame it could make a visitor publish.
  "frame-ancestors 'none'",
].join('; ')

export async function welcomeRoute(app: FastifyInstance, hasInspector: boolean): Promise<void> {
  const page = hasInspector
    ? welcome.replace('<nav>', '<nav>\n    <a href="/inspector">inspector</a>')
    : welcome
  app.get('/', { config: { isPublic: true }, schema: { hide: true } }, async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', POLICY)
      .header('cache-control', 'no-cache')
      .send(page),
  )
}
