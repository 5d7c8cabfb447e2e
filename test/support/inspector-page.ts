// The inspector in Chromium, as an operator has it. What the browser complains of, and what it asks of others, is kept.

import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { Test } from 'tap'

export class InspectorPage {
  readonly page: Page
  /** What the console shows in red: faults of scripts, and what the policy blocks. */
  readonly complaints: string[] = []
  /** Requests to other origins than the hub's. */
  readonly foreign: string[] = []

  static async open(
    t: Test,
    browser: Browser,
    url: string,
    hash = '',
    options: BrowserContextOptions = {},
  ): Promise<InspectorPage> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options })
    t.teardown(() => context.close())
    const opened = new InspectorPage(await context.newPage(), new URL(url).origin)
    await opened.page.goto(`${url}/inspector/${hash}`)
    return opened
  }

  private constructor(page: Page, origin: string) {
    this.page = page
    page.on('pageerror', error => this.complaints.push(String(error)))
    page.on('console', message => {
      if (message.type() === 'error' || message.text().includes('Content Security Policy'))
        this.complaints.push(message.text())
    })
    page.on('request', request => {
      const target = new URL(request.url())
      if (target.protocol !== 'data:' && target.origin !== origin) this.foreign.push(request.url())
    })
  }

  /** Goes to a view, as by its link. */
  async show(hash: string): Promise<void> {
    await this.page.evaluate(`location.assign(${JSON.stringify(hash)})`)
  }

  /** How much wider than the window the page is, in pixels. */
  overflow(): Promise<number> {
    return this.page.evaluate('document.documentElement.scrollWidth - innerWidth')
  }

  /** The texts of the events that a topic's page shows, from the top, whether on the screen or not. */
  async eventTexts(): Promise<string[]> {
    return this.page.locator('.event .data').allTextContents()
  }
}
