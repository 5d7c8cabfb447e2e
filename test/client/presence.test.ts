// Who else is there: told on the one stream that all subscriptions share, and right whatever comes, goes or is cut.

import t from 'tap'
import type { HubConnection } from '../../src/client/connect.ts'
import type { Presence } from '../../src/client/options.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { mint, SECRET } from '../support/tokens.ts'
import { startKillableHub } from './killable-hub.ts'
import { connectOver, connectTo, Received, until } from './support.ts'

const closed = { jwtKey: SECRET, anonymousPublish: [], anonymousReceive: [] }
const fast = { ...closed, presenceIntervalMs: 20, retryMs: 5 }

/** A token of somebody who may do everything. */
function tokenOf(sub: string): Promise<string> {
  return mint({ receive: ['**'], publish: ['**'], presence: ['**'], sub })
}

/** What a subscription makes of what it is told, as a page does; changes of what it does not know are faults. */
class Room extends Received {
  readonly #names = new Map<string, Set<string>>()
  readonly #counts = new Map<string, number>()
  readonly faults: Presence[] = []
  /** How often it was told who is there. */
  beginnings = 0

  constructor(client: HubConnection, topics: string | readonly string[]) {
    super(client, topics, { onPresence: presence => this.#see(presence) })
  }

  #see(presence: Presence): void {
    const { topic, count, present, joined = [], left = [] } = presence
    if (present !== undefined) {
      this.beginnings++
      this.#names.set(topic, new Set(present))
    }
    const names = this.#names.get(topic)
    const isSound = joined.every(name => names?.has(name) === false) && left.every(name => names?.has(name))
    if (!isSound) this.faults.push(presence)
    for (const name of joined) names?.add(name)
    for (const name of left) names?.delete(name)
    this.#counts.set(topic, count)
  }

  /** `rooms/1: 3 ann bob`. */
  seen(topic: string): string {
    const names = [...(this.#names.get(topic) ?? [])].toSorted()
    return [`${topic}: ${this.#counts.get(topic)}`, ...names].join(' ')
  }

  is(seen: string): Promise<void> {
    return until(() => this.seen(seen.split(':')[0]!) === seen)
  }
}

t.test('plain subscriptions and those with presence share one stream, however they come and go', async t => {
  const hub = await startHub(t, fast)
  const ann = connectTo(t, hub, { token: await tokenOf('ann') })
  const pattern = new Received(ann.client, 'rooms/*')
  await pattern.ready
  const room = new Room(ann.client, ['rooms/1', 'rooms/1/*'])
  await room.is('rooms/1: 1 ann')
  const plain = Array.from({ length: 150 }, (_, at) => new Received(ann.client, `plain/${at}`))
  await Promise.all(plain.map(({ ready }) => ready))
  const bob = connectTo(t, hub, { token: await tokenOf('bob') })
  const his = new Room(bob.client, 'rooms/1')
  await room.is('rooms/1: 2 ann bob')
  await his.is('rooms/1: 2 ann bob')
  for (const { subscription } of plain) subscription.close()
  const second = new Room(ann.client, ['rooms/2', 'rooms/1'])
  await second.is('rooms/1: 2 ann bob')
  await second.is('rooms/2: 1 ann')
  const samePlain = new Received(ann.client, 'rooms/2')
  await samePlain.ready
  room.subscription.close()
  his.subscription.close()
  await second.is('rooms/1: 1 ann')
  t.equal(room.seen('rooms/1'), 'rooms/1: 2 ann bob', 'one that is closed is told nothing')
  await hub.fetch('/topics/rooms/2', {
    method: 'POST',
    body: 'hello',
    headers: { authorization: `Bearer ${await tokenOf('cid')}` },
  })
  for (const each of [pattern, second, samePlain]) t.same(await each.take(1), ['hello'])
  second.subscription.close()
  t.same(
    [room, his, second].flatMap(({ faults }) => faults),
    [],
  )
  t.same(room.beginnings, 2, 'whoever comes later begins anew, for all who are told of that topic')
  t.same(
    ann.statuses.map(({ state }) => state),
    ['connecting', 'open'],
    'the stream was not opened again',
  )
  bob.client.close()
  await metricIs(hub, 'millrace_streams', 1)
})

t.test('presence goes on being right over cuts', async t => {
  const hub = await startHub(t, fast)
  const relay = await CuttingRelay.open(t, hub)
  const ann = connectOver(t, relay, { token: await tokenOf('ann') })
  const plain = new Received(ann.client, ['a', 'b/*'])
  const rooms = [1, 2].map(number => new Room(ann.client, `rooms/${number}`))
  await Promise.all(rooms.map(each => each.ready))
  for (const round of [1, 2, 3]) {
    const bob = connectTo(t, hub, { token: await tokenOf('bob') })
    const his = new Room(bob.client, ['rooms/1', 'rooms/2'])
    for (const number of [1, 2]) await rooms[number - 1]!.is(`rooms/${number}: 2 ann bob`)
    relay.goDown()
    await until(() => ann.client.status.state !== 'open')
    await his.is('rooms/1: 1 bob')
    bob.client.close()
    relay.comeBack()
    for (const number of [1, 2]) await rooms[number - 1]!.is(`rooms/${number}: 1 ann`)
    await ann.client.publish('a', round)
    t.equal(await metric(hub, 'millrace_streams'), 1)
  }
  t.same(await plain.take(3), [1, 2, 3])
  t.same(
    rooms.flatMap(({ faults }) => faults),
    [],
  )
})

t.test(
  'a page that is reloaded is told anew who is there, and goes on with its events where it was',
  async t => {
    const hub = await startHub(t, fast)
    const items = new Map<string, string>()
    const store = {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
    }
    const options = { token: await tokenOf('ann'), resume: 'page', store }
    const { client } = connectTo(t, hub, options)
    const before = [new Room(client, 'rooms/1'), new Received(client, ['rooms/1', 'news'])]
    await Promise.all(before.map(({ ready }) => ready))
    await client.publish('rooms/1', 'one')
    for (const each of before) await each.take(1)
    client.close()
    const { client: other } = connectTo(t, hub, { token: await tokenOf('bob') })
    const his = new Room(other, 'rooms/1')
    await his.is('rooms/1: 1 bob')
    await other.publish('rooms/1', 'two')
    const again = connectTo(t, hub, options).client
    const room = new Room(again, 'rooms/1')
    const plain = new Received(again, ['rooms/1', 'news'])
    for (const each of [room, plain]) t.same(await each.take(1), ['two'])
    await room.is('rooms/1: 2 ann bob')
    t.same(room.faults, [])
    t.equal(await metric(hub, 'millrace_streams'), 2, 'one each')
  },
)

t.test('presence goes on being right when the hub is killed', async t => {
  const env = { ...process.env, MILLRACE_JWT_KEY: SECRET }
  const hub = await startKillableHub(t, ['--presence-interval-ms=20'], env)
  const ann = connectTo(t, hub, { token: await tokenOf('ann') })
  const bob = connectTo(t, hub, { token: await tokenOf('bob') })
  const room = new Room(ann.client, 'rooms/1')
  const plain = new Received(ann.client, ['rooms/*', 'news'])
  const his = new Room(bob.client, 'rooms/1')
  for (const each of [room, his]) await each.is('rooms/1: 2 ann bob')
  await hub.kill()
  bob.client.close()
  await hub.startAgain()
  const { client: other } = connectTo(t, hub, { token: await tokenOf('bob') })
  await other.publish('news', 'back')
  t.same(await plain.take(1), ['back'])
  await room.is('rooms/1: 1 ann')
  const again = new Room(other, 'rooms/1')
  for (const each of [room, again]) await each.is('rooms/1: 2 ann bob')
  t.same(room.faults, [])
})

t.test(
  'more topics with presence than the hub tells a stream of take another one, and nothing else does',
  async t => {
    const hub = await startHub(t, fast)
    const { client } = connectTo(t, hub, { token: await tokenOf('ann') })
    const plain = Array.from({ length: 200 }, (_, at) => new Received(client, `plain/${at}`))
    const rooms = Array.from({ length: 100 }, (_, at) => new Room(client, `rooms/${at}`))
    await Promise.all([...plain, ...rooms].map(({ ready }) => ready))
    for (const [at, room] of rooms.entries()) await room.is(`rooms/${at}: 1 ann`)
    t.equal(await metric(hub, 'millrace_streams'), 1)
    const one = new Room(client, 'rooms/100')
    await one.is('rooms/100: 1 ann')
    t.equal(await metric(hub, 'millrace_streams'), 2)
  },
)

t.test(
  'a page that looks at one room after the other, and stays in all of them, keeps its one stream',
  async t => {
    const hub = await startHub(t, fast)
    const { client } = connectTo(t, hub, { token: await tokenOf('ann') })
    const names = Array.from({ length: 110 }, (_, at) => `rooms/${at}`)
    await new Received(client, names).ready
    for (const name of names) {
      const room = new Room(client, name)
      await room.ready
      room.subscription.close()
    }
    const last = new Room(client, 'rooms/0')
    await last.is('rooms/0: 1 ann')
    t.equal(await metric(hub, 'millrace_streams'), 1)
  },
)

t.test('presence of patterns alone is a mistake', async t => {
  const hub = await startHub(t)
  const { client } = connectTo(t, hub)
  t.throws(() => client.subscribe(['a/*'], () => {}, { onPresence: () => {} }), /patterns alone/)
  t.equal(client.status.state, 'idle')
})
