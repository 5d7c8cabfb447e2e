// GET /inspector and below: the page that `vite build` has made of src/inspector. It holds nothing secret.

import { hash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MillraceError } from '../../errors.ts'

// The same from src and from dist.
const BUILT = new URL('../../../dist/inspector/', import.meta.url)

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  // Whoever could frame it could make an operator click.
  "frame-ancestors 'none'",
].join('; ')

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
}

interface PageFile {
  readonly type: string
  readonly etag: string
  readonly plain: Buffer
  readonly gzip: Buffer
}

export function pageRoutes(app: FastifyInstance): void {
  const files = readFiles()
  const options = { config: { isPublic: true }, schema: { hide: true } }
  // The page's own addresses are relative to it, whatever the hub is behind.
  app.get('/inspector', options, async (_request, reply) => reply.redirect('inspector/', 308))
  app.get('/inspector/', options, async (request, reply) => {
    const page = files.get('index.html')
    if (page === undefined) {
      throw new MillraceError(
        'MILLRACE_INSPECTOR_NOT_BUILT',
        'Run `npm run build:page`, and start the hub again.',
      )
    }
    return send(request, reply, page, 'no-cache')
  })
  app.get('/inspector/assets/:name', options, async (request, reply) => {
    const { name } = request.params as { name: string }
    const file = files.get(`assets/${name}`)
    if (file === undefined) throw new MillraceError('MILLRACE_NOT_FOUND', `The page has no file '${name}'.`)
    // Their names change with what is in them.
    return send(request, reply, file, 'public, max-age=31536000, immutable')
  })
}

function send(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  { type, etag, plain, gzip }: PageFile,
  caching: string,
): FastifyReply {
  const takesGzip = /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(headers['accept-encoding'] ?? '')
  reply
    .header('content-security-policy', POLICY)
    .header('referrer-policy', 'no-referrer')
    .header('cache-control', caching)
    .header('vary', 'accept-encoding')
    .header('etag', etag)
  if (headers['if-none-match']?.includes(etag) === true) return reply.code(304).send()
  if (takesGzip) reply.header('content-encoding', 'gzip')
  return reply.type(type).send(takesGzip ? gzip : plain)
}

/** By their paths; none if the page was not built. */
function readFiles(): ReadonlyMap<string, PageFile> {
  if (!existsSync(BUILT)) return new Map()
  const paths = readdirSync(BUILT, { recursive: true, encoding: 'utf8' }).filter(
    path => extname(path) in MEDIA_TYPES,
  )
  return new Map(paths.map(path => [path.replaceAll('\\', '/'), readFile(path)]))
}

function readFile(path: string): PageFile {
  const plain = readFileSync(new URL(path, BUILT))
  return {
    type: MEDIA_TYPES[extname(path)]!,
    // Weak: it names the file, however it is encoded.
    etag: `W/"${hash('sha1', plain, 'base64url')}"`,
    plain,
    gzip: gzipSync(plain),
  }
}
