// Makes the screenshots of docs/operations/inspector.md: starts a hub, has it do something, and looks at it with Chromium.
// Run by `npm run screenshots`; the page must be built.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chromium, type Page } from 'playwright-core'
import { Agent, fetch } from 'undici'
import pino from 'pino'
import { DEFAULTS } from '../../src/config/schema.ts'
import { startServer } from '../../src/server.ts'

const WARM_UP_MS = Number(process.env['WARM_UP_MS'] ?? 240_000)

const certsDir = mkdtempSync(join(tmpdir(), 'millrace-screenshots-'))
const server = await startServer(
  { ...DEFAULTS, port: 0, log: 'memory:', certsDir, drainMs: 0, stallTimeoutMs: 3_600_000 },
  pino({ level: 'silent' }),
)
const dispatcher = new Agent({ connect: { rejectUnauthorized: false }, allowH2: true })
const stopped = new AbortController()

await publishHistory()
const traffic = makeTraffic()
await openStreams()
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  await takeAll()
} finally {
  await browser.close()
  stopped.abort()
  await traffic
  await dispatcher.destroy()
  await server.close()
  rmSync(certsDir, { recursive: true })
}

type Shot = readonly [name: string, hash: string, act?: (page: Page) => Promise<void>]

async function takeAll(): Promise<void> {
  const overview: Shot = ['overview', '#/']
  const topics: Shot = [
    'topics',
    '#/topics',
    page => page.setViewportSize({ ...page.viewportSize()!, height: 640 }),
  ]
  const topic: Shot = ['topic', '#/topics/orders/eu/42']
  const publishing: Shot = ['publish', '#/publish?topic=orders/eu/42', publishOne]
  const connections: Shot = ['connections', '#/connections']
  const token: Shot = ['token', '#/token', explainOne]
  const desktop = { width: 1280, height: 800 }
  const phone = { width: 375, height: 760 }
  const devices = [
    {
      device: 'desktop',
      viewport: desktop,
      colorScheme: 'light',
      shots: [overview, connections, publishing, topics],
    },
    { device: 'desktop', viewport: desktop, colorScheme: 'dark', shots: [overview, topic, token] },
    { device: 'phone', viewport: phone, colorScheme: 'light', shots: [overview, topic, connections] },
    { device: 'phone', viewport: phone, colorScheme: 'dark', shots: [overview, topics] },
  ] as const
  const pages = await Promise.all(
    devices.map(({ viewport, colorScheme }) =>
      browser.newPage({ viewport, colorScheme, ignoreHTTPSErrors: true }),
    ),
  )
  for (const page of pages) await page.goto(`${server.url}/inspector/`)
  // The plots fill.
  await sleep(WARM_UP_MS)
  for (const [at, { device, colorScheme, shots }] of devices.entries()) {
    const page = pages[at]!
    await page.bringToFront()
    for (const [name, hash, act] of shots) {
      await page.goto(`${server.url}/inspector/${hash}`)
      await sleep(2500)
      await act?.(page)
      const path = fileURLToPath(new URL(`${name}-${device}-${colorScheme}.png`, import.meta.url))
      await page.screenshot({ path })
    }
  }
}

async function publishOne(page: Page): Promise<void> {
  await page.getByLabel('Data').fill('{\n  "order": 42,\n  "state": "paid",\n  "total": 118.5\n}')
  await page.getByRole('button', { name: 'Publish' }).click()
  await page.locator('.outcomes li').waitFor()
}

async function explainOne(page: Page): Promise<void> {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = {
    sub: 'ann',
    exp: 1_795_000_000,
    millrace: { publish: ['orders/eu/*'], receive: ['orders/**', 'news'] },
  }
  await page
    .getByLabel('A JWT or an API key')
    .fill(`${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}.c2lnbmF0dXJl`)
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.locator('.verdict').waitFor()
}

