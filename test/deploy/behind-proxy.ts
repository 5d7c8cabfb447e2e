// What must hold for a hub behind each of the proxies of deploy/.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Config } from '../../src/config/schema.ts'
import { BrowserPage, openBrowser } from '../support/browser.ts'
import { deploy, type Deployed, type Place, type Proxy } from '../support/deployed.ts'
import { EventReader } from '../support/event-reader.ts'
import { freePort } from '../support/hub-process.ts'
import { startHub, type TestHub } from '../support/hub.ts'

// A page of the hub that opens nothing by itself.
const QUIET_PAGE = '/errors'

interface Setting {
  readonly hub: TestHub
  readonly proxy: Deployed
}

/** A hub as the head of each file of deploy/ says, and the proxy in front of it. */
async function start(
  t: Test,
  proxy: Proxy,
  options: Partial<Config> = {},
  place: Omit<Place, 'port' | 'hubPort' | 'directory'> = {},
): Promise<Setting> {
  const hub = await startHub(t, { tls: false, trustProxy: ['127.0.0.1'], ...options })
  return { hub, proxy: await deploy(t, proxy, { hubPort: Number(new URL(hub.url).port), ...place }) }
}

export function worksBehind(t: Test, proxy: Proxy): void {
  t.test('each event arrives when it is published', async t => {
    const { proxy: front } = await start(t, proxy)
    const reader = await EventReader.open(front, '/topics/a')
    await reader.next()
    for (const number of [1, 2, 3, 4, 5]) {
      const publishedAt = performance.now()
      await front.publish('a', `event ${number}`)
      t.equal((await reader.next())?.data, `event ${number}`)
      // What is held back waits for the next event, which does not come before this one has.
      t.ok(performance.now() - publishedAt < 1000, 'at once')
      await sleep(20)
    }
    reader.close()
  })

  t.test('lines of an upload are published as they come', async t => {
    const { proxy: front } = await start(t, proxy)
    const reader = await EventReader.open(front, '/topics/a')
    await reader.next()
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const upload = front.fetch('/topics/a', {
      method: 'POST',
      body: readable,
      duplex: 'half',
      headers: { 'content-type': 'application/x-ndjson' },
    })
    const writer = writable.getWriter()
    for (const number of [1, 2, 3]) {
      await writer.write(Buffer.from(`${number}\n`))
      t.equal((await reader.next())?.data, String(number))
    }
    await writer.close()
    t.match(await (await upload).json(), { published: 3 })
    reader.close()
  })

  t.test('a client that was cut off resumes with its last id', async t => {
    const { proxy: front } = await start(t, proxy)
    const first = await EventReader.open(front, '/feed?topic=a/*')
    await first.next()
    await front.publish('a/1', 'one')
    await first.next()
    first.close()
    const ids = [await front.publish('a/2', 'two'), await front.publish('a/3', 'three')]
    const second = await EventReader.open(front, '/feed?topic=a/*', { 'last-event-id': first.lastId! })
    t.same(
      (await second.take(3)).slice(1).map(({ id }) => id),
      ids,
    )
    second.close()
  })

  t.test('heartbeats keep a silent stream open, and without them the proxy would end it', async t => {
    const beating = await start(t, proxy, { heartbeatMs: 300 }, { timeoutSeconds: 1 })
    const mute = await start(t, proxy, { heartbeatMs: 30_000 }, { timeoutSeconds: 1 })
    const kept = await EventReader.open(beating.proxy, '/topics/a')
    const lost = await EventReader.open(mute.proxy, '/topics/a')
    await Promise.all([kept.next(), lost.next()])
    const silentSince = performance.now()
    await lost.next().catch(() => {})
    t.ok(performance.now() - silentSince > 700, 'ended by the timeout of the proxy')
    await sleep(Math.max(0, 2500 - (performance.now() - silentSince)))
    await beating.proxy.publish('a', 'after the silence')
    t.equal((await kept.next())?.data, 'after the silence')
    kept.close()
    lost.close()
  })

  t.test('rates go by the address of the client, whatever it says of itself', async t => {
    const { proxy: front } = await start(t, proxy, { maxPublishRate: 1 })
    const [one, other] = [front.clientAt('127.0.0.2'), front.clientAt('127.0.0.3')]
    await one.publish('a', 'x')
    await t.rejects(one.publish('a', 'x'), { message: /^publish: 429/ })
    await t.rejects(one.publish('a', 'x', { 'x-forwarded-for': '192.0.2.1' }), { message: /^publish: 429/ })
    await other.publish('a', 'x')
  })

  t.test('a browser, on HTTP/2, goes on after a restart of the hub and misses nothing', t =>
    goesOnAfterRestart(t, proxy, false),
  )

  t.test('it does so too if the proxy has given up waiting for the hub', t =>
    goesOnAfterRestart(t, proxy, true),
  )
}

async function goesOnAfterRestart(t: Test, proxy: Proxy, isImpatient: boolean): Promise<void> {
  const options = { port: await freePort(), log: `sqlite:${t.testdir()}`, retryMs: 100 }
  const { hub, proxy: front } = await start(t, proxy, options, { isImpatient })
  const page = await BrowserPage.open(t, await openBrowser(t), front.url + QUIET_PAGE)
  t.equal(await page.page.evaluate('performance.getEntriesByType("navigation")[0].nextHopProtocol'), 'h2')
  await page.follow('stream', '/topics/a')
  await page.events.find(({ type }) => type === 'millrace:open')
  await hub.publish('a', 'before')
  await hub.server.close()
  await page.events.find(({ type }) => type === 'millrace:bye')
  // Long enough that the browser finds nobody.
  await sleep(1000)
  const again = await startHub(t, { tls: false, trustProxy: ['127.0.0.1'], ...options })
  await again.publish('a', 'while it was away')
  await page.events.find(({ data }) => data === 'while it was away')
  await again.publish('a', 'after')
  await page.events.find(({ data }) => data === 'after')
  t.same(
    page.events.items.filter(({ type }) => type === 'message').map(({ data }) => data),
    ['before', 'while it was away', 'after'],
  )
}
