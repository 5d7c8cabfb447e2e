// Chromium with tokens in cookies: its EventSource and fetch by the Mercure protocol, and the hub's own session, from pages
// of the hub and of an application beside it.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { ensureOwnCertificate, ownFiles } from '../../src/http/own-certificate.ts'
import {
  at,
  AUDIENCE,
  CLOSED,
  draft7Token,
  draft8Token,
  FORM,
  form,
  HUB,
  ISSUER,
  may,
  publisherWith,
  startMercureHub,
  urlpattern,
  type Fields,
  type Publisher,
} from '../routes/mercure/support.ts'
import { UpdateStream } from '../routes/mercure/update-stream.ts'
import { BrowserPage, needsBrowser, openBrowser, type PageEvent } from '../support/browser.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import type { TestHub } from '../support/hub.ts'
import { bearer, mint } from '../support/tokens.ts'

// A page of the hub that opens nothing by itself.
const QUIET_PAGE = '/errors'

const ANN = 'https://shop.example/users/ann/orders'
const BOB = 'https://shop.example/users/bob/orders'
const TRUSTED = { issuer: ISSUER, audience: AUDIENCE } as const
const WITH_COOKIES = { withCredentials: true } as const

interface Way {
  /** As draft 8 wants cookies to be set. */
  readonly cookie: string
  readonly parameters: Fields
  /** May receive Ann's, and publish them. */
  readonly token: () => Promise<string>
}

const DRAFT_7: Way = {
  cookie: 'mercureAuthorization',
  parameters: { topic: 'https://shop.example/users/{user}/orders' },
  token: () => draft7Token({ subscribe: [ANN], publish: [ANN] }),
}
const DRAFT_8: Way = {
  cookie: '__Secure-mercure_access_token',
  parameters: { match_urlpattern: 'https://shop.example/users/:user/orders' },
  token: () => draft8Token([may(['subscribe', 'publish'], [urlpattern('https://shop.example/users/ann/*')])]),
}

