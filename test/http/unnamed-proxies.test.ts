// A hub on loopback that is open to its own machine, and a proxy in front that it was not told of.

import type { AddressInfo } from 'node:net'
import t from 'tap'
import { fetch, type Response } from 'undici'
import { createServer } from 'vite'
import { startHub, type Reachable } from '../support/hub.ts'
import { needsNginx, startNginx } from '../support/nginx.ts'
import { expectProblem } from '../support/problem.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'

const NEED = [
  '/topics',
  '/topics/a?after=earliest',
  '/feed?topic=**',
  '/metrics',
  '/inspector/api/streams',
  '/',
]

async function statuses(hub: Reachable, headers: Record<string, string>): Promise<number[]> {
  return Promise.all(
    NEED.map(async path => {
      const { status, body } = await hub.fetch(path, { headers })
      await body?.cancel()
      return status
    }),
  )
}

t.test('what shows that it came through a proxy is refused, with a word on what to do', async t => {
  const hub = await startHub(t)
  await hub.publish('a', 'x')
  for (const headers of [
    { 'x-forwarded-for': '192.0.2.1' },
    { 'x-forwarded-for': '127.0.0.1, 192.0.2.1' },
    { 'x-forwarded-for': '192.0.2.1, 127.0.0.1' },
    { 'x-forwarded-for': 'unknown' },
    { 'x-forwarded-for': '127.0.0.1.example.org' },
    { 'x-real-ip': '2001:db8::1' },
    { forwarded: 'for=127.0.0.1' },
    { via: '1.1 proxy' },
  ]) {
    const [name] = Object.keys(headers)
    for (const path of NEED) {
      const { detail } = await expectProblem(t, await hub.fetch(path, { headers }), 'MILLRACE_PROXY_UNNAMED')
      t.match(detail, new RegExp(`'${name}'.*--trust-proxy`))
    }
    const post: Response = await hub.fetch('/topics/a', { method: 'POST', body: 'x', headers })
    await expectProblem(t, post, 'MILLRACE_PROXY_UNNAMED')
  }
})

t.test('development servers of this machine hand on what they like', async t => {
  const hub = await startHub(t)
  await hub.publish('a', 'x')
  for (const address of ['127.0.0.1', '::1', '[::1]:3000', '::ffff:127.0.0.1', '127.0.0.1:5173, ::1']) {
    t.same(await statuses(hub, { 'x-forwarded-for': address }), Array(NEED.length).fill(200), address)
  }
  t.same(
    await statuses(hub, { 'x-forwarded-host': 'x', 'x-forwarded-proto': 'https' }),
    Array(NEED.length).fill(200),
  )
})

t.test('a hub that has a key, or was told of its proxy, takes no offence', async t => {
  const headers = { 'x-forwarded-for': '192.0.2.1' }
  const withKey = await startHub(t, { jwtKey: SECRET })
  const token = await mint({ admin: true, receive: ['**'], publish: ['**'] })
  await withKey.publish('a', 'x', bearer(token))
  t.same(await statuses(withKey, { ...headers, ...bearer(token) }), Array(NEED.length).fill(200))
  await expectProblem(t, await withKey.fetch('/inspector/api/streams', { headers }), 'MILLRACE_TOKEN_MISSING')
  const told = await startHub(t, { trustProxy: ['127.0.0.1'] })
  await told.publish('a', 'x')
  t.same(await statuses(told, headers), [200, 200, 200, 200, 404, 200], 'the inspector is off')
})

t.test('through nginx that passes a name of loopback on', needsNginx, async t => {
  const hub = await startHub(t)
  const forwarding = 'proxy_set_header x-forwarded-for $proxy_add_x_forwarded_for;'
  const proxied = await startNginx(t, hub, forwarding)
  const far = await proxied.fetch('/inspector/api/streams', { headers: { 'x-forwarded-for': '192.0.2.1' } })
  await expectProblem(t, far, 'MILLRACE_PROXY_UNNAMED')
  const near = await proxied.fetch('/inspector/api/streams')
  t.equal(near.status, 200, 'from this machine')
  await near.body?.cancel()
})

t.test('through the development server of Vite, which says whom it serves', async t => {
  const hub = await startHub(t)
  const target = { target: hub.url, secure: false, changeOrigin: true, xfwd: true }
  const vite = await createServer({
    configFile: false,
    root: t.testdir(),
    logLevel: 'silent',
    server: { port: 0, host: '127.0.0.1', ws: false, watch: null, proxy: { '/topics': target } },
  })
  t.teardown(() => vite.close())
  await vite.listen()
  const { port } = vite.httpServer!.address() as AddressInfo
  const publish = (headers = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/topics/a`, { method: 'POST', body: 'x', headers })
  t.equal((await publish()).status, 201)
  const far = await publish({ 'x-forwarded-for': '192.0.2.1' })
  await expectProblem(t, far, 'MILLRACE_PROXY_UNNAMED')
})
