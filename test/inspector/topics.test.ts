// The topics in the inspector, and the events of one, in Chromium: found, read back, filtered, held.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import t from 'tap'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { InspectorPage } from '../support/inspector-page.ts'

t.test('Topics in the inspector', needsBrowser, async t => {
  const browser = await openBrowser(t)

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

  t.test('an event that is nested deeper than one can show hides none of its neighbours', async t => {
    const hub = await startHub(t)
    const headers = { 'content-type': 'application/json' }
    const deep = `[1234567890123456789,${'['.repeat(20_000)}${']'.repeat(20_000)}]`
    const publishDeep = (): unknown => hub.fetch('/topics/deep', { method: 'POST', body: deep, headers })
    await publishDeep()
    await hub.fetch('/topics/deep', { method: 'PUT', body: deep, headers })
    await hub.publish('deep', 'before')
    const inspector = await InspectorPage.open(t, browser, hub.url, '#/topics/deep')
    const { page, complaints } = inspector
    await page.locator('.event').nth(2).waitFor()
    await hub.publish('deep', 'behind')
    await publishDeep()
    await page.locator('.event').nth(4).waitFor()
    const texts = await inspector.eventTexts()
    t.same([texts.length, texts[1], texts[2]], [5, 'behind', 'before'])
    for (const at of [0, 3, 4]) t.match(texts[at], /does not show what is nested/)
    t.same(complaints, [])
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
})

async function publishLines(hub: TestHub, topic: string, texts: readonly string[]): Promise<void> {
  const body = texts.map(data => JSON.stringify({ topic, data })).join('\n')
  await hub.fetch('/events', { method: 'POST', body, headers: { 'content-type': 'application/x-ndjson' } })
}

/** Whether what has the focus has an outline, itself or over its row. */
function isFocusSeen(page: Page): Promise<boolean> {
  return page.evaluate(`[undefined, '::after'].some(part => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement, part)
    return document.activeElement !== document.body && outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2
  })`)
}
