// What networks, proxies and hubs do to a client: whatever it is, each event is handed out once, in order, and the page
// has one thing to say about it.

import t from 'tap'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub } from '../support/hub.ts'
import { needsNginx, startNginx } from '../support/nginx.ts'
import { startRelay, startSlowLink } from '../support/relay.ts'
import { banners, connectOver, connectTo, numbers, publishAll, Received, until } from './support.ts'

t.test('connections that are cut anywhere lose nothing, repeat nothing, and are no news', async t => {
  // Compressed, all of it would fit into one connection.
  const hub = await startHub(t, { retryMs: 5, compression: false })
  let cuts = 0
  // Within the TLS handshake, the head, an event, and between events.
  const lengths = [90_001, 3001, 130_017, 101_003, 900, 250_007, 115_551, 6007]
  const relay = await CuttingRelay.open(t, hub, { cutAfterBytes: () => lengths[cuts++ % lengths.length]! })
  const tested = connectOver(t, relay)
  const both = new Received(tested.client, ['a', 'b'], { after: 'earliest' })
  const one = new Received(tested.client, 'b', { after: 'earliest' })
  const sent = numbers(1, 40).map(number => `${number}${'.'.repeat(Number(number) % 7 === 3 ? 50_000 : 100)}`)
  await publishAll(hub, ['a', 'b'], sent)
  await both.events.take(80)
  await one.events.take(40)
  relay.cut()
  await publishAll(hub, ['b'], ['the end'])
  t.same(await one.take(41), [...sent, 'the end'])
  t.same(await both.take(81), [...sent.flatMap(data => [data, data]), 'the end'])
  t.ok(relay.taken > 8, `over ${relay.taken} connections`)
  t.same(
    [both, one].map(({ gaps }) => gaps.length),
    [0, 0],
  )
  t.same(
    [both, one].map(({ errors }) => errors.items),
    [[], []],
  )
})

t.test('a hub that is away makes one status, which says why and when it is tried again', async t => {
  const hub = await startHub(t, { retryMs: 5 })
  const relay = await CuttingRelay.open(t, hub)
  const tested = connectOver(t, relay)
  const all = Array.from({ length: 50 }, (_, number) => new Received(tested.client, `t/${number}`))
  await Promise.all(all.map(({ ready }) => ready))
  relay.goDown()
  await until(() => tested.client.status.state === 'waiting')
  t.match(tested.client.status, { reason: { code: 'CLIENT_NO_ANSWER' }, retryAt: Number })
  await publishAll(hub, ['t/0', 't/49'], ['meanwhile'])
  const added = new Received(tested.client, 't/0', { after: 'earliest' })
  relay.comeBack()
  t.same(await all[0]!.take(1), ['meanwhile'])
  t.same(await all[49]!.take(1), ['meanwhile'])
  t.same(await added.take(1), ['meanwhile'])
  const states = tested.statuses.map(({ state }) => state)
  t.same(
    states.filter((state, at) => state !== states[at - 1]),
    ['connecting', 'open', 'connecting', 'waiting', 'open'],
  )
})

t.test('a log that begins anew is a gap', async t => {
  const before = await startHub(t, { retryMs: 5 })
  const relay = await CuttingRelay.open(t, before)
  const { client } = connectOver(t, relay)
  const received = new Received(client, 'news')
  await received.ready
  await before.publish('news', 'before')
  await received.take(1)
  relay.goDown()
  relay.hub = await startHub(t, { retryMs: 5 })
  await relay.hub.publish('news', 'after')
  relay.comeBack()
  t.same(await received.take(2), ['before', 'after'])
  t.match(received.gaps, [{ reason: 'unknown', topics: ['news'] }])
  await relay.hub.publish('news', 'and on')
  t.same(await received.take(3), ['before', 'after', 'and on'])
})

t.test('pages of a proxy that has no hub', needsNginx, async t => {
  const hub = await startHub(t, { retryMs: 5 })
  const relay = await CuttingRelay.open(t, hub)
  const proxied = await startNginx(t, { ...hub, url: relay.url })
  relay.goDown()
  const tested = connectTo(t, proxied)
  const received = new Received(tested.client, 'news', { after: 'earliest' })
  await until(() => tested.client.status.state === 'waiting')
  t.match(tested.client.status.reason, {
    code: 'CLIENT_STRANGE_ANSWER',
    status: 502,
    detail: /502, text\/html/,
  })
  const waiting = tested.client.publish('news', 'one')
  relay.comeBack()
  await waiting
  t.same(await received.take(1), ['one'])
  relay.cut()
  await hub.publish('news', 'two')
  t.same(await received.take(2), ['one', 'two'])
  t.same(received.errors.items, [])
})

t.test('a network that goes silent', async t => {
  const hub = await startHub(t, { retryMs: 5, heartbeatMs: 20 })
  const relay = await startRelay(t, hub)
  const tested = connectTo(t, relay.hub, { silenceMs: 300 })
  const received = new Received(tested.client, 'news')
  await received.ready
  await hub.publish('news', 'one')
  await received.take(1)
  relay.freeze()
  await hub.publish('news', 'two')
  await until(() => tested.client.status.state === 'waiting')
  t.match(tested.client.status.reason, { code: 'CLIENT_SILENCE' })
  relay.thaw()
  await hub.publish('news', 'three')
  t.same(await received.take(3), ['one', 'two', 'three'])
  t.equal(new Set(banners(tested)).size, 1)
})

t.test('a hub that shuts down says when to come back', async t => {
  const before = await startHub(t, { retryMs: 20, drainMs: 500 })
  const relay = await CuttingRelay.open(t, before)
  const tested = connectOver(t, relay)
  const received = new Received(tested.client, 'news')
  await received.ready
  await before.server.close()
  await until(() => tested.statuses.some(({ reason }) => reason?.code === 'CLIENT_BYE'))
  const goodbye = tested.statuses.find(({ reason }) => reason !== undefined)
  t.match(goodbye, { state: 'connecting', reason: { code: 'CLIENT_BYE', detail: 'drain' } })
  relay.hub = await startHub(t)
  await until(() => tested.client.status.state === 'open')
})

t.test('a slow link brings everything, late', async t => {
  const hub = await startHub(t, { retryMs: 5, compression: false, heartbeatMs: 200 })
  const tested = connectTo(t, { ...hub, url: await startSlowLink(t, hub, 50_000) }, { silenceMs: 3000 })
  const slow = new Received(tested.client, 'a')
  await slow.ready
  const sent = numbers(1, 150).map(number => `${number}${'.'.repeat(1000)}`)
  const startedAt = performance.now()
  await publishAll(hub, ['a'], sent)
  const later = new Received(tested.client, 'a', { after: 'earliest' })
  t.same(await slow.take(150), sent)
  t.ok(performance.now() - startedAt > 2000, 'the link was the slower one')
  t.same(await later.take(150), sent, 'what is added beside it too')
  t.same(banners(tested), [])
})
