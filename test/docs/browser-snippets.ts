// A page's scripts and HTML in Chromium: nothing may throw, every answer must be a success, and every EventSource must get
// an event.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, CDPSession, Page } from 'playwright-core'
import type { Test } from 'tap'

/** What the page's own EventSource and fetch leave behind, once they are watched. */
interface Seen {
  readonly url: string
  readonly count: number
}

interface Places {
  /** Where scripts are run that name no page of their own. */
  readonly home: string
  /** Of the server that has these pages, by path. */
  readonly origin: string
  readonly pages: Map<string, string>
  readonly patienceMs: number
}

export class BrowserSnippets {
  readonly #page: Page
  readonly #session: CDPSession
  readonly #faults: string[] = []
  readonly #places: Places

  /** Scripts run in the page `home`, modules and HTML come from another server of this machine. */
  static async open(t: Test, browser: Browser, home: string, patienceMs = 10_000): Promise<BrowserSnippets> {
    const pages = new Map<string, string>()
    const server = createServer(({ url = '' }, response) => {
      const type = url.endsWith('.js') ? 'text/javascript' : 'text/html'
      response.setHeader('content-type', `${type}; charset=utf-8`)
      response.end(pages.get(url) ?? '')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    t.teardown(async () => {
      await context.close()
      server.close()
    })
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const page = await context.newPage()
    return new BrowserSnippets(page, await context.newCDPSession(page), { home, origin, pages, patienceMs })
  }

  private constructor(page: Page, session: CDPSession, places: Places) {
    this.#page = page
    this.#session = session
    this.#places = places
    page.on('pageerror', error => this.#faults.push(String(error)))
  }

  /** Runs a script as a browser's console does: names that it declares are there for the next one. */
  async runScript(script: string): Promise<void> {
    if (this.#page.url() === 'about:blank') await this.#goto(this.#places.home)
    const { exceptionDetails } = await this.#session.send('Runtime.evaluate', {
      expression: script,
      replMode: true,
      awaitPromise: true,
    })
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description)
    await this.#settle()
  }

  /** Runs `/snippet.js` of these files as a module of a page that has `millrace/client`, to its end. */
  async runModule(files: ReadonlyMap<string, string>): Promise<void> {
    for (const [path, text] of files) this.#places.pages.set(path, text)
    this.#places.pages.set('/module', MODULE_PAGE)
    await this.#goto(`${this.#places.origin}/module`)
    const ended = 'globalThis.snippetEnd'
    const end = await this.#page
      .waitForFunction(ended, undefined, { timeout: this.#places.patienceMs })
      .catch(() => {
        throw new Error('the module does not end')
      })
    const said = (await end.jsonValue()) as string
    if (said !== 'ended') throw new Error(said)
    await this.#settle()
  }

  /** Opens the text as a page; it must come to show something. */
  async runHtml(html: string): Promise<void> {
    this.#places.pages.set('/page', html)
    await this.#goto(`${this.#places.origin}/page`)
    await this.#settle()
    if ((await this.#page.innerText('body')).trim() === '') throw new Error('the page shows nothing')
  }

  async #goto(url: string): Promise<void> {
    await this.#page.addInitScript(WATCH)
    await this.#page.goto(url)
  }

  /** Waits until every EventSource has got an event. */
  async #settle(): Promise<void> {
    const everyOneHas = 'snippetSources.every(({ count }) => count > 0)'
    await this.#page
      .waitForFunction(everyOneHas, undefined, { timeout: this.#places.patienceMs })
      .catch(async () => {
        const seen = await this.#page.evaluate<Seen[]>('snippetSources')
        const silent = seen.filter(({ count }) => count === 0).map(({ url }) => url)
        throw new Error(`no event came from ${silent.join(', ')}`)
      })
    const failed = await this.#page.evaluate<string[]>('snippetFailures')
    const faults = [...this.#faults.splice(0), ...failed]
    if (faults.length > 0) throw new Error(faults.join('\n'))
  }
}

const MODULE_PAGE = `<!doctype html>
<div id="root"></div>
<script type="importmap">{ "imports": { "millrace/client": "/client.js" } }</script>
<script type="module">
  import('/snippet.js').then(
    () => (globalThis.snippetEnd = 'ended'),
    error => (globalThis.snippetEnd = String(error?.stack ?? error)),
  )
</script>`

const WATCH = `
  globalThis.snippetSources = []
  globalThis.snippetFailures = []
  const isOwn = type => type === 'open' || type === 'error' || type === 'millrace:open'
  globalThis.EventSource = class extends EventSource {
    constructor(url, init) {
      super(url, init)
      const seen = { url, count: 0 }
      snippetSources.push(seen)
      this.addEventListener('message', () => seen.count++)
    }
    addEventListener(type, listener, options) {
      super.addEventListener(type, listener, options)
      const seen = snippetSources.at(-1)
      if (!isOwn(type) && type !== 'message') super.addEventListener(type, () => seen.count++)
    }
  }
  const reallyFetch = globalThis.fetch
  globalThis.fetch = async (...args) => {
    const response = await reallyFetch(...args)
    if (!response.ok) snippetFailures.push(response.status + ' ' + response.url)
    return response
  }
`
