// Pages of Chromium that have the bundled client, and what they deliver to the test.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import { Inbox } from '../support/inbox.ts'
import { bundleClient } from './bundle.ts'

// It defines `start`, which connects, `hub`, which that gives, and `deliver`.
const PAGE = `<!doctype html><link rel="icon" href="data:,">
<script type="module">
  import { connect } from '/client.js'
  Object.assign(globalThis, { start: (...args) => (globalThis.hub = connect(...args)), isLoaded: true })
</script>`

/** Serves the page with the client; returns the origin. */
export async function servePage(t: Test): Promise<string> {
  return serveScripts(t, PAGE, await bundleClient())
}

/** Serves these scripts by their names, and the page everywhere else; returns the origin. */
export async function serveScripts(
  t: Test,
  page: string,
  scripts: ReadonlyMap<string, string>,
): Promise<string> {
  const server = createServer((request, response) => {
    const script = scripts.get(request.url!.slice(1))
    const type = script === undefined ? 'text/html' : 'text/javascript'
    response.writeHead(200, { 'content-type': type }).end(script ?? page)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return `http://localhost:${(server.address() as AddressInfo).port}`
}

export interface OpenPage {
  readonly page: Page
  /** What the page delivers. */
  readonly inbox: Inbox<unknown>
  /** Errors that nobody has caught. */
  readonly complaints: string[]
}

export async function openPage(context: BrowserContext, origin: string): Promise<OpenPage> {
  const page = await context.newPage()
  const inbox = new Inbox<unknown>()
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(String(error)))
  await page.exposeFunction('deliver', (item: unknown) => inbox.push(item))
  await page.goto(origin)
  await page.waitForFunction(() => 'isLoaded' in globalThis)
  return { page, inbox, complaints }
}
