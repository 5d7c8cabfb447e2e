// States have no ids: each is handed out once all the same, to whom it is for, whatever else is going on on the stream.

import t, { type Test } from 'tap'
import type { HubConnection } from '../../src/client/connect.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub } from '../support/hub.ts'
import { connectTo, fetchOver, numbers, Received } from './support.ts'

t.test('states that were handed out before a cut do not come again', async t => {
  const hub = await startHub(t, { retryMs: 5, compression: false })
  const { client: writer } = connectTo(t, hub)
  const lamps = numbers(1, 20)
  for (const lamp of lamps) {
    await writer.publish(`lamps/${lamp}`, { lamp, filler: '.'.repeat(10_000) }, { state: true })
  }
  // Three times among the states: while the stream is opened, and while it is changed.
  const lengths = [100_001, 120_001, Infinity, 100_001, Infinity]
  let cuts = 0
  const relay = await CuttingRelay.open(t, hub, { cutAfterBytes: () => lengths[cuts++] ?? Infinity })
  const { client } = connectTo(t, { ...hub, url: relay.url })
  const lampsOf = ({ events }: Received): unknown[] =>
    events.items.map(({ data }) => (data as { lamp: string }).lamp)
  const first = new Received(client, 'lamps/*')
  await first.ready
  t.same(lampsOf(first), lamps)
  t.equal(relay.taken, 3)
  relay.cut()
  await writer.publish('lamps/1', { lamp: 'live' })
  await first.take(21)
  const second = new Received(client, ['lamps/*', 'other'])
  await second.ready
  t.equal(relay.taken, 5)
  t.same(lampsOf(second), lamps)
  t.same(lampsOf(first), [...lamps, 'live'])
})

/** A hub, and a client of it whose changes of the stream wait until they are released. */
async function holdChanges(t: Test): Promise<{
  readonly client: HubConnection
  readonly relay: CuttingRelay
  readonly publish: (topic: string, data: string, state?: boolean) => Promise<unknown>
  readonly release: () => void
}> {
  const hub = await startHub(t, { retryMs: 5, logMaxTopicEvents: 2 })
  const relay = await CuttingRelay.open(t, hub)
  const { client: writer } = connectTo(t, hub)
  const released = Promise.withResolvers<void>()
  const send = fetchOver(hub.agent)
  const held: typeof fetch = async (url, init) => {
    if (init?.method === 'PATCH') await released.promise
    return await send(url, init)
  }
  const { client } = connectTo(t, { ...hub, url: relay.url }, { fetch: held })
  const publish = (topic: string, data: string, state = false): Promise<unknown> =>
    writer.publish(topic, data, { state })
  return { client, relay, publish, release: released.resolve }
}

t.test('states behind a gap are not mixed up with those of topics that are being added', async t => {
  const { client, relay, publish, release } = await holdChanges(t)
  const first = new Received(client, 'a/*')
  await first.ready
  relay.goDown()
  await publish('a/1', 'state', true)
  for (const data of ['x', 'y', 'z']) await publish('a/1', data)
  relay.comeBack()
  const second = new Received(client, ['a/*', 'b'])
  t.same(await first.take(3), ['state', 'y', 'z'])
  release()
  await second.ready
  await publish('a/2', 'live')
  t.same(await first.take(4), ['state', 'y', 'z', 'live'])
  t.same(await second.take(2), ['state', 'live'])
  t.match([first.gaps, second.gaps], [[{ reason: 'expired' }], []])
})

t.test('states that are older than the earliest event come, whoever is being added meanwhile', async t => {
  const { client, publish, release } = await holdChanges(t)
  await publish('a/1', 'state', true)
  for (const data of ['x', 'y', 'z']) await publish('a/1', data)
  const first = new Received(client, 'a/*', { after: 'earliest' })
  const second = new Received(client, ['a/*', 'b'])
  t.same(await first.take(3), ['state', 'y', 'z'])
  release()
  await second.ready
  await publish('a/2', 'live')
  t.same(await first.take(4), ['state', 'y', 'z', 'live'])
  t.same(await second.take(2), ['state', 'live'])
})
