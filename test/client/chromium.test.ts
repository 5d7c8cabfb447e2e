// The bundled client in real pages of Chromium.

import t, { type Test } from 'tap'
import type { BrowserContext } from 'playwright-core'
import type { ConnectOptions, HubConnection, Presence } from '../../src/client/index.ts'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { mint, SECRET } from '../support/tokens.ts'
import { openPage, servePage, type OpenPage } from './pages.ts'
import { connectTo, until } from './support.ts'

// What the page defines, for functions that run in it.
declare const deliver: (item: unknown) => void
declare let hub: HubConnection
declare const start: (url: string, options?: ConnectOptions) => void

t.test('Chromium', needsBrowser, async t => {
  const browser = await openBrowser(t)
  const origin = await servePage(t)
  const openContext = async (t: Test): Promise<BrowserContext> => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    t.teardown(() => context.close())
    return context
  }

  t.test('200 subscriptions are one HTTP/2 stream, and the page can still fetch', async t => {
    const server = await startHub(t)
    const { page, inbox, complaints } = await openPage(await openContext(t), origin)
    await page.evaluate(url => {
      start(url)
      for (let number = 0; number < 200; number++) {
        hub.subscribe(`rooms/${number}`, ({ topic, data }) => deliver(`${topic}: ${String(data)}`), {
          onReady: () => deliver('ready'),
        })
      }
    }, server.url)
    await inbox.take(200)
    t.equal(await metric(server, 'millrace_streams'), 1)
    const answers = await page.evaluate(
      url => Promise.all(Array.from({ length: 50 }, async () => (await fetch(`${url}/healthz`)).status)),
      server.url,
    )
    t.same(new Set(answers), new Set([200]))
    t.equal(
      await page.evaluate(
        () => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/feed?')).length,
      ),
      0,
      'none of the streams has ended',
    )
    await page.evaluate(() => hub.publish('rooms/199', 'from the page'))
    await server.publish('rooms/0', 'from elsewhere')
    t.same((await inbox.take(202)).slice(200), ['rooms/199: from the page', 'rooms/0: from elsewhere'])
    await page.evaluate(() => hub.close())
    await metricIs(server, 'millrace_streams', 0)
    t.same(complaints, [])
  })

  t.test('a page that is reloaded goes on where it was', async t => {
    const server = await startHub(t)
    const { page, inbox } = await openPage(await openContext(t), origin)
    const follow = (url: string): void => {
      start(url, { resume: 'news' })
      hub.subscribe('news', ({ data }) => deliver(data), { onReady: () => deliver('ready') })
    }
    await page.evaluate(follow, server.url)
    await inbox.take(1)
    await server.publish('news', 'one')
    await inbox.take(2)
    await page.goto('about:blank')
    await server.publish('news', 'two')
    await page.goto(origin)
    await page.waitForFunction(() => 'isLoaded' in globalThis)
    await page.evaluate(follow, server.url)
    await inbox.find(item => item === 'two')
    await server.publish('news', 'three')
    await inbox.find(item => item === 'three')
    t.same(
      inbox.items.filter(item => item !== 'ready'),
      ['one', 'two', 'three'],
    )
  })

  t.test('tabs share one stream, and another takes over when its tab is closed', async t => {
    const server = await startHub(t, { retryMs: 20 })
    const context = await openContext(t)
    const pages: OpenPage[] = []
    for (let number = 0; number < 3; number++) pages.push(await openPage(context, origin))
    const follow = ({ url, own }: { url: string; own: string }): void => {
      start(url, { share: true })
      const onReady = (): void => deliver('ready')
      hub.subscribe('all', ({ data }) => deliver(data), { onReady })
      hub.subscribe(own, ({ topic, data }) => deliver(`${topic} ${String(data)}`), { onReady })
    }
    for (const [at, { page }] of pages.entries()) {
      await page.evaluate(follow, { url: server.url, own: `own/${at}` })
    }
    for (const { inbox } of pages) await inbox.take(2)
    t.equal(await metric(server, 'millrace_streams'), 1)
    const expected: string[] = []
    const publish = async (from: number, through: number): Promise<void> => {
      for (let number = from; number <= through; number++) {
        await server.publish('all', String(number))
        expected.push(String(number))
      }
    }
    await publish(1, 20)
    await server.publish('own/2', 'for one')
    const closing = pages[0]!.page.close({ runBeforeUnload: false })
    await publish(21, 60)
    await closing
    await publish(61, 80)
    await server.publish('own/1', 'for another')
    await pages[1]!.inbox.find(item => item === 'own/1 for another')
    await server.publish('all', 'the end')
    for (const [at, { inbox, complaints }] of pages.entries()) {
      if (at === 0) continue
      await inbox.find(item => item === 'the end')
      t.same(
        inbox.items.filter(item => /^\d+$/.test(String(item))),
        expected,
        'each event once, in order',
      )
      t.same(
        inbox.items.filter(item => String(item).startsWith('own')),
        [at === 1 ? 'own/1 for another' : 'own/2 for one'],
      )
      t.same(complaints, [])
    }
    t.equal(await metric(server, 'millrace_streams'), 1)
    await pages[1]!.page.evaluate(() => hub.close())
    await server.publish('own/2', 'for the last')
    await pages[2]!.inbox.find(item => item === 'own/2 for the last')
    await pages[2]!.page.evaluate(() => hub.close())
    await metricIs(server, 'millrace_streams', 0)
  })

  t.test('tabs that share a stream are told who else is there, by whichever tab has it', async t => {
    const closed = { jwtKey: SECRET, anonymousReceive: [], anonymousPublish: [] }
    const server = await startHub(t, { ...closed, retryMs: 20, presenceIntervalMs: 20 })
    const tokenOf = (sub: string): Promise<string> => mint({ sub, receive: ['**'], presence: ['**'] })
    const context = await openContext(t)
    const watch = ({ url, token }: { url: string; token: string }): void => {
      start(url, { share: true, token })
      hub.subscribe('news', () => {})
      let names: readonly string[] = []
      const onPresence = ({ present = names, joined = [], left = [] }: Presence): void => {
        names = [...present, ...joined].filter(name => !left.includes(name))
        deliver(names.toSorted().join(' '))
      }
      hub.subscribe(['rooms/1', 'rooms/*'], () => {}, { onPresence })
    }
    const pages: OpenPage[] = []
    for (let number = 0; number < 2; number++) {
      const opened = await openPage(context, origin)
      pages.push(opened)
      await opened.page.evaluate(watch, { url: server.url, token: await tokenOf('ann') })
      await opened.inbox.find(names => names === 'ann')
    }
    const [first, second] = pages as [OpenPage, OpenPage]
    const bob = connectTo(t, server, { token: await tokenOf('bob') }).client
    bob.subscribe('rooms/1', () => {})
    for (const { inbox } of pages) await inbox.find(names => names === 'ann bob')
    t.equal(await metric(server, 'millrace_streams'), 2, 'one is of the others')
    await first.page.close()
    const before = second.inbox.items.length
    await until(() => second.inbox.items.length > before)
    bob.close()
    await until(() => second.inbox.items.at(-1) === 'ann')
    await metricIs(server, 'millrace_streams', 1)
    t.same(new Set(second.inbox.items), new Set(['ann', 'ann bob']))
    t.same(second.complaints, [])
  })

  t.test('it resumes wherever its connection is cut', async t => {
    const server = await startHub(t, { retryMs: 5, compression: false })
    let cuts = 0
    const lengths = [90_001, 130_017, 30_003, 250_007]
    const relay = await CuttingRelay.open(t, server, { cutAfterBytes: () => lengths[cuts++ % 4]! })
    const { page, inbox } = await openPage(await openContext(t), origin)
    await page.evaluate(url => {
      start(url)
      hub.subscribe('numbers', ({ data }) => deliver(String(data).slice(0, 3)), { after: 'earliest' })
    }, relay.url)
    const sent = Array.from({ length: 60 }, (_, number) => String(100 + number))
    for (const number of sent) await server.publish('numbers', `${number}${'.'.repeat(20_000)}`)
    t.same(await inbox.take(60), sent)
    relay.cut()
    await server.publish('numbers', 'end')
    t.same((await inbox.take(61)).at(-1), 'end')
    t.ok(relay.taken > 8, `over ${relay.taken} connections`)
  })
})
