// Who it was: the log names the clients whose streams the hub gave up.

import { once } from 'node:events'
import t from 'tap'
import { MemoryLog } from '../../src/log/memory.ts'
import { EventReader } from '../support/event-reader.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub } from '../support/hub.ts'
import { Inbox } from '../support/inbox.ts'
import { metricIs } from '../support/metrics.ts'
import { startRelay } from '../support/relay.ts'

const INFO = 30
const WARN = 40

interface Line {
  readonly level: number
  readonly msg: string
  readonly reason?: string
  readonly remoteAddress?: string
  readonly remotePort?: number
  readonly feed?: string
  readonly topics?: string[]
  readonly topicCount?: number
  readonly positionsBehind?: number
  readonly openMs?: number
  readonly bytesSent?: number
  readonly err?: { message: string }
}

/** What the hub logs, and the reports among it. */
function logged(): { lines: Inbox<Line>; write: (text: string) => void; reports: () => Line[] } {
  const lines = new Inbox<Line>()
  return {
    lines,
    write: text => lines.push(JSON.parse(text) as Line),
    reports: () => lines.items.filter(line => line.reason !== undefined),
  }
}

t.test('a stream that stalls is reported with who it was and how it stood', async t => {
  const log = logged()
  const hub = await startHub(t, { heartbeatMs: 50, stallTimeoutMs: 300 }, log)
  const client = new Http2Client(t, hub, { settings: { initialWindowSize: 10_000 } })
  const names = ['flood', ...Array.from({ length: 9 }, (_, at) => `other/${at}`)]
  const stream = await client.listen(`/feed?${names.map(name => `topic=${name}`).join('&')}`)
  const [first] = (await once(stream, 'data')) as [Buffer]
  const feed = /"feed":"([\w-]+)"/.exec(first.toString())![1]
  stream.pause()
  for (let number = 0; number < 20; number++) await hub.publish('flood', 'x'.repeat(100_000))
  const line = await log.lines.find(each => each.reason === 'stalled')
  t.equal(line.level, WARN)
  t.match(line.msg, /read nothing for stallTimeoutMs/)
  t.match(line.remoteAddress, /^(::ffff:)?127\.0\.0\.1$|^::1$/)
  t.equal(line.remotePort, client.session.socket.localPort)
  t.equal(line.feed, feed)
  t.same(line.topics, names.slice(0, 5))
  t.equal(line.topicCount, 10)
  t.ok(line.positionsBehind! >= 15 && line.positionsBehind! <= 20, `${line.positionsBehind} positions behind`)
  t.ok(line.openMs! >= 300 && line.openMs! < 20_000, `open for ${line.openMs} ms`)
  t.ok(line.bytesSent! > 0 && line.bytesSent! < 500_000, `${line.bytesSent} bytes`)
})

t.test('a peer that vanished is reported, and was not behind when it was live', async t => {
  const log = logged()
  const hub = await startHub(t, { pingIntervalMs: 50, pingTimeoutMs: 200 }, log)
  const relay = await startRelay(t, hub)
  const client = new Http2Client(t, relay.hub)
  const stream = await client.listen('/topics/a')
  stream.resume()
  await metricIs(hub, 'millrace_subscribers_live', 1)
  await hub.publish('b', '')
  relay.freeze()
  const line = await log.lines.find(each => each.reason === 'vanished')
  t.match(line, { level: INFO, topics: ['a'], topicCount: 1, positionsBehind: 0 })
})

t.test('a log that cannot be read is reported with its error', async t => {
  const log = logged()
  const hub = await startHub(t, {}, log)
  const id = await hub.publish('a', '1')
  await hub.publish('a', '2')
  t.intercept(MemoryLog.prototype, 'read', {
    value: async () => {
      throw new Error('the disk is on fire')
    },
  })
  const reader = await EventReader.open(hub, '/topics/a', { 'last-event-id': id })
  await reader.take(1)
  t.match((await reader.next())?.data, /"reason":"error"/)
  const line = await log.lines.find(each => each.reason === 'error')
  t.match(line, { level: WARN, topics: ['a'], positionsBehind: 1, err: { message: 'the disk is on fire' } })
})

t.test('clients that go away, and a drain, are nothing to report', async t => {
  const log = logged()
  const hub = await startHub(t, {}, log)
  const readers = await Promise.all([1, 2].map(() => EventReader.open(hub, '/topics/a')))
  readers[0]!.close()
  await metricIs(hub, 'millrace_closes_total{reason="client"}', 1)
  await hub.server.close()
  await log.lines.find(line => line.msg === 'closed')
  t.same(log.reports(), [])
  readers[1]!.close()
})
