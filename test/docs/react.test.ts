// The page for React in docs/guide/client.md is typed, and its hooks do what components need, in Chromium with a real hub.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Browser, Page } from 'playwright-core'
import { bundleClient } from '../client/bundle.ts'
import { serveScripts } from '../client/pages.ts'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metricIs } from '../support/metrics.ts'
import { bundleReact, reactSnippet, typeFaults } from './react-page.ts'

interface ListProps {
  readonly topics: readonly string[]
  readonly prefix: string
  readonly after?: 'earliest'
}

// What the driver defines, for functions that run in the page.
declare const painted: string[]
declare const mount: (props: ListProps) => void
declare const unmount: () => void

const snippet = reactSnippet()
const driver = readFileSync(new URL('react-driver.js', import.meta.url), 'utf8')

t.test('the page is typed', async t => {
  t.equal(await typeFaults(t.testdir({ 'page.tsx': snippet })), '')
})

t.test('a wrong use of the hooks is found by its types', async t => {
  const wrong = `${snippet}\nexport const useWrong = (): number => useEvents('a', (sum: number) => sum, 'none')`
  t.match(await typeFaults(t.testdir({ 'page.tsx': wrong })), /error TS2345|error TS2322/)
})

interface Opened {
  readonly relay: CuttingRelay
  readonly page: Page
  readonly complaints: string[]
  /** Requests to the hub's feeds, such as `GET` and `PATCH`. */
  readonly asked: string[]
}

t.test('in Chromium', needsBrowser, async t => {
  const browser = await openBrowser(t)
  const client = await bundleClient()
  const directory = t.testdir({ 'page.tsx': snippet, 'driver.js': driver })
  const script = await bundleReact(`${directory}/driver.js`)

  /** The page of the guide, and the driver's list, over a relay to the hub. */
  async function open(t: Test, hub: TestHub): Promise<Opened> {
    const relay = await CuttingRelay.open(t, hub)
    const placed = script.replaceAll('https://hub.example.org', relay.url)
    const origin = await serveScripts(t, PAGE, new Map([...client, ['page.js', placed]]))
    return { relay, ...(await openPage(t, browser, origin)) }
  }

  t.test('the page shows what is and what comes, and one banner while the hub is away', async t => {
    const hub = await startHub(t, { retryMs: 5 })
    await hub.publish('alerts/fire', 'the oldest')
    const { page, relay, complaints } = await open(t, hub)
    await shows(page, '#root', 'No order 42 yet. the oldest')
    await hub.fetch('/topics/orders/42', { method: 'PUT', ...json({ state: 'paid' }) })
    await hub.publish('news', 'the newest')
    await shows(page, '#root', 'Order 42 is paid. the newest the oldest')
    relay.goDown()
    await page.waitForFunction(
      `document.querySelector('[role=status]').innerText.startsWith('Not live. Next')`,
    )
    await hub.publish('news', 'meanwhile')
    relay.comeBack()
    await shows(page, '#root', 'Order 42 is paid. meanwhile the newest the oldest')
    t.equal(await page.textContent('[role=status]'), '')
    t.strictSame(complaints, [])
  })

  t.test('arrays and functions that are new with each render change no subscription', async t => {
    const hub = await startHub(t)
    const { page, asked } = await open(t, hub)
    await page.evaluate(() => mount({ topics: ['a', 'b/*'], prefix: 'old ' }))
    await followersAre(hub, 'a', 1)
    await hub.publish('a', '1')
    await hub.publish('b/1', '2')
    await shows(page, 'pre', 'old 1 old 2')
    const before = asked.length
    await page.evaluate(() => {
      for (let round = 0; round < 100; round++) mount({ topics: ['a', 'b/*'], prefix: `${round} ` })
    })
    await hub.publish('a', '3')
    await shows(page, 'pre', 'old 1 old 2 99 3')
    t.equal(asked.length, before)
    await metricIs(hub, 'millrace_streams', 1)
  })

  t.test('what is mounted, unmounted and mounted again at once is one subscription', async t => {
    const hub = await startHub(t)
    await hub.publish('a', '1')
    await hub.publish('a', '2')
    const { page, asked } = await open(t, hub)
    await page.evaluate(async () => {
      for (let round = 0; round < 20; round++) {
        mount({ topics: ['a'], prefix: '', after: 'earliest' })
        unmount()
        if (round % 5 === 0) await new Promise(resolve => setTimeout(resolve))
      }
      mount({ topics: ['a'], prefix: '', after: 'earliest' })
    })
    await shows(page, 'pre', '1 2')
    await hub.publish('a', '3')
    await shows(page, 'pre', '1 2 3')
    t.strictSame(
      asked.filter(method => method === 'GET'),
      ['GET'],
      'one stream was opened',
    )
    await metricIs(hub, 'millrace_streams', 1)
  })

  t.test('with other topics it begins anew, and shows nothing of those before', async t => {
    const hub = await startHub(t)
    for (const topic of ['a', 'b']) await hub.publish(topic, `${topic}1`)
    const { page } = await open(t, hub)
    await page.evaluate(() => mount({ topics: ['a'], prefix: '', after: 'earliest' }))
    await shows(page, 'pre', 'a1')
    await page.evaluate(() => mount({ topics: ['b'], prefix: '', after: 'earliest' }))
    await shows(page, 'pre', 'b1')
    await hub.publish('a', 'a2')
    await hub.publish('b', 'b2')
    await shows(page, 'pre', 'b1 b2')
    // Back and forth at once.
    await page.evaluate(() => {
      for (const topic of ['a', 'b', 'a', 'b', 'a']) mount({ topics: [topic], prefix: '', after: 'earliest' })
    })
    await shows(page, 'pre', 'a1 a2')
    const all = await page.evaluate(() => painted)
    t.notOk(all.some(text => /^a: .*b|^b: .*a/.test(text)))
  })

  t.test('it begins anew when events were lost or a topic is deleted', async t => {
    const before = await startHub(t, { retryMs: 5 })
    await before.publish('a', 'before')
    const { page, relay, complaints } = await open(t, before)
    await page.evaluate(() => mount({ topics: ['a'], prefix: '', after: 'earliest' }))
    await shows(page, 'pre', 'before')
    relay.goDown()
    // It knows nothing of the old one's ids.
    const hub = (relay.hub = await startHub(t, { retryMs: 5 }))
    await hub.publish('a', 'after')
    relay.comeBack()
    await shows(page, 'pre', 'after')
    await hub.publish('a', 'and on')
    await shows(page, 'pre', 'after and on')
    await hub.fetch('/topics/a', { method: 'DELETE' })
    await shows(page, 'pre', '')
    await hub.publish('a', 'again')
    await shows(page, 'pre', 'again')
    t.strictSame(complaints, [])
  })

  t.test('what is unmounted leaves the stream', async t => {
    const hub = await startHub(t)
    const { page } = await open(t, hub)
    await page.evaluate(() => mount({ topics: ['a'], prefix: '' }))
    await followersAre(hub, 'a', 1)
    await page.evaluate(() => unmount())
    await followersAre(hub, 'a', 0)
    await metricIs(hub, 'millrace_streams', 1)
  })
})

