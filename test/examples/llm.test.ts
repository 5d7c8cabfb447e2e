// Answers that are written token by token: whoever reloads in the middle reads the whole, once.

import t from 'tap'
import { composeAnswer } from '../../examples/llm/model.ts'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { fitsWidth, openExample, startExample } from '../support/example.ts'

t.test('an answer', needsBrowser, async t => {
  const { url } = await startExample(t, 'llm')
  const browser = await openBrowser(t)

  t.test('is shown as it is written, and whole after a reload in the middle and a cut', async t => {
    const opened = await openExample(t, browser, url, 375)
    const { page, context, complaints } = opened
    const question = 'What is <b>flour</b>?'
    const expected = composeAnswer(question)
    await page.getByLabel('Question').fill(question)
    await page.getByLabel('Question').press('Enter')
    const answer = page.locator('.answer')
    const lengths = new Set<number>()
    while (lengths.size < 5) lengths.add((await answer.textContent())!.length)
    await page.reload()
    await answer.filter({ hasText: expected.slice(0, 150) }).waitFor()
    t.ok((await answer.textContent())!.length < expected.length, 'it is still being written')
    const other = await openExample(t, browser, page.url())
    await context.setOffline(true)
    await other.page.locator('.answer', { hasText: expected.slice(0, 250) }).waitFor()
    await context.setOffline(false)
    for (const each of [page, other.page]) {
      await each.locator('.note', { hasText: 'tokens in' }).waitFor()
      t.equal(await each.locator('.answer').textContent(), expected)
      t.equal(await each.locator('.question').textContent(), question)
    }
    t.ok(await fitsWidth(opened))
    t.same(other.complaints, [])
    t.same(
      complaints.filter(text => !text.includes('ERR_INTERNET_DISCONNECTED')),
      [],
    )
  })

  t.test('is followed by another one in the same conversation, and a new one begins empty', async t => {
    const { page, complaints } = await openExample(t, browser, url)
    await page.getByRole('button', { name: 'How do I start small?' }).click()
    await page.locator('.note', { hasText: 'tokens in' }).waitFor()
    await page.getByLabel('Question').fill('And then?')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await page.locator('.note', { hasText: 'tokens in' }).nth(1).waitFor()
    t.same(await page.locator('.answer').allTextContents(), [
      composeAnswer('How do I start small?'),
      composeAnswer('And then?'),
    ])
    await page.getByRole('button', { name: 'New conversation' }).click()
    await page.getByText('What would you like to know?').waitFor()
    t.equal(await page.locator('.answer').count(), 0)
    t.equal(page.url(), `${url}/`)
    t.same(complaints, [])
  })
})

t.test('nobody reads a conversation without its id, or writes into one', async t => {
  const { url } = await startExample(t, 'llm')
  const authorization = `Bearer ${crypto.randomUUID()}`
  t.equal((await fetch(`${url}/hub/feed?topic=conversations/*`, { headers: { authorization } })).status, 403)
  t.equal((await fetch(`${url}/hub/feed?topic=conversations/*`)).status, 401)
  const post = await fetch(`${url}/hub/topics/conversations/x`, { method: 'POST', body: 'x' })
  t.equal(post.status, 401)
})
