// GET /errors: what each error means and what to do about it; the `type` of every problem points here.

import type { FastifyInstance } from 'fastify'
import { ERRORS } from '../errors.ts'
import { ERRORS_PATH } from '../http/problem.ts'

export async function errorRoutes(app: FastifyInstance): Promise<void> {
  const page = errorPage()
  app.get(
    ERRORS_PATH,
    { config: { isPublic: true }, schema: { summary: 'The error catalogue', tags: ['operate'] } },
    async (_request, reply) => reply.type('text/html; charset=utf-8').send(page),
  )
}

function errorPage(): string {
  const entries = Object.entries(ERRORS).map(
    ([code, { status, title, help }]) =>
      `<dt id="${code}"><code>${code}</code> (${status})</dt><dd>${title}. ${withCode(help)}</dd>`,
  )
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>Millrace errors</title><style>${STYLE}</style>
<h1>Errors</h1><dl>${entries.join('\n')}</dl></html>`
}

const STYLE = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui;max-width:45rem;margin:2rem auto;padding:0 1rem}
dt{margin-top:1.2rem;font-weight:600}dd{margin:0}:target{background:#fc88}`

// The catalogue's help texts are Markdown, with code spans and nothing else.
function withCode(text: string): string {
  return text.replaceAll('<', '&lt;').replace(/`([^`]*)`/g, '<code>$1</code>')
}
