// The example of a hub in somebody's app, with real browsers: who is logged in sees what others add, and comes back to all
// that it missed.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'
import { freePort } from '../support/hub-process.ts'

const root = new URL('../../', import.meta.url).pathname

interface Running {
  readonly url: string
  readonly child: ChildProcess
}

async function start(t: Test, port = 0): Promise<Running> {
  const command = ['--conditions=millrace-source', 'examples/run.ts', 'embed']
  const env = { ...process.env, PORT: String(port) }
  const child = spawn(process.execPath, command, { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { url: String(line).trim(), child }
}

async function logIn(page: Page, url: string, name: string): Promise<void> {
  await page.goto(url)
  await page.fill('#login input', name)
  await page.click('#login button')
  await page.getByText('up to date').waitFor()
}

async function add(page: Page, text: string): Promise<void> {
  await page.fill('#add input', text)
  await page.click('#add button')
}

t.test('pages of who is logged in see what others add, and resume', needsBrowser, async t => {
  const { url } = await start(t)
  const bobsNetwork = await CuttingRelay.open(t, { url })
  const browser = await openBrowser(t)
  const [ann, bob] = [await browser.newContext(), await browser.newContext()]
  const [annsPage, bobsPage] = [await ann.newPage(), await bob.newPage()]
  await logIn(annsPage, url, 'ann')
  await add(annsPage, 'water the plants')
  await annsPage.getByText('water the plants (ann)').waitFor()
  await logIn(bobsPage, bobsNetwork.url, 'bob')
  await bobsPage.getByText('water the plants (ann)').waitFor()
  await add(bobsPage, 'buy milk')
  for (const page of [annsPage, bobsPage]) await page.getByText('buy milk (bob)').waitFor()

  bobsNetwork.goDown()
  await bobsPage.getByText('reconnecting').waitFor()
  await add(annsPage, 'while bob is away')
  await annsPage.getByText('while bob is away (ann)').waitFor()
  bobsNetwork.comeBack()
  await bobsPage.getByText('while bob is away (ann)').waitFor()
  t.equal(await bobsPage.locator('li').count(), 3)
})

t.test('who is not logged in gets nothing', async t => {
  const { url } = await start(t)
  const headers = { accept: 'text/event-stream' }
  t.equal((await fetch(`${url}/push/topics/tasks`, { headers })).status, 401)
  t.equal((await fetch(`${url}/push/topics/tasks`, { method: 'POST', body: 'x' })).status, 401)
  t.equal((await fetch(`${url}/tasks`)).status, 401)
})

t.test('it stops on SIGTERM with streams open', async t => {
  const { url, child } = await start(t, await freePort())
  const login = await fetch(`${url}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"ann"}',
  })
  const cookie = login.headers.get('set-cookie')!.split(';')[0]!
  const accept = 'text/event-stream'
  const stream = await fetch(`${url}/push/topics/tasks`, { headers: { accept, cookie } })
  t.equal(stream.status, 200)
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  t.match(await stream.text(), 'millrace:bye')
  t.same(await ended, [0, null])
})