async function publish(topic: string, data: unknown, type?: string, method = 'POST'): Promise<void> {
  const path = topic.split('/').map(encodeURIComponent).join('/')
  const query = type === undefined ? '' : `?type=${type}`
  const isText = typeof data === 'string'
  const response = await fetch(`${server.url}/topics/${path}${query}`, {
    dispatcher,
    method,
    body: isText ? data : JSON.stringify(data),
    headers: { 'content-type': isText ? 'text/plain' : 'application/json' },
  })
  await response.body?.cancel()
}

async function publishHistory(): Promise<void> {
  for (let at = 0; at < 120; at++) await publish('orders/eu/42', orderEvent(at), 'order')
  for (let at = 0; at < 30; at++) await publish(`orders/us/${1000 + at}`, orderEvent(at))
  const long =
    'plants/hannover/halls/north/lines/7/cells/assembly-of-the-front-axle/robots/kuka-kr-240/joints/4/temperature'
  await publish(long, { celsius: 41.2 })
  await publish('config/features', { checkout: 'v2', darkMode: true, limits: { cart: 50 } }, undefined, 'PUT')
  await publish('orders/eu/42', { state: 'open', lines: 3 }, undefined, 'PUT')
  await publish('news', 'The new warehouse in Gdańsk opens on Monday.')
}

function orderEvent(at: number): object {
  const states = ['created', 'paid', 'packed', 'sent', 'delivered']
  if (at % 6 !== 5) return { order: 42, state: states[at % 5], at: new Date().toISOString() }
  const lines = Array.from({ length: 3 }, (_, line) => ({
    sku: `SKU-${1200 + line}`,
    amount: line + 1,
    price: 19.5 * (line + 1),
  }))
  return { order: 42, state: 'packed', carrier: { name: 'DHL', tracking: '00340434161094042557' }, lines }
}

async function makeTraffic(): Promise<void> {
  const cities = ['berlin', 'gdansk', 'lyon', 'porto', 'turin', 'vienna']
  for (let at = 0; !stopped.signal.aborted; at++) {
    const burst = 4 + Math.round(6 * Math.abs(Math.sin(at / 90))) + (at % 37 === 0 ? 25 : 0)
    const events = Array.from({ length: burst }, () => {
      const city = cities[Math.floor(Math.random() ** 2 * cities.length)]!
      return publish(`sensors/${city}/temperature`, { celsius: Math.round(Math.random() * 300) / 10 })
    })
    if (at % 5 === 0) events.push(publish('orders/eu/42', orderEvent(at / 5), 'order'))
    if (at % 9 === 0) events.push(publish(`orders/us/${1000 + (at % 30)}`, orderEvent(at)))
    if (at % 4 === 0) events.push(publish('logs/checkout', `GET /cart ${200 + (at % 3)} ${5 + (at % 40)} ms`))
    await Promise.all(events)
    await sleep(100)
  }
}

/** Several clients, with streams each; the last one reads nothing. */
async function openStreams(): Promise<void> {
  const clients: readonly (readonly string[])[] = [
    ...Array.from({ length: 12 }, () => ['/feed?topic=sensors/**', '/feed?topic=sensors/*/temperature']),
    ...Array.from({ length: 6 }, () => ['/topics/orders/eu/42']),
    ...Array.from({ length: 4 }, () => [
      '/feed?topic=orders/**&topic=news&topic=alerts/**&topic=config/features',
    ]),
    ['/feed?topic=logs/*'],
    ['/feed?topic=**&after=earliest'],
  ]
  for (const [at, paths] of clients.entries()) {
    const session = connect(server.url, { rejectUnauthorized: false })
    stopped.signal.addEventListener('abort', () => session.destroy())
    for (const path of paths) {
      const stream = session.request({ ':path': path, accept: 'text/event-stream' })
      if (at < clients.length - 1) stream.resume()
    }
    await once(session, 'connect')
  }
}
