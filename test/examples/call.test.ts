// Calls between two pages with a camera each that Chromium makes up: both see the other's picture move.

import type { Page } from 'playwright-core'
import t from 'tap'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { fitsWidth, openExample, startExample } from '../support/example.ts'

const CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']

async function join(page: Page): Promise<void> {
  await page.locator('#join').click()
  await page.locator('#call').waitFor()
}

/** Resolves when the other's picture has a size and moves on. */
async function sees(page: Page): Promise<boolean> {
  const script = (from: number): string =>
    `(v => v.videoWidth > 0 && v.currentTime > ${from} && v.currentTime)(document.getElementById('theirs'))`
  const first = await page.waitForFunction(script(0))
  await page.waitForFunction(script((await first.jsonValue()) as number))
  return true
}

t.test('a call', needsBrowser, async t => {
  const { url } = await startExample(t, 'call')
  const browser = await openBrowser(t, CAMERA)

  t.test('connects two who share a link, one reloading, and has no room for a third', async t => {
    const ann = await openExample(t, browser, url)
    await join(ann.page)
    const link = await ann.page.getByLabel('Link to this call').inputValue()
    const bob = await openExample(t, browser, link, 375)
    await join(bob.page)
    t.ok((await sees(ann.page)) && (await sees(bob.page)))
    t.ok(await fitsWidth(bob))

    const cem = await openExample(t, browser, link)
    await cem.page.locator('#join').click()
    await cem.page.getByText('The call is full.').waitFor()

    await bob.page.reload()
    await join(bob.page)
    t.ok((await sees(ann.page)) && (await sees(bob.page)), 'the same two again')

    await bob.page.getByRole('button', { name: 'Hang up' }).click()
    await ann.page.getByText('The other has left').waitFor()
    await cem.page.locator('#join').click()
    t.ok((await sees(ann.page)) && (await sees(cem.page)), 'there is room for another one now')

    await cem.page.close()
    await ann.page.getByText('The other has left').waitFor()
    t.same([...ann.complaints, ...bob.complaints], [])
  })

  t.test('goes on while the server is away, and through its restart', async t => {
    const example = await startExample(t, 'call')
    const ann = await openExample(t, browser, example.url)
    await join(ann.page)
    const bob = await openExample(t, browser, await ann.page.getByLabel('Link to this call').inputValue())
    await join(bob.page)
    await Promise.all([sees(ann.page), sees(bob.page)])
    await example.kill()
    for (const { page } of [ann, bob]) await page.getByText('The connection is lost').waitFor()
    t.ok((await sees(ann.page)) && (await sees(bob.page)))
    await example.startAgain()
    for (const { page } of [ann, bob]) await page.locator('.banner:empty').waitFor({ state: 'attached' })
    t.ok((await sees(ann.page)) && (await sees(bob.page)))
    await bob.page.getByRole('button', { name: 'Hang up' }).click()
    await ann.page.getByText('The other has left').waitFor()
  })
})
