// What browsers do to pages: a tab crashes, a page is frozen while a laptop sleeps. Nothing is lost, nothing is repeated, and
// nobody is alarmed.

import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { ConnectOptions, HubConnection } from '../../src/client/index.ts'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metricIs } from '../support/metrics.ts'
import { FreezablePage } from './freezable-page.ts'
import { openPage, servePage, type OpenPage } from './pages.ts'
import { until } from './support.ts'

// What the page defines, for functions that run in it.
declare const deliver: (item: unknown) => void
declare let hub: HubConnection
declare const start: (url: string, options?: ConnectOptions) => void

/** Publishes numbers until it is told to stop. */
class Publisher {
  readonly published: string[] = []
  #isDone = false
  readonly #running: Promise<void>

  constructor(server: TestHub, topic: string) {
    this.#running = this.#publish(server, topic)
  }

  async stop(): Promise<void> {
    this.#isDone = true
    await this.#running
  }

  async #publish(server: TestHub, topic: string): Promise<void> {
    while (!this.#isDone) {
      const number = String(this.published.length)
      await server.publish(topic, number)
      this.published.push(number)
      await sleep(2)
    }
  }
}

async function followersOf(server: TestHub, topic: string): Promise<number> {
  const answer = await server.fetch(`/topics/${topic}/subscribers`)
  return ((await answer.json()) as { count: number }).count
}

/** Resolves once nobody follows it. */
async function isLeft(server: TestHub, topic: string): Promise<void> {
  let count = -1
  for (const deadline = Date.now() + 10_000; count !== 0 && Date.now() < deadline; await sleep(10)) {
    count = await followersOf(server, topic)
  }
  if (count !== 0) throw new Error(`${count} follow ${topic}`)
}

async function crash({ page }: OpenPage): Promise<void> {
  const crashed = page.waitForEvent('crash')
  const session = await page.context().newCDPSession(page)
  // It has no answer.
  session.send('Page.crash').catch(() => {})
  await crashed
}

t.test('a tab that crashes', needsBrowser, async t => {
  const browser = await openBrowser(t, ['--process-per-tab'])
  const origin = await servePage(t)
  const server = await startHub(t, { retryMs: 20 })
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  t.teardown(() => context.close())
  const pages: OpenPage[] = []
  for (let number = 0; number < 4; number++) pages.push(await openPage(context, origin))
  for (const [at, { page, inbox }] of pages.entries()) {
    const follow = ({ url, own }: { url: string; own: string }): void => {
      start(url, { share: true })
      const onReady = (): void => deliver('ready')
      hub.subscribe('all', ({ data }) => deliver(data), { onReady })
      hub.subscribe(own, ({ data }) => deliver(`own ${String(data)}`), { onReady })
    }
    await page.evaluate(follow, { url: server.url, own: `own/${at}` })
    await inbox.take(2)
  }
  await metricIs(server, 'millrace_streams', 1)
  const publisher = new Publisher(server, 'all')
  await until(() => publisher.published.length > 20)

  await t.test('the one that has the stream: the next one takes over', async t => {
    await crash(pages[0]!)
    await isLeft(server, 'own/0')
    await metricIs(server, 'millrace_streams', 1)
    t.equal(await followersOf(server, 'own/1'), 1)
  })

  await t.test('one that has not: what only it followed is left', async t => {
    await crash(pages[2]!)
    await isLeft(server, 'own/2')
    await metricIs(server, 'millrace_streams', 1)
    t.equal(await followersOf(server, 'own/3'), 1)
  })

  await t.test('both at once', async t => {
    const fresh = await openPage(context, origin)
    await fresh.page.evaluate(url => {
      start(url, { share: true })
      hub.subscribe('own/4', () => {}, { onReady: () => deliver('ready') })
    }, server.url)
    await fresh.inbox.take(1)
    await Promise.all([crash(pages[1]!), crash(fresh)])
    for (const topic of ['own/1', 'own/4']) await isLeft(server, topic)
    await metricIs(server, 'millrace_streams', 1)
    t.equal(await followersOf(server, 'own/3'), 1)
  })

  await publisher.stop()
  await server.publish('own/3', 'the end')
  await server.publish('all', 'the end')
  const { inbox, complaints } = pages[3]!
  await inbox.find(item => item === 'the end')
  t.same(
    inbox.items.filter(item => item !== 'ready'),
    [...publisher.published, 'own the end', 'the end'],
    'each event once, in order',
  )
  t.same(complaints, [])
})

