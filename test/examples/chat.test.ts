// The chat, with people in real browsers: what they write arrives once, whoever was away meanwhile.

import type { Browser } from 'playwright-core'
import t, { type Test } from 'tap'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { fitsWidth, openExample, startExample, type OpenPage } from '../support/example.ts'

interface Person extends OpenPage {
  say(text: string): Promise<void>
  /** What the room says, once the last of it is there. */
  saidUntil(text: string): Promise<string[]>
}

async function enter(t: Test, browser: Browser, url: string, name: string, width?: number): Promise<Person> {
  const opened = await openExample(t, browser, url, width)
  const { page } = opened
  await page.getByLabel('Your name').fill(name)
  await page.getByLabel('Your name').press('Enter')
  await page.getByRole('heading', { name: 'Lobby' }).waitFor()
  return {
    ...opened,
    async say(text) {
      await page.getByLabel('Message', { exact: true }).fill(text)
      await page.getByLabel('Message', { exact: true }).press('Enter')
    },
    async saidUntil(text) {
      await page.locator('#log li:not(.is-pending) p', { hasText: text }).waitFor()
      return page.locator('#log p').allTextContents()
    },
  }
}

t.test('the chat', needsBrowser, async t => {
  const browser = await openBrowser(t)

  t.test('what somebody writes is there for both, as text, with who is in the room', async t => {
    const { url } = await startExample(t, 'chat')
    const ann = await enter(t, browser, url, 'Ann')
    const bob = await enter(t, browser, url, 'Bob', 375)
    const markup = '<img src=x onerror="document.title = 1">'
    await ann.say(markup)
    t.same(await bob.saidUntil('<img'), [markup])
    await bob.say('I see')
    t.same(await ann.saidUntil('I see'), [markup, 'I see'])
    for (const { page } of [ann, bob]) {
      await page.locator('#people li', { hasText: 'Ann' }).waitFor()
      await page.locator('#people li', { hasText: 'Bob' }).waitFor()
      t.equal(await page.title(), 'Chat')
    }
    t.ok(await fitsWidth(bob))
    await bob.context.close()
    await ann.page.locator('#people li', { hasText: 'Bob' }).waitFor({ state: 'detached' })
    t.same([...ann.complaints, ...bob.complaints], [])
  })

  t.test('rooms are joined and left on the stream that is open', async t => {
    const { url } = await startExample(t, 'chat')
    const ann = await enter(t, browser, url, 'Ann')
    const bob = await enter(t, browser, url, 'Bob')
    await ann.say('anybody in?')
    await ann.saidUntil('anybody')
    const changes: Record<'add' | 'remove', string[]>[] = []
    const opened: string[] = []
    ann.page.on('request', request => {
      if (request.method() === 'PATCH') changes.push(request.postDataJSON() as (typeof changes)[number])
      if (request.url().includes('/feed?')) opened.push(request.url())
    })
    await ann.page.getByRole('button', { name: /^Kitchen/ }).click()
    await ann.page.getByRole('heading', { name: 'Kitchen' }).waitFor()
    await ann.page.getByRole('button', { name: /^Lobby/ }).click()
    await bob.page.getByRole('button', { name: /^Kitchen/ }).click()
    await bob.say('the kettle is on')
    await ann.page.getByRole('button', { name: /^Kitchen.*1/ }).click()
    t.same(await ann.saidUntil('kettle'), ['the kettle is on'])
    await ann.page.getByRole('button', { name: 'Leave' }).click()
    await ann.page.getByRole('heading', { name: 'Lobby' }).waitFor()
    await bob.say('gone?')
    await ann.say('here')
    t.same(await ann.saidUntil('here'), ['anybody in?', 'here'])
    t.same(new Set(changes.flatMap(({ add }) => add)), new Set(['rooms/kitchen', 'rooms/lobby']))
    t.same(
      changes.flatMap(({ remove }) => remove),
      ['rooms/kitchen'],
    )
    t.same(opened, [], 'no other stream, for who is there neither')
    t.same([...ann.complaints, ...bob.complaints], [])
  })

  t.test('who was offline gets what was said, and what it wrote arrives once', async t => {
    const { url } = await startExample(t, 'chat')
    const ann = await enter(t, browser, url, 'Ann')
    const bob = await enter(t, browser, url, 'Bob')
    await ann.say('one')
    await bob.saidUntil('one')
    await bob.context.setOffline(true)
    await bob.say('from the train')
    await bob.page.locator('.is-pending', { hasText: 'from the train' }).waitFor()
    await ann.say('two')
    await ann.saidUntil('two')
    await bob.context.setOffline(false)
    await ann.saidUntil('from the train')
    await bob.saidUntil('from the train')
    for (const { page } of [ann, bob]) {
      const said = await page.locator('#log p').allTextContents()
      t.same(said, ['one', 'two', 'from the train'])
    }
  })

  t.test('nothing is missing or repeated when the hub is killed, and when pages are reloaded', async t => {
    const example = await startExample(t, 'chat')
    const ann = await enter(t, browser, example.url, 'Ann')
    const bob = await enter(t, browser, example.url, 'Bob')
    await ann.say('before')
    await bob.saidUntil('before')
    await example.kill()
    await ann.say('meanwhile')
    await ann.page.getByRole('status').filter({ hasText: /lost/ }).waitFor()
    await ann.page.locator('.is-pending', { hasText: 'meanwhile' }).waitFor()
    await example.startAgain()
    await bob.saidUntil('meanwhile')
    await ann.saidUntil('meanwhile')
    await ann.page.locator('.banner:empty').waitFor({ state: 'attached' })
    await bob.say('after')
    t.same(await ann.saidUntil('after'), ['before', 'meanwhile', 'after'])
    await bob.page.reload()
    t.same(await bob.saidUntil('after'), ['before', 'meanwhile', 'after'])
  })

  t.test('older messages come as one scrolls up', async t => {
    const { url } = await startExample(t, 'chat')
    const ann = await enter(t, browser, url, 'Ann')
    const numbers = Array.from({ length: 60 }, (_, number) => `number ${number}`)
    for (const text of numbers) await ann.say(text)
    await ann.saidUntil('number 59')
    await ann.page.reload()
    await ann.saidUntil('number 59')
    t.ok((await ann.page.locator('#log p').count()) < 60, 'not all at once')
    while ((await ann.page.locator('#log p').count()) < 60) {
      await ann.page.locator('#log').hover()
      await ann.page.mouse.wheel(0, -1500)
    }
    t.same(await ann.page.locator('#log p').allTextContents(), numbers)
    t.same(ann.complaints, [])
  })
})

t.test('nobody writes in the name of another, or without one', async t => {
  const { url } = await startExample(t, 'chat')
  const post = (headers: Record<string, string>): Promise<Response> =>
    fetch(`${url}/hub/topics/rooms/lobby`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{"text":"hello","name":"Ann"}',
    })
  t.equal((await post({})).status, 401)
  t.equal((await post({ cookie: `chat=QW5u.${'A'.repeat(43)}` })).status, 401)
  t.equal((await fetch(`${url}/hub/feed?topic=rooms/*`)).status, 401)
  const signIn = await fetch(`${url}/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"text":"Bob"}',
  })
  const cookie = signIn.headers.get('set-cookie')!.split(';')[0]!
  t.equal((await post({ cookie, 'idempotency-key': 'k' })).status, 201)
  const page = await fetch(`${url}/hub/topics/rooms/lobby`, {
    headers: { cookie, accept: 'application/json' },
  })
  t.match(await page.json(), { events: [{ data: { name: 'Bob', text: 'hello' } }] })
  const past = await fetch(`${url}/hub/topics/rooms%2Flobby`, {
    method: 'POST',
    headers: { cookie },
    body: 'x',
  })
  t.equal(past.status, 403)
})
