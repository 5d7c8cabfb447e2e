// Compressed streams, decoded by clients that others wrote, directly and through a proxy.

import { EventSource as NpmEventSource, type FetchLike } from 'eventsource'
import { createParser } from 'eventsource-parser'
import t, { type Test } from 'tap'
import { Agent, EventSource, fetch, type RequestInit } from 'undici'
import { BrowserPage, needsBrowser, openBrowser } from '../support/browser.ts'
import { needs, start } from '../support/commands.ts'
import { needsNginx, startNginx } from '../support/nginx.ts'
import { getsAllCompressed, type FollowCompressed, type Way } from './compression.ts'

function agentOf(t: Test, ca: string, allowH2: boolean): Agent {
  const agent = new Agent({ connect: { ca }, allowH2 })
  t.teardown(() => agent.destroy())
  return agent
}

/** undici's `fetch`, with a parser that others wrote. */
const fetches: FollowCompressed = async (t, url, hub, deliver) => {
  const headers = { accept: 'text/event-stream' }
  const init: RequestInit = { headers, dispatcher: agentOf(t, hub.ca, true) }
  const response = await fetch(url, init)
  t.equal(response.headers.get('content-encoding'), 'gzip')
  const parser = createParser({ onEvent: ({ event, data }) => event === undefined && deliver(data) })
  const decoder = new TextDecoder()
  const read = async (): Promise<void> => {
    for await (const chunk of response.body!)
      parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
  }
  // It ends when the test does.
  read().catch(() => {})
}

const undiciEventSource: FollowCompressed = (t, url, hub, deliver) => {
  const source = new EventSource(url, { node: { dispatcher: agentOf(t, hub.ca, true) } })
  source.addEventListener('message', ({ data }) => deliver(data as string))
  t.teardown(() => source.close())
}

const npmEventSource: FollowCompressed = (t, url, hub, deliver) => {
  const dispatcher = agentOf(t, hub.ca, false)
  const overHttp1: FetchLike = (to, init) => fetch(to, { ...init, dispatcher })
  const source = new NpmEventSource(url, { fetch: overHttp1 })
  source.addEventListener('message', ({ data }) => deliver(data as string))
  t.teardown(() => source.close())
}

function curl(...flags: string[]): FollowCompressed {
  return (t, url, hub, deliver) => {
    const shared = ['--silent', '--no-buffer', '--cacert', hub.caFile]
    const child = start(t, 'curl', [...shared, ...flags, '--header', 'accept: text/event-stream', url])
    const parser = createParser({ onEvent: ({ event, data }) => event === undefined && deliver(data) })
    child.stdout!.setEncoding('utf8').on('data', (text: string) => parser.feed(text))
  }
}

async function chromium(t: Test): Promise<FollowCompressed> {
  const browser = await openBrowser(t)
  return async (t, url, hub, deliver) => {
    const page = await BrowserPage.open(t, browser, `${hub.url}/errors`)
    page.events.push = ({ type, data }) => type === 'message' && deliver(data!)
    await page.follow('prices', url)
  }
}

const overHttp1 = ['--compressed', '--http1.1']
const chromiumSource = "Chromium's EventSource"

t.test("undici's fetch", t => getsAllCompressed(t, fetches))
t.test("undici's EventSource", t => getsAllCompressed(t, undiciEventSource))
t.test('the eventsource package, over HTTP/1.1', t => getsAllCompressed(t, npmEventSource))
t.test('curl --compressed', needs('curl'), t => getsAllCompressed(t, curl('--compressed', '--http2')))
t.test('curl --compressed, over HTTP/1.1', needs('curl'), t => getsAllCompressed(t, curl(...overHttp1)))
t.test(chromiumSource, needsBrowser, async t => getsAllCompressed(t, await chromium(t)))

t.test('through nginx', needsNginx, async t => {
  const way: Way = { through: startNginx }
  t.test("undici's fetch", t => getsAllCompressed(t, fetches, way))
  t.test('curl --compressed, over HTTP/1.1', needs('curl'), t =>
    getsAllCompressed(t, curl(...overHttp1), way),
  )
  t.test(chromiumSource, needsBrowser, async t => getsAllCompressed(t, await chromium(t), way))
  t.test('curl, which takes no gzip: nginx undoes it', needs('curl'), async t => {
    await getsAllCompressed(t, curl('--http2'), { ...way, prefix: '/unpacked' })
  })
})