const FROZEN_MS = 1000

// Runs in the page, which keeps what there is to see of its client, and how long it stood still.
const FOLLOW = (url: string): string => `
  globalThis.seen = { events: [], states: [], complaints: [], stoodStillMs: 0 }
  let tickedAt = performance.now()
  setInterval(() => {
    const now = performance.now()
    seen.stoodStillMs = Math.max(seen.stoodStillMs, now - tickedAt)
    tickedAt = now
  }, 10)
  for (const type of ['error', 'unhandledrejection']) addEventListener(type, ({ message, reason }) => seen.complaints.push(message ?? String(reason)))
  start(${JSON.stringify(url)}, { silenceMs: 300, onStatus: ({ state }) => seen.states.push(state) })
  new Promise(resolve => hub.subscribe('all', ({ data }) => seen.events.push(data), { onReady: resolve })).then(() => true)`

interface Seen {
  readonly events: readonly string[]
  readonly states: readonly string[]
  readonly complaints: readonly string[]
  readonly stoodStillMs: number
}

interface Sleep {
  readonly title: string
  /** When it has just been frozen. */
  readonly asleep?: (relay: CuttingRelay) => void
  /** When it has just been thawed. */
  readonly awake?: (relay: CuttingRelay) => void
}

const SLEEPS: readonly Sleep[] = [
  { title: 'goes on' },
  { title: 'goes on when its connection was cut meanwhile', asleep: relay => relay.cut() },
  {
    title: 'waits for a network that comes later',
    asleep: relay => relay.goDown(),
    awake: relay => setTimeout(() => relay.comeBack(), 800),
  },
]

t.test('a page that was frozen for many heartbeats', needsBrowser, async t => {
  const browser = await openBrowser(t, ['--ignore-certificate-errors'])
  const origin = await servePage(t)
  for (const { title, asleep, awake } of SLEEPS) {
    await t.test(title, async t => {
      const server = await startHub(t, { retryMs: 20, heartbeatMs: 50 })
      const relay = await CuttingRelay.open(t, server)
      const page = await FreezablePage.open(browser, origin)
      const seen = (): Promise<Seen> => page.evaluate<Seen>('seen')
      t.ok(await page.evaluate(FOLLOW(relay.url)))
      const publisher = new Publisher(server, 'all')
      await until(() => publisher.published.length > 20)
      await page.freeze()
      const frozenAt = publisher.published.length
      asleep?.(relay)
      await sleep(FROZEN_MS)
      t.ok(publisher.published.length > frozenAt + 5, 'the hub goes on')
      await page.thaw()
      awake?.(relay)
      await publisher.stop()
      await server.publish('all', 'the end')
      const deadline = Date.now() + 10_000
      while (!(await seen()).events.includes('the end') && Date.now() < deadline) await sleep(20)
      const { events, states, complaints, stoodStillMs } = await seen()
      t.ok(stoodStillMs > FROZEN_MS - 100, `it stood still for ${Math.round(stoodStillMs)} ms`)
      t.same(events, [...publisher.published, 'the end'], 'each event once, in order')
      t.same(complaints, [])
      t.ok(banners(states) <= 1, states.join())
      t.equal(states.at(-1), 'open')
      await page.evaluate('hub.close()')
    })
  }
})

/** How often a page had to show that it is not live. */
function banners(states: readonly string[]): number {
  return (
    states
      .join(' ')
      .replaceAll('connecting ', '')
      .match(/(waiting|offline)( \1)*/g)?.length ?? 0
  )
}
