// The inspector's page in Chromium, used as an operator uses it.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Page } from 'playwright-core'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { EventReader } from '../support/event-reader.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { InspectorPage } from '../support/inspector-page.ts'
import { FaultyHub } from '../faults/support/hub.ts'
import { mint, SECRET } from '../support/tokens.ts'

const LONG = `plants/${'a-very-long-name-without-end-'.repeat(6)}/${'x'.repeat(60)}`

t.test('The inspector', needsBrowser, async t => {
  const browser = await openBrowser(t)

  t.test('what is published from the page appears on the page of its topic', async t => {
    const hub = await startHub(t)
    const { page, complaints, foreign } = await InspectorPage.open(t, browser, hub.url)
    await page.getByText('Live', { exact: true }).first().waitFor()
    await page.getByRole('link', { name: 'Publish', exact: true }).click()
    await page.getByLabel('Topic', { exact: true }).fill('notes/día 1?')
    await page.getByLabel('Type', { exact: true }).fill('note')
    await page.getByLabel('Data').fill('{"text": "<b>Hello</b>"')
    await page.getByText('Not JSON').waitFor()
    t.ok(await page.getByRole('button', { name: 'Publish' }).isDisabled())
    await page.getByLabel('Data').press('End')
    await page.getByLabel('Data').pressSequentially('}')
    await page.getByLabel('Data').press('Control+Enter')
    await page.getByRole('link', { name: 'notes/día 1?' }).click()
    await page.locator('.event').first().waitFor()
    t.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'notes/día 1?')
    t.match(await page.locator('.event').allInnerTexts(), [/note\s[^]*\{"text": "<b>Hello<\/b>"\}/])

    await hub.publish('notes/d%C3%ADa%201%3F', '<img src=x onerror=alert(1)>')
    await page.getByText('<img src=x onerror=alert(1)>').waitFor()
    t.equal(await page.locator('.event').count(), 2)
    t.match(await page.locator('.event .data').first().innerText(), /^<img/, 'the newest first, and as text')
    await page.reload()
    await page.getByText('<img src=x onerror=alert(1)>').waitFor()
    t.same([complaints, foreign], [[], []])
  })

  t.test('why an event was refused is said, and what was typed is kept', async t => {
    const hub = await startHub(t, { anonymousPublish: ['notes/*'] })
    const { page } = await InspectorPage.open(t, browser, hub.url, '#/publish?topic=secret')
    await page.getByLabel('Text').check()
    await page.getByLabel('Data').fill('hello')
    await page.getByRole('button', { name: 'Publish' }).click()
    await page.getByText("You may not publish to 'secret'.").waitFor()
    t.equal(await page.getByLabel('Data').inputValue(), 'hello')
  })

  t.test('a topic is found, read and left by the keyboard alone', async t => {
    const hub = await startHub(t)
    for (const name of ['orders/1', 'orders/2', 'news']) await hub.publish(name, name)
    const { page, complaints } = await InspectorPage.open(t, browser, hub.url, '#/topics')
    await page.locator('[data-row]').nth(2).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('orders')
    await page.getByRole('link', { name: 'news' }).waitFor({ state: 'detached' })
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    t.ok(await isFocusSeen(page), 'one sees where one is')
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('Enter')
    await page.locator('.event').waitFor()
    t.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'orders/1')
    await page.keyboard.press('Escape')
    await page.getByRole('heading', { name: 'Topics' }).waitFor()
    await page.keyboard.press('Tab')
    t.ok(await isFocusSeen(page), 'and goes on from the view')
    t.same(complaints, [])
  })

  t.test('topics come a page at a time, and a search finds what is on none of them', async t => {
    const hub = await startHub(t)
    const lines = Array.from({ length: 130 }, (_, at) => JSON.stringify({ topic: `t/${at + 100}`, data: at }))
    await hub.fetch('/events', {
      method: 'POST',
      body: lines.join('\n'),
      headers: { 'content-type': 'application/x-ndjson' },
    })
    const { page } = await InspectorPage.open(t, browser, hub.url, '#/topics?sort=name')
    const names = (): Promise<string[]> => page.locator('[data-row]').allTextContents()
    await page.locator('[data-row]').nth(49).waitFor()
    t.same([(await names())[0], (await names()).length], ['t/100', 50])
    await page.getByRole('button', { name: 'Next' }).click()
    await page.getByRole('link', { name: 't/150' }).waitFor()
    await page.reload()
    await page.getByRole('link', { name: 't/199' }).waitFor()
    t.same([(await names())[0], (await names()).at(-1)], ['t/150', 't/199'], 'and stays there')
    await page.getByRole('searchbox').fill('t/22')
    await page.getByRole('link', { name: 't/229' }).waitFor()
    t.equal((await names()).length, 10)
    await page.getByRole('searchbox').fill('x/*/y')
    await page.getByText('No topic has').waitFor()
  })

  t.test('the events of a topic are filtered, held, and shown again', async t => {
    const hub = await startHub(t)
    for (const data of ['apple', 'pear', 'plum']) await hub.publish('fruit', data)
    const inspector = await InspectorPage.open(t, browser, hub.url, '#/topics/fruit')
    const { page } = inspector
    await page.locator('.event').nth(2).waitFor()
    await page.getByRole('searchbox').fill('p')
    await page.getByRole('searchbox').fill('pear')
    await page.getByText('1 of 3 events').waitFor()
    await page.reload()
    await page.getByText('1 of 3 events').waitFor()
    t.same(await inspector.eventTexts(), ['pear'], 'a reload keeps the filter')
    await page.getByRole('searchbox').fill('')
    await page.getByText('3 events', { exact: true }).waitFor()

    await page.getByRole('button', { name: 'Pause' }).click()
    await hub.publish('fruit', 'fig')
    await page.getByText('1 new event').waitFor()
    t.equal(await page.locator('.event').count(), 3)
    await page.getByRole('button', { name: 'Resume' }).click()
    await page.getByText('fig').waitFor()
    t.same(await inspector.eventTexts(), ['fig', 'plum', 'pear', 'apple'])
  })

  t.test('history is read back as one scrolls, and what is held of it is bounded', async t => {
    const hub = await startHub(t)
    const all = Array.from({ length: 1230 }, (_, at) => `event ${at}`)
    await publishLines(hub, 'long', all)
    const inspector = await InspectorPage.open(t, browser, hub.url, '#/topics/long')
    const { page, complaints } = inspector
    const seen = new Set<string>()
    const look = async (): Promise<void> => (await inspector.eventTexts()).forEach(text => seen.add(text))
    await page.getByText('50 events', { exact: true }).waitFor()
    await look()
    t.same([...seen], all.slice(-50).toReversed(), 'the newest first')
    for (let turns = 0; !seen.has('event 0') && turns < 40; turns++) {
      const oldest = [...seen].at(-1)!
      // As with the wheel: how high rows are is known when they are seen.
      while ((await inspector.eventTexts()).at(-1) === oldest) {
        await page.evaluate('scrollTo(0, document.body.scrollHeight)')
        await sleep(20)
      }
      await look()
      if ((await page.locator('.event').count()) > 1000) t.fail('more is held than may be')
    }
    await page.getByText('This is the oldest event').waitFor()
    t.same([...seen], all.toReversed(), 'each once, without a hole')
    await hub.publish('long', 'new')
    await page.getByText('1 new event').click()
    await page.getByText('new', { exact: true }).waitFor()
    t.equal((await inspector.eventTexts())[0], 'new')
    t.same(complaints, [])
  })

  t.test('a large event is shown in part until somebody wants all', async t => {
    const hub = await startHub(t)
    const rows = Array.from({ length: 3000 }, (_, at) => ({ at, id: 12345678901234567890n }))
    const body = JSON.stringify(rows, (_key, value: unknown) =>
      typeof value === 'bigint' ? `BIG${value}` : value,
    ).replace(/"BIG(\d+)"/g, '$1')
    await hub.publish('large', body, { 'content-type': 'application/json' })
    const { page, complaints } = await InspectorPage.open(t, browser, hub.url, '#/topics/large')
    await page.getByText('Show all').waitFor()
    t.ok((await page.locator('.event .data').innerText()).length < 2000)
    t.match(
      await page.locator('.event .data').innerText(),
      /"id": 12345678901234567890/,
      'no digit is changed',
    )
    await page.getByText('Show all').click()
    await page.getByText('Show less').waitFor()
    t.match(await page.locator('.event .data').innerText(), /"at": 2999/)
    t.same(complaints, [])
  })

  t.test('a topic is deleted after a question', async t => {
    const hub = await startHub(t)
    await hub.publish('old', 'x')
    const { page } = await InspectorPage.open(t, browser, hub.url, '#/topics/old')
    await page.locator('.event').waitFor()
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.keyboard.press('Escape')
    t.equal((await hub.fetch('/topics/old', { method: 'HEAD' })).status, 200, 'Escape is a no')
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Delete it' }).click()
    await page.getByText('The topic was deleted').waitFor()
    t.equal((await hub.fetch('/topics/old', { method: 'HEAD' })).status, 404)
  })

  t.test('a stream is listed, and closed after a question', async t => {
    const hub = await startHub(t)
    const reader = await EventReader.open(hub, '/feed?topic=a/*&topic=b')
    const { feed } = JSON.parse((await reader.next())!.data) as { feed: string }
    const { page, complaints } = await InspectorPage.open(t, browser, hub.url, '#/connections')
    const row = page.getByRole('row', { name: feed })
    await row.waitFor()
    t.match(await row.innerText(), /a\/\*[^]*Live/)
    await row.getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: 'Close it' }).click()
    t.match(await reader.next(), { event: 'millrace:bye', data: '{"reason":"closed"}' })
    await page.getByText('No stream is open').waitFor()
    t.same(complaints, [])
  })

  t.test('a hub with tokens is seen with one, which the page explains too', async t => {
    const hub = await startHub(t, { jwtKey: SECRET })
    const { page } = await InspectorPage.open(t, browser, hub.url)
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Token').fill(await mint({ receive: ['**'] }))
    await dialog.getByRole('button', { name: 'Use this token' }).click()
    await dialog.getByText('This is for those who run the hub.').waitFor()
    await dialog.getByLabel('Token').fill(await mint({ admin: true, receive: ['**'], sub: 'ann' }))
    await dialog.getByRole('button', { name: 'Use this token' }).click()
    await page.getByText('Up for').waitFor()
    t.equal(await dialog.count(), 0)
    await page.reload()
    await page.getByText('Up for').waitFor()

    await page.getByRole('link', { name: 'Token' }).click()
    await page
      .getByLabel('A JWT or an API key')
      .fill(await mint({ publish: ['orders/*'], sub: 'bob', expiresIn: -90 }))
    await page.getByRole('button', { name: 'Explain' }).click()
    await page.getByText('This hub does not take it.').waitFor()
    const report = await page.locator('.report').innerText()
    t.match(report, /expired[^]*bob[^]*orders\/\*[^]*90 s ago|9\d s ago/)
  })

  t.test('a hub that is killed and started again: one banner, and then all goes on', async t => {
    const hub = await FaultyHub.create(t)
    await hub.start()
    const { page, complaints } = await InspectorPage.open(t, browser, hub.url, '#/topics/a')
    await page.getByText('Nothing is kept of this topic').waitFor()
    await hub.kill()
    await page.getByText('The hub is away').waitFor()
    t.equal(await page.getByRole('alert').filter({ hasText: /\S/ }).count(), 1, 'once')
    await hub.start()
    await page.getByText('The hub is away').waitFor({ state: 'detached' })
    complaints.length = 0
    await page.evaluate("fetch('../topics/a', { method: 'POST', body: 'after the night' })")
    await page.getByText('after the night').waitFor()
    await page.getByRole('link', { name: 'Overview' }).click()
    await page.getByText('Up for').waitFor()
    await page.locator('.plot canvas').nth(3).waitFor()
    t.same(complaints, [])
  })

  t.test("the theme is the system's until another is chosen, which is remembered", async t => {
    const hub = await startHub(t)
    const { page } = await InspectorPage.open(t, browser, hub.url, '', { colorScheme: 'dark' })
    const ground = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor')
    await page.getByRole('button', { name: 'Use the light theme' }).waitFor()
    const dark = await ground()
    await page.getByRole('button', { name: 'Use the light theme' }).click()
    t.not(await ground(), dark)
    await page.reload()
    await page.getByRole('button', { name: 'Use the dark theme' }).click()
    t.equal(await ground(), dark)
  })

  t.test('no view is wider than a phone', async t => {
    const hub = await crowdedHub(t)
    const viewport = { width: 360, height: 740 }
    const inspector = await InspectorPage.open(t, browser, hub.url, '', { viewport, hasTouch: true })
    const { page, complaints, foreign } = inspector
    for (const [hash, sign] of [
      ['#/', 'Up for'],
      ['#/topics', 'small'],
      [`#/topics/${LONG}`, 'Show all'],
      ['#/topics/small', 'unbroken'],
      [`#/publish?topic=${LONG}`, 'Published from here'],
      ['#/connections', 'Open for'],
      ['#/token', 'A JWT or an API key'],
    ] as const) {
      await inspector.show(hash)
      await page.getByText(sign).first().waitFor()
      t.equal(await inspector.overflow(), 0, hash)
    }
    await page
      .getByLabel('A JWT or an API key')
      .fill(await mint({ publish: [LONG], receive: Array.from({ length: 30 }, (_, at) => `t/${at}/*`) }))
    await page.getByRole('button', { name: 'Explain' }).click()
    await page.locator('.report').waitFor()
    t.equal(await inspector.overflow(), 0, 'a report')
    t.same([complaints, foreign], [[], []])
  })
})

