// What an app has of its own stays as it was with a hub in it, and holds for the hub where it should: hooks, CORS, errors.

import { Readable, Transform, type TransformCallback } from 'node:stream'
import cors from '@fastify/cors'
import swagger from '@fastify/swagger'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { OPEN, startEmbedded } from '../support/embedded.ts'
import { EventReader } from '../support/event-reader.ts'
import { expectProblem } from '../support/problem.ts'

const JSON_HEADERS = { 'content-type': 'application/json' }

const REQUESTS = [
  { path: '/echo', method: 'POST', body: '{"a":1}', headers: JSON_HEADERS },
  { path: '/echo', method: 'POST', body: '{', headers: JSON_HEADERS },
  { path: '/echo', method: 'POST', body: 'null', headers: JSON_HEADERS },
  { path: '/echo', method: 'POST', body: '<a/>', headers: { 'content-type': 'application/xml' } },
  { path: '/echo', method: 'POST', body: 'x', headers: { 'content-type': 'image/png' } },
  { path: '/fail', method: 'GET' },
  { path: '/nothing', method: 'GET' },
  { path: '/pushed', method: 'GET' },
] as const satisfies readonly {
  path: string
  method: string
  body?: string
  headers?: Record<string, string>
}[]

/** Much of what an app can set, each in its own way. */
function customize(app: FastifyInstance): void {
  app.addContentTypeParser('application/xml', { parseAs: 'string' }, (_request, body, done) =>
    done(null, { xml: body }),
  )
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
    reply.code(error.statusCode ?? 500).send({ ours: error.message }),
  )
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ ours: 'no page' }))
  // As those of other schema libraries: it takes nothing that is not of its own kind.
  app.setValidatorCompiler(({ schema }) => {
    const { check } = schema as { check: (value: unknown) => boolean }
    return value => (check(value) ? true : { error: new Error('not ours') })
  })
  app.setSerializerCompiler(() => value => `ours ${JSON.stringify(value)}`)
  app.setReplySerializer(value => `ours ${JSON.stringify(value)}`)
  const schema = { body: { check: (value: unknown) => value !== null } }
  app.post('/echo', { schema }, async request => ({ body: request.body }))
  app.get('/fail', async () => {
    throw Object.assign(new Error('failed on purpose'), { statusCode: 418 })
  })
}

t.test(
  'parsers, schemas, errors, and 404s of the app stay as they are, those of the hub its own',
  async t => {
    const hub = await startEmbedded(t, { before: customize })
    const alone = fastify()
    customize(alone)
    t.teardown(() => alone.close())
    for (const { path, ...init } of REQUESTS) {
      const response = await hub.fetch(path, init)
      const payload = 'body' in init ? init.body : undefined
      const expected = await alone.inject({ ...init, url: path, ...(payload !== undefined && { payload }) })
      const { status, headers } = response
      t.equal(status, expected.statusCode, `${path}: the status`)
      t.equal(headers.get('content-type'), expected.headers['content-type'], `${path}: the type`)
      t.equal(await response.text(), expected.payload, `${path}: the body`)
    }

    const post = (path: string, body: string) =>
      hub.fetch(path, { method: 'POST', body, headers: JSON_HEADERS })
    const published = await post('/push/topics/a', '{"a":1}')
    t.equal(published.status, 201)
    t.match(await published.json(), { topic: 'a' })
    const page = await hub.fetch('/push/topics/a?limit=1')
    t.match(await page.json(), { events: [{ data: { a: 1 } }] })
    await expectProblem(t, await hub.fetch('/push/topics/a?limit=none'), 'MILLRACE_REQUEST_INVALID')
    await expectProblem(t, await hub.fetch('/push/nothing'), 'MILLRACE_NOT_FOUND')
    await expectProblem(t, await post('/push/topics/a', '{'), 'MILLRACE_JSON_INVALID')
  },
)

t.test('bodies may be as large as the hub takes them, whatever the app takes', async t => {
  const hub = await startEmbedded(t, { server: { bodyLimit: 100 } })
  await hub.publish('a', 'x'.repeat(10_000))
  const response = await hub.fetch('/push/topics/a', { method: 'POST', body: 'x'.repeat(2 ** 20 + 1) })
  await expectProblem(t, response, 'MILLRACE_BODY_TOO_LARGE')
})

