// What somebody writes who has installed the package: an app, and the types that it counts on.

/** Prints where it listens; ends, with its streams, on SIGTERM. */
export const APP = `
import fastify from 'fastify'
import millrace from 'millrace'

const app = fastify()
await app.register(millrace, { prefix: '/push', log: 'sqlite:' + process.argv[2], anonymousReceive: ['**'] })
app.get('/count', async () => app.hub.publish('counts', { at: Date.now() }))
process.once('SIGTERM', () => void app.close())
console.log(await app.listen({ port: 0, host: '127.0.0.1' }))
`

export const TYPES = `
import fastify, { type FastifyRequest } from 'fastify'
import millrace, { MillraceError, type AppGrant, type AppHub, type ErrorCode, type ReceivedEvent } from 'millrace'

const app = fastify()
await app.register(millrace, {
  prefix: '/push',
  log: 'memory:',
  heartbeatMs: 5000,
  jwtKey: process.env['KEY'],
  authorize: async (request: FastifyRequest): Promise<AppGrant | undefined> =>
    request.headers.cookie === undefined ? undefined : { receive: ['a/**'], name: 'ann' },
})
const hub: AppHub = app.hub
const { id, topic }: { id: string; topic: string } = await hub.publish('a/b', { any: ['value'] }, { type: 'kind' })
app.get('/', async request => request.server.hub.publish('a', id + topic))
const show = (event: ReceivedEvent): void => console.log(event.id, event.data)
const { close, closed } = app.hub.subscribe(['a'], show, { after: id })
close()
await closed
const code: ErrorCode = new MillraceError('MILLRACE_FORBIDDEN', 'no').code
console.log(code)

const secure = fastify({ http2: true, https: { allowHTTP1: true } })
await secure.register(millrace, { prefix: '/push', authorize: request => ({ name: request.ip }) })
await secure.hub.publish('a', 'x')

// @ts-expect-error -- a misspelt option
await app.register(millrace, { prefix: '/push', heartbeatsMs: 5000 })
// @ts-expect-error -- no prefix
await app.register(millrace, { log: 'memory:' })
// @ts-expect-error -- what the hub adds to its own requests is not seen in the app's
app.get('/grant', async request => request.grant)
// @ts-expect-error -- nor is this
console.log(app.publicOrigin)
`

export const TSCONFIG = {
  compilerOptions: {
    module: 'nodenext',
    target: 'es2024',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    types: ['node'],
  },
  files: ['types.ts'],
}