async function publishLines(hub: TestHub, topic: string, texts: readonly string[]): Promise<void> {
  const body = texts.map(data => JSON.stringify({ topic, data })).join('\n')
  await hub.fetch('/events', { method: 'POST', body, headers: { 'content-type': 'application/x-ndjson' } })
}

/** With names, events and streams that take room. */
async function crowdedHub(t: Test): Promise<TestHub> {
  const hub = await startHub(t)
  const body = JSON.stringify(Array.from({ length: 200 }, (_, at) => ({ at, text: 'w'.repeat(300) })))
  await hub.publish(LONG, body, { 'content-type': 'application/json' })
  await hub.publish('small', 'unbroken'.repeat(60))
  await hub.fetch('/topics/small', { method: 'PUT', body: 's'.repeat(500) })
  for (const path of [`/topics/${LONG}`, `/feed?topic=${LONG}/*&topic=a&topic=b&topic=c&topic=d`]) {
    const reader = await EventReader.open(hub, path)
    t.teardown(() => reader.close())
  }
  return hub
}

/** Whether what has the focus has an outline, itself or over its row. */
function isFocusSeen(page: Page): Promise<boolean> {
  return page.evaluate(`[undefined, '::after'].some(part => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement, part)
    return document.activeElement !== document.body && outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2
  })`)
}
