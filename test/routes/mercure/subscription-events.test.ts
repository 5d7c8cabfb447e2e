// Events about subscriptions: whoever may subscribe makes them, and must not harm others by it.

import t from 'tap'
import { metric, metricIs } from '../../support/metrics.ts'
import { onOwnConnection } from '../../support/hub.ts'
import { bearer } from '../../support/tokens.ts'
import { at, draft7Token, publisherWith, startMercureHub, statusOf, SUBSCRIPTIONS } from './support.ts'
import { UpdateStream } from './update-stream.ts'

const everything = await draft7Token({ publish: ['*'], subscribe: ['*'] })

t.test('clients that come and go do not push updates out of the history', async t => {
  const hub = await startMercureHub(t, { anonymousMetrics: true })
  await publisherWith(hub, everything).publish({ topic: 't1', data: 'first' })
  const topics = Array.from({ length: 1000 }, (_, n) => `t${n}`)
  for (let round = 0; round < 6; round++) {
    const stream = await UpdateStream.open(t, hub, at({ topic: topics }))
    stream.close()
    await metricIs(hub, 'millrace_streams', 0)
  }
  // Two events for each topic of each stream.
  await metricIs(hub, 'millrace_log_events', 1 + 10_000)
  const stream = await UpdateStream.open(t, hub, at({ topic: topics, lastEventID: 'earliest' }))
  t.same(await stream.takeData(1), ['first'])
})

t.test('a hub can be told to make none, and to speak no Mercure at all', async t => {
  const silent = await startMercureHub(t, { mercureSubscriptions: false, anonymousMetrics: true })
  const stream = await UpdateStream.open(t, silent, at({ topic: '*' }), { token: everything })
  t.equal(await statusOf(silent, SUBSCRIPTIONS, { headers: bearer(everything) }), 404)
  const other = await UpdateStream.open(t, silent, at({ topic: 'https://e.example/1' }))
  other.close()
  await metricIs(silent, 'millrace_streams', 1)
  await publisherWith(silent, everything).publish({ topic: 'https://e.example/1', data: 'the only one' })
  t.same(await stream.takeData(1), ['the only one'])
  t.equal(await metric(silent, 'millrace_log_events'), 1)
  const mute = await startMercureHub(t, { mercure: false })
  t.equal(await statusOf(mute, at({ topic: '*' })), 404)
})

t.test('a worker tells of the subscriptions of all', async t => {
  const hub = await startMercureHub(t, { workers: 2 })
  const streams = await Promise.all(
    [1, 2, 3, 4, 5, 6].map(n =>
      UpdateStream.open(t, onOwnConnection(t, hub), at({ topic: `https://e.example/${n}` })),
    ),
  )
  const answer = await onOwnConnection(t, hub).fetch(SUBSCRIPTIONS, { headers: bearer(everything) })
  const { subscriptions } = (await answer.json()) as { subscriptions: { topic: string }[] }
  t.same(new Set(subscriptions.map(({ topic }) => topic.at(-1))), new Set('123456'))
  for (const stream of streams) stream.close()
})
