// @microsoft/fetch-event-source, over HTTP/2. It is known to make empty messages of blocks without data, and to take
// an id as seen once it has read the `id:` line, whether or not the rest of the event comes.

import { fetchEventSource, type EventSourceMessage } from '@microsoft/fetch-event-source'
import t from 'tap'
import { fetch } from 'undici'
import { defineBrowserGlobals } from '../support/browser-globals.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { Inbox } from '../support/inbox.ts'
import { resumesExactly } from './exact-resume.ts'

defineBrowserGlobals()

class Ended extends Error {}

/** Follows the address for ever. `ended` settles when the client gives up, or after `stop`. */
function follow(hub: TestHub, url: string, deliver: (message: EventSourceMessage) => void) {
  const abort = new AbortController()
  const ended = fetchEventSource(url, {
    signal: abort.signal,
    openWhenHidden: true,
    fetch: ((to: string, init: object) => fetch(to, { ...init, dispatcher: hub.agent })) as never,
    onmessage: deliver,
    // The library takes the end of a stream for the end of all; its documentation says to throw.
    onclose: () => {
      throw new Ended()
    },
  })
  return { ended, stop: () => abort.abort() }
}

t.test('heartbeats and `retry:` make no messages', async t => {
  const hub = await startHub(t, { heartbeatMs: 10 })
  const inbox = new Inbox<EventSourceMessage>()
  const { stop, ended } = follow(hub, `${hub.url}/topics/quiet`, message => inbox.push(message))
  const [open] = await inbox.take(1)
  t.match(open, { event: 'millrace:open', retry: 2000, id: /^[0-9a-z]{11}-0{11}$/ })
  const ids: string[] = []
  for (const data of ['one', 'two']) {
    await silence(hub)
    ids.push(await hub.publish(`quiet?type=${data}`, data))
  }
  await silence(hub)
  await hub.publish('quiet', 'three')
  t.match((await inbox.take(4)).slice(1), [
    { event: 'one', data: 'one', id: ids[0] },
    { event: 'two', data: 'two', id: ids[1] },
    { event: '', data: 'three' },
  ])
  stop()
  await ended
})

/** Waits until a second stream has seen some heartbeats: the first has had as many, or one less. */
async function silence(hub: TestHub): Promise<void> {
  const abort = new AbortController()
  const init = { headers: { accept: 'text/event-stream' }, signal: abort.signal }
  const { body } = await hub.fetch('/topics/another', init)
  let beats = 0
  for await (const chunk of body!) {
    beats +=
      Buffer.from(chunk as Uint8Array)
        .toString()
        .match(/^:$/gm)?.length ?? 0
    if (beats >= 4) break
  }
  abort.abort()
}

t.test('it resumes exactly, wherever its connection is cut', t =>
  resumesExactly(t, (url, relay, deliver) => {
    const { stop } = follow(relay.hub, url, ({ event, data }) => event === '' && deliver(data))
    return stop
  }),
)

t.test('a client that follows several topics at once resumes them with one id', async t => {
  const hub = await startHub(t)
  const inbox = new Inbox<EventSourceMessage>()
  const url = `${hub.url}/feed?topic=orders/*&topic=logs/**&topic=news`
  const first = follow(hub, url, message => inbox.push(message))
  await inbox.take(1)
  for (const topic of ['orders/1', 'logs/a/b', 'elsewhere', 'news']) await hub.publish(topic, topic)
  const seen = await inbox.take(3)
  first.stop()
  await first.ended
  await hub.publish('logs', 'meanwhile')
  const resumed = new Inbox<EventSourceMessage>()
  const second = follow(hub, `${url}&after=${seen[1]!.id}`, message => resumed.push(message))
  const topics = (await resumed.take(4))
    .slice(1)
    .map(({ data }) => (JSON.parse(data) as { topic: string }).topic)
  t.same(topics, ['logs/a/b', 'news', 'logs'])
  second.stop()
  await second.ended
})