for (const protocol of ['HTTP/1.1', 'HTTP/2 over TLS'] as const) {
  t.test(`bodies are what hooks of the app make of them over ${protocol}`, async t => {
    const hub = await startEmbedded(t, {
      protocol,
      options: { ...OPEN, bodyTimeoutMs: 2000 },
      before: app => {
        // As those do that decompress, or look at each body.
        app.addHook('preParsing', async (_request, _reply, payload) => payload.pipe(new Shouting()))
      },
    })
    const large = 'x'.repeat(50_000)
    for (const body of ['a', large]) {
      await hub.publish('a', body)
      // Of unknown length, and of no type.
      const stream = new Blob([body]).stream()
      const { status } = await hub.fetch('/push/topics/a', { method: 'POST', body: stream, duplex: 'half' })
      t.equal(status, 201)
    }
    const lines = await hub.fetch('/push/topics/a', {
      method: 'POST',
      body: '"b"\n"c"\n',
      headers: { 'content-type': 'application/x-ndjson' },
    })
    t.match(await lines.json(), { published: 2 })
    const cut = new AbortController()
    const endless = new ReadableStream<Uint8Array>({ start: feed => feed.enqueue(Buffer.from('half')) })
    const upload = hub.fetch('/push/topics/a', {
      method: 'POST',
      body: endless,
      duplex: 'half',
      signal: cut.signal,
    })
    setTimeout(() => cut.abort(), 200)
    await t.rejects(upload)
    const { events } = (await (await hub.fetch('/push/topics/a?after=earliest')).json()) as {
      events: { data: string }[]
    }
    const shouted = large.toUpperCase()
    t.same(
      events.map(({ data }) => data),
      ['A', 'A', shouted, shouted, 'B', 'C'],
    )
  })
}

for (const protocol of ['HTTP/1.1', 'HTTP/2 over TLS'] as const) {
  t.test(`hooks of the app may make texts and plain bytes of bodies over ${protocol}`, async t => {
    const bodies = {
      texts: ['"ä', 'b"\n'],
      bytes: [new TextEncoder().encode('"ä'), new Uint8Array([0x22, 0x0a])],
    }
    const hub = await startEmbedded(t, {
      protocol,
      before: app => {
        app.addHook('preParsing', async (request, _reply, payload) => {
          const kind = request.headers['x-make']
          if (kind === 'texts' || kind === 'bytes') return Readable.from(bodies[kind])
          return (payload as Readable).setEncoding('utf8')
        })
      },
    })
    for (const make of ['texts', 'bytes', 'decoded']) {
      for (const type of ['application/json', 'application/x-ndjson']) {
        const headers = { 'content-type': type, 'x-make': make }
        const response = await hub.fetch('/push/topics/a', { method: 'POST', body: '"ö"\n', headers })
        t.equal(response.status, 201, `${make} as ${type}`)
      }
    }
    const { events } = (await (await hub.fetch('/push/topics/a')).json()) as { events: { data: string }[] }
    t.same(
      events.map(({ data }) => data),
      ['äb', 'äb', 'ä', 'ä', 'ö', 'ö'],
    )
  })
}

t.test('hooks of the app hold for the hub too, and refuse in their own words', async t => {
  const seen: string[] = []
  const hub = await startEmbedded(t, {
    before: app => {
      app.addHook('onRequest', async (request, reply) => {
        seen.push(request.url)
        reply.header('x-app', 'here')
        if (request.headers['x-key'] === undefined) {
          // As @fastify/jwt does.
          throw Object.assign(new Error('no key'), { statusCode: 401, code: 'FST_JWT_NO_KEY' })
        }
      })
      app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
        reply.code(error.statusCode ?? 500).send({ ours: error.message }),
      )
    },
  })
  const refused = await hub.fetch('/push/topics/a')
  t.equal(refused.status, 401)
  t.same(await refused.json(), { ours: 'no key' })
  const reader = await EventReader.open(hub, '/push/topics/a', { 'x-key': 'yes' })
  t.equal((await reader.next())?.event, 'millrace:open')
  t.equal(reader.header('x-app'), 'here', 'headers that hooks set reach streams')
  reader.close()
  t.same(seen, ['/push/topics/a', '/push/topics/a'])
})

for (const protocol of ['HTTP/1.1', 'HTTP/2 over TLS'] as const) {
  t.test(
    `headers of HTTP/1.1 that a hook sets do not keep streams from opening over ${protocol}`,
    async t => {
      const hub = await startEmbedded(t, {
        protocol,
        before: app => {
          app.addHook('onRequest', async (_request, reply) => {
            reply.headers({ connection: 'keep-alive', 'keep-alive': 'timeout=5', 'x-count': 5 })
            reply.header('set-cookie', ['a=1', 'b=2'])
          })
        },
      })
      const reader = await EventReader.open(hub, '/push/topics/a')
      t.equal((await reader.next())?.event, 'millrace:open')
      t.equal(reader.header('x-count'), '5')
      t.match(reader.header('set-cookie'), /a=1.*b=2/)
      reader.close()
    },
  )
}

