// Chromium: its own EventSource and fetch, in real pages.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { BrowserPage, needsBrowser, openBrowser, type PageEvent } from '../support/browser.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { startHub } from '../support/hub.ts'
import { resumesExactly } from './exact-resume.ts'

// A page of the hub that opens nothing by itself.
const QUIET_PAGE = '/errors'

t.test('Chromium', needsBrowser, async t => {
  const browser = await openBrowser(t)

  t.test('100 feeds share one HTTP/2 connection with requests', async t => {
    const hub = await startHub(t)
    const page = await BrowserPage.open(t, browser, hub.url + QUIET_PAGE)
    const numbers = Array.from({ length: 100 }, (_, number) => number)
    await Promise.all(numbers.map(number => page.follow(`feed ${number}`, `/topics/t/${number}`)))
    await page.events.take(200)
    const metrics = (await page.request('/metrics')).text
    t.match(metrics, /^millrace_streams 100$/m)
    t.match(metrics, /^millrace_connections 1$/m)

    const answers = await Promise.all(
      numbers.map(number => page.request(`/topics/t/${number}`, { method: 'POST', body: `for ${number}` })),
    )
    t.ok(answers.every(({ status }) => status === 201))
    const messages = (await page.events.take(300)).filter(({ type }) => type === 'message')
    t.same(
      messages.map(({ name, data }) => `${name}: ${data}`).sort(),
      numbers.map(number => `feed ${number}: for ${number}`).sort(),
    )
    t.same(page.complaints, [])
  })

  t.test('typed, multi-line and Unicode events arrive as they were published, with their ids', async t => {
    const hub = await startHub(t)
    const page = await BrowserPage.open(t, browser, hub.url + QUIET_PAGE)
    await page.follow('words', '/topics/words', ['größe'])
    await page.events.take(2)
    const lines = 'one\ntwo\n\n: three\ndata: 👋'
    const published = [
      { type: 'message', data: lines, id: await hub.publish('words', lines) },
      {
        type: 'größe',
        data: '{"cm":180}',
        id: await hub.publish('words?type=gr%C3%B6%C3%9Fe', '{"cm":180}'),
      },
      { type: 'message', data: '', id: await hub.publish('words', '') },
    ]
    const [opened, control, ...events] = await page.events.take(5)
    t.equal(opened?.type, 'open')
    t.match(control, { type: 'millrace:open', id: /^[0-9a-z]{11}-0{11}$/ })
    t.same(
      events.map(({ type, data, id }) => ({ type, data, id })),
      published,
    )
  })

  t.test('its EventSource resumes exactly by itself, wherever its connection is cut', t =>
    resumesExactly(t, async (url, relay, deliver) => {
      const page = await BrowserPage.open(t, browser, relay.hub.url + QUIET_PAGE)
      page.events.push = ({ type, data }) => type === 'message' && deliver(data!)
      await page.follow('numbers', url)
      return () => {}
    }),
  )

  t.test('EventSources come back when the hub drains, restarts, and has forgotten their ids', async t => {
    const before = await startHub(t, { retryMs: 20, drainMs: 1000 })
    const relay = await CuttingRelay.open(t, before)
    const page = await BrowserPage.open(t, browser, relay.url + QUIET_PAGE)
    const names = Array.from({ length: 20 }, (_, number) => `feed ${number}`)
    await Promise.all(names.map(name => page.follow(name, '/feed?topic=jobs/*')))
    await page.events.take(40)
    await before.publish('jobs/1', 'before')
    await page.events.take(60)

    await before.server.close()
    relay.hub = await startHub(t)
    await relay.hub.publish('jobs/2', 'after')
    for (const name of names) await page.events.find(event => event.name === name && isAfter(event))
    const given = ['open', 'error']
    for (const name of names) {
      const events = page.events.items.filter(event => event.name === name && !given.includes(event.type))
      t.same(
        events.map(({ type }) => type),
        ['millrace:open', 'message', 'millrace:bye', 'millrace:open', 'millrace:gap', 'message'],
      )
      t.match(JSON.parse(events[4]!.data!), { reason: 'unknown' })
    }
  })

  t.test('a feed of patterns is told what is gone when it was away for too long', async t => {
    const hub = await startHub(t, { logMaxTopicEvents: 3, retryMs: 20 })
    const relay = await CuttingRelay.open(t, hub)
    const page = await BrowserPage.open(t, browser, relay.url + QUIET_PAGE)
    await page.follow('feed', '/feed?topic=orders/*&topic=logs/**')
    await page.events.take(2)
    const seen = [await hub.publish('orders/1', 'order'), await hub.publish('logs/a/b', 'line')]
    await page.events.take(4)

    relay.goDown()
    const missed: string[] = []
    for (let number = 0; number < 10; number++) missed.push(await hub.publish('orders/1', String(number)))
    relay.comeBack()
    const gap = await page.events.find(({ type }) => type === 'millrace:gap')
    t.same(JSON.parse(gap.data!), { reason: 'expired', resumesAfter: seen[1], lostThrough: missed[6] })
    t.equal(gap.id, seen[1])
    await page.events.find(({ id }) => id === missed.at(-1))
    const received = page.events.items.filter(({ type }) => type === 'message').map(({ id }) => id)
    t.same(received, [...seen, ...missed.slice(7)])
  })

  t.test('pages from this machine may subscribe and publish, pages from elsewhere may not', async t => {
    const hub = await startHub(t)
    const port = await servePages(t)
    const topic = `${hub.url}/topics/shared`
    const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"from":"near"}' }

    const near = await BrowserPage.open(t, browser, `http://localhost:${port}/`)
    await near.follow('near', topic)
    await near.events.take(2)
    const answer = await near.request(topic, json)
    t.equal(answer.status, 201)
    const [, , event] = await near.events.take(3)
    t.match(event, { data: '{"from":"near"}', id: (JSON.parse(answer.text!) as { id: string }).id })
    t.same(near.complaints, [])

    const far = await BrowserPage.open(t, browser, `http://foreign.test:${port}/`)
    await far.follow('far', `${topic}?after=earliest`)
    t.same(await far.events.take(1), [{ name: 'far', type: 'error', readyState: 2 }])
    t.match(await far.request(topic), { error: 'TypeError: Failed to fetch' })
    t.match(await far.request(topic, json), { error: 'TypeError: Failed to fetch' })
    // A browser sends this one without asking, and lets the page see nothing of the answer.
    const blind = { method: 'POST', mode: 'no-cors', body: 'from afar' }
    t.match(await far.request(topic, blind), { type: 'opaque', status: 0 })
    t.equal((await hub.fetch('/topics/shared', { method: 'HEAD' })).headers.get('millrace-events'), '1')
    await hub.publish('shared', 'the end')
    t.equal((await near.events.take(4)).at(-1)?.data, 'the end')
    t.equal(far.events.items.length, 1)
  })

  t.test('an origin that the configuration names may use the hub', async t => {
    const port = await servePages(t)
    const hub = await startHub(t, { corsOrigin: [`http://foreign.test:${port}`] })
    const page = await BrowserPage.open(t, browser, `http://foreign.test:${port}/`)
    await page.follow('far', `${hub.url}/topics/shared`)
    await page.events.take(2)
    t.equal((await page.request(`${hub.url}/topics/shared`, { method: 'POST', body: 'hi' })).status, 201)
    t.equal((await page.events.take(3)).at(-1)?.data, 'hi')
  })

  t.test('the welcome page publishes and receives', async t => {
    const hub = await startHub(t, { retryMs: 20 })
    const relay = await CuttingRelay.open(t, hub)
    const { page, complaints } = await BrowserPage.open(t, browser, relay.url)
    await page.getByText('Live:').waitFor()
    await page.getByLabel('Topic').fill('notes/día')
    await page.getByLabel('Data').fill('<b>Hello</b>')
    await page.getByRole('button', { name: 'Publish' }).click()
    const items = page.getByRole('listitem')
    await items.nth(0).waitFor()
    t.match(await items.allInnerTexts(), [/^notes\/día\s+<b>Hello<\/b>\s+\d/])
    t.equal(await page.getByLabel('Data').inputValue(), '', 'ready for the next one')
    await hub.publish('elsewhere', '{"n":1}', { 'content-type': 'application/json' })
    await items.nth(1).waitFor()
    t.match(await items.allInnerTexts(), [/^elsewhere\s+\{"n":1\}/, /^notes/], 'the newest first')
    t.same(complaints, [], 'nothing red in the console')

    relay.goDown()
    await page.getByText('The hub is away').waitFor()
    await hub.publish('meanwhile', 'back')
    relay.comeBack()
    await items.nth(2).waitFor()
    t.match(await items.allInnerTexts(), [/^meanwhile/, /^elsewhere/, /^notes/])
    await page.getByText('Live:').waitFor()
  })

  t.test('the welcome page shows why an event was refused', async t => {
    const hub = await startHub(t, { anonymousPublish: ['notes/*'] })
    const { page } = await BrowserPage.open(t, browser, hub.url)
    await page.getByText('Live:').waitFor()
    await page.getByLabel('Topic').fill('secret')
    await page.getByLabel('Data').fill('hello')
    await page.getByLabel('Data').press('Enter')
    await page.getByText("You may not publish to 'secret'.").waitFor()
    t.equal(await page.getByLabel('Data').inputValue(), 'hello', 'what was typed is kept')
    t.equal(await page.getByRole('listitem').count(), 0)
    await page.getByLabel('Topic').fill('notes/1')
    await page.getByLabel('Data').press('Enter')
    await page.getByText('Live:').waitFor()
    await page.getByRole('listitem').waitFor()
  })

  t.test('the welcome page says so when it may not follow all topics', async t => {
    const hub = await startHub(t, { anonymousReceive: ['public/**'] })
    const { page } = await BrowserPage.open(t, browser, hub.url)
    await page.getByText('The hub does not let this page follow all topics.').waitFor()
    t.equal(await page.getByRole('listitem').count(), 0)
  })
})

function isAfter({ type, data }: PageEvent): boolean {
  return type === 'message' && data!.includes('"after"')
}

/** Serves an empty page, for pages of other origins; returns the port. */
async function servePages(t: Test): Promise<number> {
  const server = createServer((_request, response) => {
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end('<!doctype html><link rel="icon" href="data:,">')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}
