// Who may do what, as the app around the hub says, or tokens do.

import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { AppGrant } from '../../src/index.ts'
import { startEmbedded, type EmbeddedHub } from '../support/embedded.ts'
import { EventReader } from '../support/event-reader.ts'
import { expectProblem } from '../support/problem.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'

const SESSIONS: Readonly<Record<string, AppGrant>> = {
  ann: { receive: ['rooms/*'], publish: ['rooms/1'], presence: ['rooms/*'], name: 'ann' },
  root: { receive: ['**'], admin: true, name: 'root' },
  odd: { recieve: ['**'] } as AppGrant,
  wrong: { receive: ['a*b'] },
}

const authorize = async (request: FastifyRequest): Promise<AppGrant | undefined> => {
  const name = /session=(\w+)/.exec(request.headers.cookie ?? '')?.[1]
  if (name === 'locked') throw Object.assign(new Error('the account is locked'), { statusCode: 403 })
  return name === undefined ? undefined : SESSIONS[name]
}

const as = (name: string): Record<string, string> => ({ cookie: `session=${name}` })

function post(hub: EmbeddedHub, topic: string, headers: Record<string, string>) {
  return hub.fetch(`/push/topics/${topic}`, { method: 'POST', body: 'x', headers })
}

t.test('the app says what its sessions may do', async t => {
  const hub = await startEmbedded(t, { options: { authorize } })
  t.equal((await post(hub, 'rooms/1', as('ann'))).status, 201)
  await expectProblem(t, await post(hub, 'rooms/2', as('ann')), 'MILLRACE_FORBIDDEN')
  await expectProblem(t, await post(hub, 'rooms/1', {}), 'MILLRACE_TOKEN_MISSING')
  const page = await hub.fetch('/push/topics/rooms/1', { headers: as('ann') })
  t.match(await page.json(), { events: [{ data: 'x' }] })
  t.equal(page.headers.get('cache-control'), 'private, no-cache', 'it is for nobody else')
  await expectProblem(t, await hub.fetch('/push/topics/rooms/1'), 'MILLRACE_TOKEN_MISSING')
  await expectProblem(t, await hub.fetch('/push/feed?topic=**', { headers: as('ann') }), 'MILLRACE_FORBIDDEN')
  await expectProblem(t, await hub.fetch('/push/metrics', { headers: as('ann') }), 'MILLRACE_FORBIDDEN')
  t.match(await (await hub.fetch('/push/metrics', { headers: as('root') })).text(), 'millrace_log_events')
})

t.test("the name of a session is its holder's, for presence and for renewal", async t => {
  const hub = await startEmbedded(t, { options: { authorize } })
  const reader = await EventReader.open(hub, '/push/topics/rooms/1', as('ann'))
  const { feed } = JSON.parse((await reader.next())!.data) as { feed: string }
  const who = await hub.fetch('/push/topics/rooms/1/subscribers', { headers: as('ann') })
  t.same(await who.json(), { topic: 'rooms/1', count: 1, subscribers: [{ name: 'ann', streams: 1 }] })
  const renew = (name: string) => hub.fetch(`/push/feed/${feed}/token`, { method: 'POST', headers: as(name) })
  t.equal((await renew('ann')).status, 204)
  await expectProblem(t, await renew('root'), 'MILLRACE_FORBIDDEN')
  reader.close()
})

t.test('a feed takes on topics that its session may receive', async t => {
  const hub = await startEmbedded(t, { options: { authorize } })
  const reader = await EventReader.open(hub, '/push/feed?topic=rooms/1', as('ann'))
  const { feed } = JSON.parse((await reader.next())!.data) as { feed: string }
  const change = (add: string, name: string) =>
    hub.fetch(`/push/feed/${feed}`, {
      method: 'PATCH',
      body: JSON.stringify({ add: [add] }),
      headers: { 'content-type': 'application/json', ...as(name) },
    })
  t.match(await (await change('rooms/2', 'ann')).json(), { feed, topics: ['rooms/1', 'rooms/2'] })
  await expectProblem(t, await change('halls/1', 'ann'), 'MILLRACE_FORBIDDEN')
  await expectProblem(t, await change('rooms/3', 'root'), 'MILLRACE_FORBIDDEN')
  t.equal((await reader.next())?.event, 'millrace:topics')
  await hub.app.hub.publish('rooms/2', 'in the other room')
  t.match(JSON.parse((await reader.next())!.data), { topic: 'rooms/2', data: 'in the other room' })
  reader.close()
})

