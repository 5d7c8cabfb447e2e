// Tokens of the client: asked for when they are needed, renewed before they expire, and what is refused.

import t from 'tap'
import { startHub } from '../support/hub.ts'
import { metric } from '../support/metrics.ts'
import { mint, SECRET, type TokenParts } from '../support/tokens.ts'
import { connectTo, Received, until } from './support.ts'

const closed = { jwtKey: SECRET, anonymousPublish: [], anonymousReceive: [] }

const ANONYMOUS: TokenParts = { receive: ['a/*'], publish: ['a/*'] }
const ANN: TokenParts = { ...ANONYMOUS, sub: 'ann' }

t.test('a token is renewed before it expires, and the stream goes on', async t => {
  const hub = await startHub(t, closed)
  let asked = 0
  const token = (): Promise<string> => mint({ ...ANN, expiresIn: ++asked === 1 ? 3 : 600 })
  const tested = connectTo(t, hub, { token })
  const received = new Received(tested.client, 'a/1')
  await received.ready
  await until(() => asked === 2)
  await new Promise(resolve => setTimeout(resolve, 2500))
  await tested.client.publish('a/1', 'after the first token')
  t.same(await received.take(1), ['after the first token'])
  t.equal(asked, 2, 'what was got is used for all')
  t.equal(await metric(hub, 'millrace_closes_total{reason="expired"}'), 0)
  t.same(
    tested.statuses.map(({ state }) => state),
    ['connecting', 'open'],
  )
})

t.test('a stream whose token cannot be renewed is opened again with another', async t => {
  const hub = await startHub(t, { ...closed, retryMs: 5000 })
  let asked = 0
  // Tokens without a `sub` cannot renew each other.
  const token = (): Promise<string> => mint({ ...ANONYMOUS, expiresIn: ++asked < 3 ? 2 : 600 })
  const tested = connectTo(t, hub, { token })
  const received = new Received(tested.client, 'a/1')
  await received.ready
  await until(() => tested.statuses.some(({ reason }) => reason?.detail === 'expired'))
  await tested.client.publish('a/1', 'meanwhile')
  t.same(await received.take(1), ['meanwhile'])
  await until(() => tested.client.status.state === 'open')
})

t.test('a token that the hub does not take is asked for once more', async t => {
  const hub = await startHub(t, closed)
  const given = ['rubbish', await mint(ANN)]
  let asked = 0
  const good = connectTo(t, hub, { token: () => given[Math.min(asked++, 1)] })
  const received = new Received(good.client, 'a/1')
  await received.ready
  t.equal(asked, 2)

  const bad = connectTo(t, hub, { token: () => 'rubbish' })
  const all = [new Received(bad.client, 'a/1'), new Received(bad.client, 'a/2')]
  for (const { errors } of all)
    t.match(await errors.take(1), [{ code: 'MILLRACE_TOKEN_INVALID', status: 401 }])
  await t.rejects(bad.client.publish('a/1', 'x'), { code: 'MILLRACE_TOKEN_INVALID' })

  const none = connectTo(t, hub)
  t.match(await new Received(none.client, 'a/1').errors.take(1), [{ code: 'MILLRACE_TOKEN_MISSING' }])
})

t.test('a right that came after the stream was opened is fetched when it is needed', async t => {
  const hub = await startHub(t, closed)
  let receive = ['a/*']
  const token = (): Promise<string> => mint({ sub: 'ann', receive })
  const { client } = connectTo(t, hub, { token })
  await new Received(client, 'a/1').ready
  receive = ['a/*', 'rooms/1']
  const room = new Received(client, 'rooms/1')
  const other = new Received(client, 'rooms/2')
  await room.ready
  t.match(await other.errors.take(1), [{ code: 'MILLRACE_FORBIDDEN', status: 403 }])
  t.equal(room.errors.items.length, 0)
  t.equal(await metric(hub, 'millrace_streams'), 1)
})

t.test('a token that cannot be got is waited for', async t => {
  const hub = await startHub(t, closed)
  let isUp = false
  const token = async (): Promise<string> => {
    if (!isUp) throw new Error('the login server is away')
    return await mint(ANN)
  }
  const tested = connectTo(t, hub, { token })
  const received = new Received(tested.client, 'a/1')
  await until(() => tested.client.status.state === 'waiting')
  t.match(tested.client.status.reason, { code: 'CLIENT_TOKEN_FAILED', cause: { message: /login server/ } })
  isUp = true
  await received.ready
  t.same(received.errors.items, [])
})
