// A team's list of tasks: somebody's own Fastify app, with its own sessions and its own data, and a hub in it that keeps the
// open pages up to date. `npm run example embed`, and open the address in two browsers.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import fastify, { type FastifyRequest } from 'fastify'
// In your app: import millrace from 'millrace'
import millrace from '../../src/index.ts'

interface Session {
  readonly name: string
  readonly expiresAt: number
}

interface Task {
  readonly id: number
  readonly text: string
  readonly by: string
}

const SESSION_MS = 8 * 3_600_000

const sessions = new Map<string, Session>()
const tasks: Task[] = []

const app = fastify()

// What a request may do is what its session may do. Streams end when the session does; the browser comes back, is asked
// again, and misses nothing.
await app.register(millrace, {
  prefix: '/push',
  log: 'memory:',
  authorize(request) {
    const session = sessionOf(request)
    return session && { receive: ['tasks'], name: session.name, expiresAt: session.expiresAt }
  },
})

app.get('/', async (_request, reply) => {
  return reply.type('text/html').send(readFileSync(new URL('page.html', import.meta.url)))
})

app.post<{ Body: { name: string } }>('/login', async (request, reply) => {
  const id = randomUUID()
  sessions.set(id, { name: request.body.name, expiresAt: Date.now() + SESSION_MS })
  return reply.header('set-cookie', `session=${id}; Path=/; HttpOnly; SameSite=Lax`).send({})
})

app.get('/tasks', async (request, reply) => {
  if (sessionOf(request) === undefined) return reply.code(401).send({})
  // First where the hub stands, then the data: the page follows from there, and what happens in between it sees twice rather
  // than never.
  const after = app.hub.head
  return { after, tasks }
})

app.post<{ Body: { text: string } }>('/tasks', async (request, reply) => {
  const session = sessionOf(request)
  if (session === undefined) return reply.code(401).send({})
  const task = { id: tasks.length + 1, text: request.body.text, by: session.name }
  tasks.push(task)
  await app.hub.publish('tasks', task, { type: 'added', key: `task-${task.id}` })
  return reply.code(201).send(task)
})

function sessionOf({ headers }: FastifyRequest): Session | undefined {
  const id = /(?:^|; )session=([\w-]+)/.exec(headers.cookie ?? '')?.[1]
  const session = sessions.get(id ?? '')
  return session !== undefined && session.expiresAt > Date.now() ? session : undefined
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close())
await app.listen({ host: 'localhost', port: Number(process.env['PORT'] ?? 3000) })
process.stdout.write(`http://localhost:${(app.server.address() as AddressInfo).port}\n`)