t.test('a stream ends when its session does, and goes on from there when it is extended', async t => {
  let expiresAt = new Date(Date.now() + 700)
  const options = { authorize: () => ({ receive: ['a'], expiresAt }) }
  const hub = await startEmbedded(t, { options })
  const reader = await EventReader.open(hub, '/push/topics/a')
  t.equal((await reader.next())?.event, 'millrace:open')
  const { id } = await hub.app.hub.publish('a', 'one')
  t.equal((await reader.next())?.id, id)
  const bye = await reader.next()
  t.match(bye, { event: 'millrace:bye', data: '{"reason":"expired"}' })
  t.equal(await reader.next(), undefined)
  await hub.app.hub.publish('a', 'meanwhile')
  expiresAt = new Date(Date.now() + 60_000)
  const again = await EventReader.open(hub, '/push/topics/a', { 'last-event-id': id })
  t.equal((await again.next())?.event, 'millrace:open')
  t.equal((await again.next())?.data, 'meanwhile')
  again.close()
})

t.test('what the app throws is its own to answer', async t => {
  const hub = await startEmbedded(t, { options: { authorize } })
  const locked = await hub.fetch('/push/topics/a', { headers: as('locked') })
  t.equal(locked.status, 403)
  t.match(await locked.json(), { message: 'the account is locked' })
})

for (const name of ['odd', 'wrong']) {
  t.test(`a grant that the app has not spelt right grants nothing: ${name}`, async t => {
    const hub = await startEmbedded(t, { options: { authorize } })
    const answer = await hub.fetch('/push/topics/a', { headers: as(name) })
    t.equal(answer.status, 500)
    t.match(await answer.json(), { message: /^'authorize' returned a grant/ })
  })
}

t.test('tokens are for whoever has no session', async t => {
  const hub = await startEmbedded(t, { options: { authorize, jwtKey: SECRET } })
  const token = bearer(await mint({ publish: ['rooms/2'], sub: 'backend' }))
  t.equal((await post(hub, 'rooms/2', token)).status, 201)
  t.equal((await post(hub, 'rooms/1', as('ann'))).status, 201)
  await expectProblem(t, await post(hub, 'rooms/2', bearer('not.a.token')), 'MILLRACE_TOKEN_INVALID')
})

t.test("without keys, a token in the header is the app's", async t => {
  const hub = await startEmbedded(t, { options: { anonymousReceive: ['public/**'] } })
  const answer = await hub.fetch('/push/topics/public/a', { headers: bearer('the-apps-own') })
  t.equal(answer.status, 200)
  await expectProblem(t, await hub.fetch('/push/topics/other'), 'MILLRACE_FORBIDDEN')
})

for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const) {
  t.test(`the app may know who asks by what its ${hook} hook has found`, async t => {
    const hub = await startEmbedded(t, {
      before: app => {
        app.decorateRequest('user', '')
        const find = async (request: FastifyRequest): Promise<void> => {
          Object.assign(request, { user: request.headers['x-user'] })
        }
        if (hook === 'onRequest') app.addHook('onRequest', find)
        else if (hook === 'preValidation') app.addHook('preValidation', find)
        else app.addHook('preHandler', find)
      },
      options: {
        authorize: request => {
          const { user } = request as FastifyRequest & { user?: string }
          return user === undefined ? undefined : { receive: ['a'], publish: ['a'], name: user }
        },
      },
    })
    t.equal((await post(hub, 'a', { 'x-user': 'ann' })).status, 201)
    await expectProblem(t, await post(hub, 'a', {}), 'MILLRACE_TOKEN_MISSING')
  })
}
