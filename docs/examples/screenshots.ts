// Makes the screenshots of examples/README.md: starts each example, uses it as people do, and looks at it with Chromium, wide
// and light, and narrow and dark. `node docs/examples/screenshots.ts [folder] [all]`; `all` is both schemes at both widths.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium, type Page } from 'playwright-core'

const folder = process.argv[2] ?? import.meta.dirname
const WIDE = { width: 1000, height: 640 }
const NARROW = { width: 375, height: 640 }
const CAMERA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']

const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox', ...CAMERA],
})
try {
  await show('chat', 4101, chat)
  await show('llm', 4102, llm)
  await show('call', 4103, call)
  await show('vitals', 4104, vitals)
} finally {
  await browser.close()
}

/** Leads a wide page and a narrow one to what is worth a picture. */
type Act = (wide: Page, narrow: Page, url: string) => Promise<void>

async function show(name: string, port: number, act: Act): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'millrace-screenshots-'))
  const child = spawn('npm', ['run', '-s', 'example', name], {
    env: { ...process.env, PORT: String(port), DATA_DIR: data },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  try {
    await once(child.stdout, 'data')
    await takePictures(name, pages => act(...pages, `http://localhost:${port}`))
  } finally {
    process.kill(-child.pid!)
    await once(child, 'exit')
    rmSync(data, { recursive: true, force: true })
  }
}

async function takePictures(name: string, act: (pages: [Page, Page]) => Promise<void>): Promise<void> {
  const wide = await browser.newPage({ viewport: WIDE, colorScheme: 'light' })
  const narrow = await browser.newPage({ viewport: NARROW, colorScheme: 'dark' })
  await act([wide, narrow])
  await picture(wide, `${name}.png`)
  await picture(narrow, `${name}-phone.png`)
  if (process.argv[3] === 'all') {
    await wide.emulateMedia({ colorScheme: 'dark' })
    await narrow.emulateMedia({ colorScheme: 'light' })
    await picture(wide, `${name}-dark.png`)
    await picture(narrow, `${name}-phone-light.png`)
  }
  await wide.context().close()
  await narrow.context().close()
}

async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(folder, name) })
}

async function chat(wide: Page, narrow: Page, url: string): Promise<void> {
  const people: [Page, string][] = [
    [wide, 'Ann'],
    [narrow, 'Bob'],
  ]
  for (const [page, name] of people) {
    await page.goto(url)
    await page.getByLabel('Your name').fill(name)
    await page.getByRole('button', { name: 'Enter' }).click()
  }
  await wide.getByRole('button', { name: /^Kitchen/ }).click()
  await wide.getByRole('button', { name: /^Lobby/ }).click()
  await narrow.getByRole('button', { name: /^Kitchen/ }).click()
  await say(narrow, 'The kettle is on.')
  await narrow.getByRole('button', { name: /^Lobby/ }).click()
  await say(wide, 'Good morning! Is anybody up for lunch at the mill today?')
  await say(wide, 'They have the plum cake again.')
  await say(narrow, 'Count me in. Twelve o’clock?')
  await say(wide, 'Twelve it is.')
  await say(narrow, 'I will bring the drawings of the new wheel, so that we can look at them while we wait.')
  await sleep(1500)
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message', { exact: true }).fill(text)
  await page.getByRole('button', { name: 'Send' }).click()
  await page.locator('li:not(.is-pending) p', { hasText: text }).waitFor()
}

async function llm(wide: Page, narrow: Page, url: string): Promise<void> {
  await wide.goto(url)
  await wide.getByRole('button', { name: 'Why is the millrace narrow?' }).click()
  await sleep(2500)
  await narrow.goto(wide.url())
  await narrow.locator('.answer').waitFor()
}

async function call(wide: Page, narrow: Page, url: string): Promise<void> {
  await wide.goto(url)
  await wide.getByRole('button', { name: 'Start a call' }).click()
  await wide.getByRole('heading', { name: 'Waiting' }).waitFor()
  await narrow.goto(await wide.getByLabel('Link to this call').inputValue())
  await narrow.getByRole('button', { name: 'Join the call' }).click()
  for (const page of [wide, narrow])
    await page.waitForFunction("document.getElementById('theirs').currentTime > 1")
}

async function vitals(wide: Page, narrow: Page, url: string): Promise<void> {
  await sleep(Number(process.env['WARM_UP_MS'] ?? 100_000))
  for (const page of [wide, narrow]) await page.goto(url)
  await sleep(1500)
}
