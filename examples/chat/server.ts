// A chat: rooms, who is there, and what was said before. `npm run example chat`, and open the address in two browsers.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fastify, { type FastifyRequest } from 'fastify'
import millrace from 'millrace'
import { listen, servePage } from '../support/serve-page.ts'

const ROOMS = ['lobby', 'kitchen', 'garden', 'workshop']
const data = process.env['DATA_DIR'] ?? join(import.meta.dirname, 'data')
const secret = secretIn(data)

const app = fastify()

// Whoever is signed in may read the rooms and see who is in them, under that name. Nobody may publish past the app.
await app.register(millrace, {
  prefix: '/hub',
  log: `sqlite:${data}`,
  authorize(request) {
    const name = nameOf(request)
    return name === undefined ? undefined : { receive: ['rooms/*'], presence: ['rooms/*'], name }
  },
})

// Messages: the page's `hub.publish` comes here, since this route is more specific than the hub's own. So it is the app that
// says who wrote a message. A page that repeats one whose answer it has not seen does so under the same key.
app.post<{ Params: { room: string }; Body: { text: string } }>(
  '/hub/topics/rooms/:room',
  { schema: { body: textOf(2000) } },
  async (request, reply) => {
    const name = nameOf(request)
    if (name === undefined) return reply.code(401).send({ detail: 'Sign in first.' })
    const { room } = request.params
    if (!ROOMS.includes(room)) return reply.code(404).send({ detail: `There is no room '${room}'.` })
    const key = String(request.headers['idempotency-key'])
    const message = { name, text: request.body.text, key }
    return reply.code(201).send(await app.hub.publish(`rooms/${room}`, message, { key }))
  },
)

// Sessions: a name in a signed cookie, which outlives a restart. Anyone may take any name; your app has accounts here.
app.get('/session', request => ({ name: nameOf(request), rooms: ROOMS }))

app.post<{ Body: { text: string } }>('/session', { schema: { body: textOf(24) } }, async (request, reply) => {
  const name = Buffer.from(request.body.text.trim()).toString('base64url')
  const cookie = `chat=${name}.${signatureOf(name)}; Path=/; HttpOnly; SameSite=Lax`
  return reply.header('set-cookie', cookie).send({})
})

app.delete('/session', (_request, reply) => {
  return reply.header('set-cookie', 'chat=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0').send({})
})

function nameOf({ headers }: FastifyRequest): string | undefined {
  const [, name, signature] = /(?:^|; )chat=([\w-]+)\.([\w-]{43})(?:;|$)/.exec(headers.cookie ?? '') ?? []
  if (name === undefined || signature === undefined) return undefined
  if (!timingSafeEqual(Buffer.from(signature), Buffer.from(signatureOf(name)))) return undefined
  return Buffer.from(name, 'base64url').toString()
}

function signatureOf(name: string): string {
  return createHmac('sha256', secret).update(name).digest('base64url')
}

function secretIn(folder: string): Buffer {
  const file = join(folder, 'secret')
  mkdirSync(folder, { recursive: true })
  if (!existsSync(file)) writeFileSync(file, randomBytes(32), { mode: 0o600 })
  return readFileSync(file)
}

function textOf(maxLength: number): object {
  const text = { type: 'string', pattern: '\\S', maxLength }
  return { type: 'object', required: ['text'], properties: { text } }
}

await servePage(app, import.meta.dirname)
await listen(app)