t.test('Chromium with cookies', needsBrowser, async t => {
  const browser = await openBrowser(t)

  /** Opens the application, which sets the cookie. */
  async function signIn(t: Test, app: string, { cookie, token }: Way): Promise<BrowserPage> {
    const attributes = `Path=${HUB}; Secure; HttpOnly; SameSite=Strict`
    const value = `${cookie}=${await token()}; ${attributes}`
    return BrowserPage.open(t, browser, `${app}/?set-cookie=${encodeURIComponent(value)}`)
  }

  for (const way of [DRAFT_7, DRAFT_8]) {
    for (const from of ['the hub', 'a listed origin']) {
      t.test(`private updates come to a page of ${from} by ${way.cookie}, and go on after a cut`, async t => {
        const app = await startApp(t)
        const { publisher, relay } = await openHub(t, { corsOrigin: [app] })
        const page = await signIn(t, app, way)
        if (from === 'the hub') await page.page.goto(relay.url + QUIET_PAGE)
        await page.follow('updates', relay.url + at(way.parameters), ['order'], WITH_COOKIES)
        await page.events.take(1)
        const lines = 'one\ntwo\n\n: three\ndata: 👋'
        await publisher.publish({ topic: BOB, private: 'on', data: 'for Bob' })
        const first = await publisher.publish({
          topic: [BOB, ANN],
          private: 'on',
          data: lines,
          type: 'order',
        })
        const second = await publisher.publish({
          topic: ANN,
          data: '',
          retry: '20',
          id: 'urn:order:größe 18',
        })
        await page.events.take(3)

        const cutAt = performance.now()
        relay.goDown()
        const third = await publisher.publish({ topic: ANN, private: 'on', data: 'meanwhile' })
        await publisher.publish({ topic: BOB, private: 'on', data: 'for Bob' })
        await countOf(page, 'error', 4)
        // It would wait for 3 seconds each time.
        t.ok(performance.now() - cutAt < 8000, 'it comes back as soon as it was told')
        relay.comeBack()
        await page.events.find(({ data }) => data === 'meanwhile')
        await publisher.publish({ topic: ANN, private: 'on', data: 'live again', id: 'urn:order:20' })
        await page.events.find(({ data }) => data === 'live again')
        const updates = updatesOf(page).map(({ type, data, id }) => ({ type, data, id }))
        t.same(updates, [
          { type: 'order', data: lines, id: first },
          { type: 'message', data: '', id: second },
          { type: 'message', data: 'meanwhile', id: third },
          { type: 'message', data: 'live again', id: 'urn:order:20' },
        ])
      })
    }
  }

  t.test('a page resumes when the hub has drained and is back', async t => {
    const app = await startApp(t)
    const onDisk = { log: `sqlite:${t.testdir()}`, retryMs: 20 }
    const { hub, publisher, relay } = await openHub(t, onDisk)
    const page = await signIn(t, app, DRAFT_8)
    await page.page.goto(relay.url + QUIET_PAGE)
    const url = relay.url + at(DRAFT_8.parameters)
    for (const name of ['one', 'two']) await page.follow(name, url, [], WITH_COOKIES)
    await countOf(page, 'open', 2)
    await publisher.publish({ topic: ANN, private: 'on', data: 'before', id: 'urn:order:1' })
    await countOf(page, 'message', 2)
    await hub.server.close()
    const again = await openHub(t, onDisk)
    await again.publisher.publish({ topic: BOB, private: 'on', data: 'for Bob' })
    await again.publisher.publish({ topic: ANN, private: 'on', data: 'after', id: 'urn:order:2' })
    relay.hub = again.hub
    await countOf(page, 'message', 4)
    await again.publisher.publish({ topic: ANN, private: 'on', data: 'live' })
    await countOf(page, 'message', 6)
    for (const name of ['one', 'two']) {
      const events = updatesOf(page).filter(event => event.name === name)
      t.same(
        events.map(({ data }) => data),
        ['before', 'after', 'live'],
        name,
      )
    }
  })

  for (const way of [DRAFT_7, DRAFT_8]) {
    t.test(`pages of the hub and of listed origins publish by ${way.cookie}, no others`, async t => {
      const [app, unlisted] = [await startApp(t), await startApp(t)]
      const { hub, publisher } = await openHub(t, { corsOrigin: [app] })
      const page = await signIn(t, app, way)
      const publish = (data: string, mode = 'cors') =>
        page.request(hub.url + HUB, {
          method: 'POST',
          mode,
          credentials: 'include',
          headers: { 'content-type': FORM },
          body: form({ topic: ANN, private: 'on', data, id: `urn:by:${data}` }),
        })
      t.match(await publish('listed'), { status: 200, text: 'urn:by:listed' })
      await page.page.goto(hub.url + QUIET_PAGE)
      t.match(await publish('own'), { status: 200, text: 'urn:by:own' })

      // Of the same site: the browser sends the cookie. It sends the update as well without asking.
      await page.page.goto(unlisted)
      t.match(await publish('unlisted'), { error: 'TypeError: Failed to fetch' })
      t.match(await publish('blind', 'no-cors'), { type: 'opaque', status: 0 })
      await page.follow('unlisted', hub.url + at(way.parameters), [], WITH_COOKIES)
      t.same(await page.events.take(1), [{ name: 'unlisted', type: 'error', readyState: 2 }])

      await publisher.publish({ topic: ANN, private: 'on', data: 'the end' })
      const parameters = { topic: ANN, lastEventID: 'earliest' }
      const token = await draft7Token({ subscribe: ['*'] })
      const updates = await UpdateStream.open(t, hub, at(parameters), { token })
      t.same(await updates.takeData(3), ['listed', 'own', 'the end'])
    })
  }

  for (const from of ['the hub', 'a listed origin']) {
    t.test(`a session of a page of ${from} opens feeds, until it is ended`, async t => {
      const app = await startApp(t)
      const { hub, relay } = await openHub(t, { corsOrigin: [app], retryMs: 20 })
      const publish = bearer(await mint({ publish: ['**'], ...TRUSTED }))
      const page = await BrowserPage.open(t, browser, from === 'the hub' ? relay.url + QUIET_PAGE : app)
      const feed = `${relay.url}/feed?topic=orders/*`
      await page.follow('too early', feed, [], WITH_COOKIES)
      t.same(await page.events.take(1), [{ name: 'too early', type: 'error', readyState: 2 }])
      const headers = bearer(await mint({ receive: ['orders/**'], ...TRUSTED }))
      const session = `${relay.url}/session`
      t.match(await page.request(session, { method: 'PUT', credentials: 'include', headers }), {
        status: 204,
      })
      t.equal(await page.page.evaluate('document.cookie'), '', 'scripts do not see it')

      await page.follow('orders', feed, [], WITH_COOKIES)
      await page.events.find(({ type }) => type === 'millrace:open')
      await hub.publish('orders/1', 'one', publish)
      await countOf(page, 'message', 1)
      relay.goDown()
      await hub.publish('orders/2', 'two', publish)
      await hub.publish('accounts/2', 'not covered', publish)
      relay.comeBack()
      await countOf(page, 'message', 2)
      await hub.publish('orders/3', 'three', publish)
      await countOf(page, 'message', 3)
      const received = updatesOf(page).map(({ data }) => (JSON.parse(data!) as { data: string }).data)
      t.same(received, ['one', 'two', 'three'])

      t.match(await page.request(session, { method: 'DELETE', credentials: 'include' }), { status: 204 })
      await page.follow('too late', feed, [], WITH_COOKIES)
      const refusal = await page.events.find(({ name }) => name === 'too late')
      t.match(refusal, { type: 'error', readyState: 2 })
    })
  }
})

const OWN = ['open', 'error']

/** What was sent to the page, but for the hub's own words. */
function updatesOf({ events }: BrowserPage): PageEvent[] {
  return events.items.filter(({ type }) => !OWN.includes(type) && !type.startsWith('millrace:'))
}

/** Resolves when the page has had so many events of this type. */
async function countOf({ events }: BrowserPage, type: string, count: number): Promise<void> {
  let seen = 0
  await events.find(event => event.type === type && ++seen === count)
}

/** A hub that shows nothing without a token, behind a relay. */
async function openHub(
  t: Test,
  options: Parameters<typeof startMercureHub>[1],
): Promise<{ hub: TestHub; publisher: Publisher; relay: CuttingRelay }> {
  const trusted = { jwtIssuer: [ISSUER], jwtAudience: [AUDIENCE] }
  const hub = await startMercureHub(t, { ...trusted, ...CLOSED, ...options })
  const publisher = publisherWith(hub, await draft7Token({ publish: ['*'] }))
  return { hub, publisher, relay: await CuttingRelay.open(t, hub) }
}

/** An application of the hub's site, but of another origin, which it returns. Its empty page sets the cookie that it is asked for. */
async function startApp(t: Test): Promise<string> {
  const directory = t.testdirName
  await ensureOwnCertificate(directory, [], Date.now())
  const { cert, key } = ownFiles(directory)
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    const cookie = new URL(request.url!, 'https://localhost').searchParams.get('set-cookie')
    if (cookie !== null) response.setHeader('set-cookie', cookie)
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end('<!doctype html><link rel="icon" href="data:,">')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `https://localhost:${(server.address() as AddressInfo).port}`
}
