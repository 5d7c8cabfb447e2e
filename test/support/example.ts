// An example as a user starts it, and its page as a user opens it.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import { freePort } from './hub-process.ts'

const run = fileURLToPath(new URL('../../examples/run.ts', import.meta.url))

export interface RunningExample {
  readonly url: string
  /** Ends the process without a goodbye. */
  kill(): Promise<void>
  /** Starts another one over the same data. */
  startAgain(): Promise<void>
}

/** Killed when the test ends. */
export async function startExample(t: Test, name: string): Promise<RunningExample> {
  const data = mkdtempSync(join(tmpdir(), 'millrace-example-'))
  const port = await freePort()
  const start = (): Promise<ChildProcess> => spawnExample(name, port, data)
  let child = await start()
  t.teardown(async () => {
    await kill(child)
    rmSync(data, { recursive: true, force: true })
  })
  return {
    url: `http://localhost:${port}`,
    kill: () => kill(child),
    startAgain: async () => {
      child = await start()
    },
  }
}

export interface OpenPage {
  readonly page: Page
  readonly context: BrowserContext
  /** What the console shows in red. */
  readonly complaints: string[]
}

/** In a context of its own, as another user has it; closed when the test ends. */
export async function openExample(t: Test, browser: Browser, url: string, width = 1100): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width, height: 700 } })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(String(error)))
  page.on('console', message => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  await page.goto(url)
  return { page, context, complaints }
}

/** Nothing is wider than the window. */
export async function fitsWidth({ page }: OpenPage): Promise<boolean> {
  const width = await page.evaluate('document.documentElement.scrollWidth')
  return width === page.viewportSize()!.width
}

async function spawnExample(name: string, port: number, data: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--conditions=millrace-source', run, name], {
    env: { ...process.env, PORT: String(port), DATA_DIR: data },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the example ended with ${code} before it listened`)
    }),
  ])
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