const PAGE = `<!doctype html><link rel="icon" href="data:,">
<script type="importmap">{ "imports": { "millrace/client": "/client.js" } }</script>
<div id="root"></div>
<script type="module">
  import '/page.js'
  globalThis.isLoaded = true
</script>`

async function openPage(t: Test, browser: Browser, origin: string): Promise<Omit<Opened, 'relay'>> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  const asked: string[] = []
  page.on('pageerror', error => complaints.push(String(error)))
  page.on('request', request => {
    if (/^\/feed(\/|$)/.test(new URL(request.url()).pathname)) asked.push(request.method())
  })
  await page.goto(origin)
  await page.waitForFunction(() => 'isLoaded' in globalThis)
  return { page, complaints, asked }
}

/** Resolves once the element's text is this, its lines and blocks set apart by spaces. */
async function shows(page: Page, selector: string, text: string): Promise<void> {
  const read = async (): Promise<string> => (await page.innerText(selector)).trim().replace(/\s+/g, ' ')
  for (const deadline = performance.now() + 10_000; (await read()) !== text;) {
    if (performance.now() > deadline) throw new Error(`${selector} shows "${await read()}", not "${text}"`)
    await sleep(10)
  }
}

async function followersAre(hub: TestHub, topic: string, wanted: number): Promise<void> {
  for (const deadline = performance.now() + 10_000; ;) {
    const answer = await hub.fetch(`/topics/${topic}/subscribers`)
    const { count } = (await answer.json()) as { count: number }
    if (count === wanted) return
    if (performance.now() > deadline) throw new Error(`${count} streams follow ${topic}, not ${wanted}`)
    await sleep(10)
  }
}

const json = (data: unknown): { body: string; headers: Record<string, string> } => ({
  body: JSON.stringify(data),
  headers: { 'content-type': 'application/json' },
})
