// h2load, from nghttp2: many publishers at once, and not an event too few or too many.

import { join } from 'node:path'
import t from 'tap'
import { needs, run } from '../support/commands.ts'
import { EventReader } from '../support/event-reader.ts'
import { startHub } from '../support/hub.ts'

const REQUESTS = 2000

t.test('2,000 POSTs on 40 streams of 4 connections make 2,000 events', needs('h2load'), async t => {
  const hub = await startHub(t)
  const readers = await Promise.all([
    EventReader.open(hub, '/topics/load'),
    EventReader.open(hub, '/feed?topic=**'),
  ])
  const file = join(t.testdir({ body: 'one of many' }), 'body')
  const received = Promise.all(readers.map(reader => reader.take(REQUESTS + 1)))
  const shared = ['-n', String(REQUESTS), '-c', '4', '-m', '10', '-H', 'content-type: text/plain']
  const { code, stdout } = await run('h2load', [...shared, '-d', file, `${hub.url}/topics/load`])
  t.equal(code, 0)
  t.match(stdout, 'Application protocol: h2')
  t.match(stdout, '2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout')
  t.match(stdout, 'status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx')

  const [topic, feed] = (await received).map(([, ...events]) => events.map(({ id }) => id!))
  t.same(topic, topic!.toSorted(), 'in the order of their ids')
  t.equal(new Set(topic).size, REQUESTS, 'each once')
  t.same(feed, topic, 'everybody in the same order')
  const last = await hub.publish('load', 'the end')
  for (const reader of readers) t.equal((await reader.next())?.id, last, 'and nothing else')
  for (const reader of readers) reader.close()
})
