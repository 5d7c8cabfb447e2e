// curl, over HTTP/2 and HTTP/1.1: what shell scripts send, and what a person watches in a terminal.

import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import t, { type Test } from 'tap'
import { needs, run, start } from '../support/commands.ts'
import { pageOf } from '../support/history.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { Inbox } from '../support/inbox.ts'

const VERSIONS = { '--http2': '2', '--http1.1': '1.1' } as const

type VersionFlag = keyof typeof VERSIONS

/** Publishes with curl; returns the answer and the HTTP version it came by. */
async function publish(hub: TestHub, flag: VersionFlag, args: readonly string[], path = '/topics/t') {
  const shared = ['--silent', '--show-error', '--cacert', hub.caFile, '--write-out', '\n%{json}']
  const { code, stdout, stderr } = await run('curl', [...shared, flag, ...args, `${hub.url}${path}`])
  if (code !== 0) throw new Error(`curl ended with ${code}: ${stderr}`)
  const [answer, facts] = stdout.split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
  return { answer, status: facts!['http_code'], version: facts!['http_version'] }
}

/** Follows the path with `curl --no-buffer`. */
function follow(t: Test, hub: TestHub, flag: VersionFlag, path: string, headers: readonly string[] = []) {
  const accept = ['accept: text/event-stream', ...headers].flatMap(header => ['--header', header])
  const shared = ['--silent', '--no-buffer', '--include', '--cacert', hub.caFile]
  const child = start(t, 'curl', [...shared, flag, ...accept, `${hub.url}${path}`])
  const events = new Inbox<EventSourceMessage>()
  const parser = createParser({ onEvent: event => events.push(event) })
  let head = ''
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    if (head.includes('\r\n\r\n')) return parser.feed(chunk)
    head += chunk
    const end = head.indexOf('\r\n\r\n')
    if (end !== -1) parser.feed(head.slice(end + 4))
  })
  return { child, events, statusLine: () => head.slice(0, head.indexOf('\r\n')).trim() }
}

for (const [flag, version] of Object.entries(VERSIONS) as [VersionFlag, string][]) {
  t.test(`curl ${flag}`, needs('curl'), async t => {
    t.test('-d publishes text as it stands', async t => {
      const hub = await startHub(t)
      const { answer, ...facts } = await publish(hub, flag, ['-d', 'a=1&b=%20 ü'])
      t.same(facts, { status: 201, version })
      const { events } = await pageOf(hub, 't')
      t.match(events, [{ id: answer!['id'], data: 'a=1&b=%20 ü' }])
      t.equal(events.length, 1)
    })

    t.test('--json publishes JSON that feeds and history embed, and is refused when it is none', async t => {
      const hub = await startHub(t)
      t.match(await publish(hub, flag, ['--json', '{"n": [1, 2.50]}']), { status: 201, version })
      const refused = await publish(hub, flag, ['--json', '{"n": '])
      t.match(refused, { status: 400, answer: { code: 'MILLRACE_JSON_INVALID' } })
      const { events } = await pageOf(hub, 't')
      t.same(
        events.map(({ data }) => data),
        [{ n: [1, 2.5] }],
      )
    })

    t.test('--data-binary @file publishes a file with its line ends', async t => {
      const hub = await startHub(t)
      const content = `first\r\n\n\tthird ${'x'.repeat(100_000)}\n`
      const directory = t.testdir({ body: content })
      const args = ['--data-binary', `@${join(directory, 'body')}`, '--header', 'content-type: text/plain']
      t.match(await publish(hub, flag, args), { status: 201, version })
      t.match((await pageOf(hub, 't')).events, [{ data: content }])
    })

    t.test('-T uploads an NDJSON file, an event a line', async t => {
      const hub = await startHub(t)
      const lines = Array.from({ length: 5000 }, (_, number) => JSON.stringify({ number }))
      const directory = t.testdir({ 'lines.ndjson': lines.join('\n') })
      const upload = ['--request', 'POST', '-T', join(directory, 'lines.ndjson')]
      const args = [...upload, '--header', 'content-type: application/x-ndjson']
      const { answer, ...facts } = await publish(hub, flag, args)
      t.same(facts, { status: 201, version })
      t.match(answer, { published: 5000, duplicates: 0 })
      const { events } = await pageOf(hub, 't', 'limit=1&after=' + before(String(answer!['id'])))
      t.match(events, [{ id: answer!['id'], data: { number: 4999 } }])
      t.equal((await hub.fetch('/topics/t', { method: 'HEAD' })).headers.get('millrace-events'), '5000')
    })

    t.test('-T . sends what it reads, line by line, and each line is delivered at once', async t => {
      const hub = await startHub(t)
      const { events } = follow(t, hub, flag, '/topics/t')
      await events.take(1)
      const ndjson = ['--header', 'content-type: application/x-ndjson']
      const shared = ['--silent', '--cacert', hub.caFile, flag, '--request', 'POST', '-T', '.']
      const child = start(t, 'curl', [...shared, ...ndjson, `${hub.url}/topics/t`])
      for (const number of [1, 2, 3]) {
        child.stdin!.write(`{"number":${number}}\n`)
        t.equal((await events.take(number + 1)).at(-1)?.data, `{"number":${number}}`)
      }
      child.stdin!.end()
      t.match(JSON.parse(await text(child.stdout!)), { published: 3 })
    })

    t.test('-N shows events as they come, and goes on from an id', async t => {
      const hub = await startHub(t)
      const first = follow(t, hub, flag, '/feed?topic=a/*&topic=b')
      t.equal((await first.events.take(1))[0]?.event, 'millrace:open')
      t.match(first.statusLine(), new RegExp(`^HTTP/${version} 200`))
      const ids = [await hub.publish('a/1', 'one'), await hub.publish('b?type=x', 'two')]
      const [, one, two] = await first.events.take(3)
      t.same([one?.id, two?.id], ids)
      t.match(JSON.parse(two!.data), { topic: 'b', type: 'x', data: 'two' })
      first.child.kill('SIGKILL')
      await once(first.child, 'exit')

      ids.push(await hub.publish('a/2', 'three'))
      const second = follow(t, hub, flag, '/feed?topic=a/*&topic=b', [`last-event-id: ${ids[0]}`])
      t.same(
        (await second.events.take(3)).map(({ id }) => id),
        ids,
      )
    })

    t.test('-N ends by itself, without an error, when the hub shuts down', async t => {
      const hub = await startHub(t)
      const { child, events } = follow(t, hub, flag, '/topics/t')
      const exit = once(child, 'exit')
      await events.take(1)
      await hub.server.close()
      t.same(await exit, [0, null])
      t.match((await events.take(2))[1], { event: 'millrace:bye', data: '{"reason":"drain"}' })
    })
  })
}

/** The id of the event before this one. */
function before(id: string): string {
  const [epoch, sequence] = id.split('-') as [string, string]
  return `${epoch}-${(parseInt(sequence, 36) - 1).toString(36).padStart(sequence.length, '0')}`
}
