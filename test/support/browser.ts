// A headless Chromium and its pages. Where there is none the tests are skipped visibly; in CI it is required.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { Inbox } from './inbox.ts'

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'

export const needsBrowser: { skip?: string } =
  existsSync(executablePath) || process.env['CI'] !== undefined
    ? {}
    : { skip: `${executablePath} does not exist; CHROMIUM_PATH names another` }

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP foreign.test 127.0.0.1',
]

/** Ends with the test that it is opened for. */
export async function openBrowser(t: Test, flags: readonly string[] = []): Promise<Browser> {
  const browser = await chromium.launch({ executablePath, args: [...FLAGS, ...flags] })
  t.teardown(() => browser.close())
  return browser
}

/** An event as a page got it; `open` and `error` are the EventSource's own. */
export interface PageEvent {
  readonly name: string
  readonly type: string
  readonly data?: string
  readonly id?: string
  readonly readyState: number
}

export interface PageAnswer {
  readonly status?: number
  readonly type?: string
  readonly text?: string
  readonly error?: string
}

// What page.js defines, for functions that run in the page.
declare const follow: (name: string, url: string, types: readonly string[], init: EventSourceOptions) => void
declare const request: (url: string, init?: object) => Promise<PageAnswer>

export interface EventSourceOptions {
  readonly withCredentials?: boolean
}

export class BrowserPage {
  readonly page: Page
  /** What all of the page's EventSources got. */
  readonly events = new Inbox<PageEvent>()
  /** What the console shows in red. */
  readonly complaints: string[] = []

  static async open(
    t: Test,
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<BrowserPage> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options })
    t.teardown(() => context.close())
    const opened = new BrowserPage(await context.newPage())
    await opened.#listen()
    await opened.page.goto(url)
    return opened
  }

  private constructor(page: Page) {
    this.page = page
  }

  /** Opens an EventSource in the page; its events bear this name. */
  follow(
    name: string,
    url: string,
    types: readonly string[] = [],
    init: EventSourceOptions = {},
  ): Promise<void> {
    const parameters = [name, url, types, init] as const
    return this.page.evaluate(([source, ...args]) => follow(source, ...args), parameters)
  }

  /** Fetches from within the page. */
  request(url: string, init: object = {}): Promise<PageAnswer> {
    return this.page.evaluate(([to, how]) => request(to, how), [url, init] as const)
  }

  async #listen(): Promise<void> {
    await this.page.exposeFunction('deliver', (event: PageEvent) => this.events.push(event))
    await this.page.addInitScript({ path: fileURLToPath(new URL('./page.js', import.meta.url)) })
    this.page.on('pageerror', error => this.complaints.push(String(error)))
    this.page.on('console', message => {
      if (message.type() === 'error') this.complaints.push(message.text())
    })
  }
}