t.test('a header that cannot be sent is an error of the request, of a stream too', async t => {
  const hub = await startEmbedded(t, {
    before: app => {
      app.addHook('onRequest', async (_request, reply) => void reply.header('x-odd', 'line\nend'))
      app.addHook('onSend', async (_request, reply) => void reply.removeHeader('x-odd'))
    },
  })
  const headers = { accept: 'text/event-stream' }
  const answer = await hub.fetch('/push/topics/a', { headers, signal: AbortSignal.timeout(5000) })
  t.equal(answer.status, 500)
  await answer.body?.cancel()
})

t.test('the app can have decorators, CORS and a description of its own', async t => {
  const origin = 'https://pages.example'
  const hub = await startEmbedded(t, {
    before: async app => {
      await app.register(cors, { origin, credentials: true })
      await app.register(swagger, { openapi: { info: { title: 'Theirs', version: '1' } } })
      app.get('/theirs', async () => 'theirs')
    },
  })
  const { paths } = hub.app.swagger() as { paths: object }
  t.ok('/theirs' in paths)
  t.ok('/push/feed' in paths, 'the routes of the hub are described with the others')
  t.equal((await hub.fetch('/push/openapi.json')).status, 404)

  const preflight = await hub.fetch('/push/topics/a', {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST' },
  })
  t.equal(preflight.headers.get('access-control-allow-origin'), origin)
  const reader = await EventReader.open(hub, '/push/topics/a', { origin })
  t.equal(reader.header('access-control-allow-origin'), origin)
  t.equal(reader.header('access-control-allow-credentials'), 'true')
  reader.close()
  t.ok(await hub.publish('a', 'from a page', { origin }))
})

t.test('pages that the app has not let in are refused', async t => {
  const origin = 'https://foreign.example'
  const hub = await startEmbedded(t)
  const post = (headers: Record<string, string>) =>
    hub.fetch('/push/topics/a', { method: 'POST', body: 'x', headers })
  await expectProblem(t, await post({ origin }), 'MILLRACE_ORIGIN_FORBIDDEN')
  t.equal((await post({ origin: hub.url })).status, 201, 'its own pages')
  const viaProxy = { origin: 'https://app.example', 'sec-fetch-site': 'same-origin' }
  t.equal((await post(viaProxy)).status, 201, 'its own pages behind a proxy')

  const open = await startEmbedded(t, { before: app => app.register(cors) })
  const postOpen = (headers: Record<string, string>) =>
    open.fetch('/push/topics/a', { method: 'POST', body: 'x', headers })
  await expectProblem(t, await postOpen({ origin }), 'MILLRACE_ORIGIN_FORBIDDEN')
  t.equal((await open.fetch('/push/topics/a', { headers: { origin } })).status, 200, 'to read is let in')
})

t.test(
  'pages that were let in without cookies change nothing with what browsers bring by themselves',
  async t => {
    const origin = 'https://any.example'
    const [cookie, basic, bearer] = ['session=1', 'Basic YTpi', 'Bearer a']
    const open = await startEmbedded(t, { before: app => app.register(cors) })
    const echoed = await startEmbedded(t, { before: app => app.register(cors, { origin: true }) })
    const trusted = await startEmbedded(t, {
      before: app => app.register(cors, { origin, credentials: true }),
    })
    const post = async (hub: typeof open, headers: Record<string, string>): Promise<number> =>
      (await hub.fetch('/push/topics/a', { method: 'POST', body: 'x', headers: { origin, ...headers } }))
        .status
    for (const hub of [open, echoed]) {
      t.equal(await post(hub, { cookie }), 403, 'a cookie')
      t.equal(await post(hub, { authorization: basic }), 403, 'a password that the browser remembers')
      t.equal(await post(hub, { authorization: bearer }), 201, 'what the page had to ask for')
    }
    t.equal(await post(echoed, {}), 201, 'nothing at all')
    t.equal(await post(trusted, { cookie }), 201, 'the app lets its cookies in')
    t.equal(await post(trusted, { authorization: basic }), 201)
  },
)

t.test('behind a proxy the public URL is its own', async t => {
  const publicUrl = 'https://app.example'
  const options = { publicUrl, anonymousPublish: ['**'], anonymousReceive: ['**'] }
  const hub = await startEmbedded(t, { options })
  t.ok(await hub.publish('a', 'x', { origin: publicUrl }))
})

class Shouting extends Transform {
  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    done(null, Buffer.from(chunk.toString().toUpperCase()))
  }
}
