// The inspector's page in Chromium, used as an operator uses it.

import t, { type Test } from 'tap'
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
    const inspector = await InspectorPage.open(t, browser, hub.url, '#/topics/a')
    const { page, complaints } = inspector
    await page.getByText('Nothing is kept of this topic').waitFor()
    await hub.kill()
    await page.getByText('The hub is away').waitFor()
    t.equal(await page.getByRole('alert').filter({ hasText: /\S/ }).count(), 1, 'once')
    // What is opened meanwhile is shown when the hub is back.
    await inspector.show('#/topics')
    await inspector.show('#/topics/a')
    await hub.start()
    await page.getByText('The hub is away').waitFor({ state: 'detached' })
    await page.evaluate("fetch('../topics/a', { method: 'POST', body: 'after the night' })")
    await page.getByText('after the night').waitFor()
    await page.getByRole('link', { name: 'Overview' }).click()
    await page.locator('.facts div', { hasText: 'Events kept' }).getByText('1', { exact: true }).waitFor()
    await page.locator('.plot canvas').nth(3).waitFor()
    // What cannot be reached the browser itself reports.
    t.same(
      complaints.filter(text => !text.includes('net::ERR_')),
      [],
    )
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
