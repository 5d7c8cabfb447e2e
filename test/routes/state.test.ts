// A topic's state: one value beyond retention, handed to whoever comes new. And DELETE, which forgets it all.

import t from 'tap'
import { EventReader } from '../support/event-reader.ts'
import { pageOf } from '../support/history.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metric } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'

async function setState(hub: TestHub, topic: string, body: string, type = 'text/plain'): Promise<string> {
  const response = await hub.fetch(`/topics/${topic}`, {
    method: 'PUT',
    body,
    headers: { 'content-type': type },
  })
  if (response.status !== 201) throw new Error(await response.text())
  return ((await response.json()) as { id: string }).id
}

t.test('a new subscriber is handed the state first, without an id', async t => {
  const hub = await startHub(t)
  await setState(hub, 'lamp?type=power', 'on')
  const last = await hub.publish('lamp', 'flicker')
  const reader = await EventReader.open(hub, '/topics/lamp')
  const [open, state] = await reader.take(2)
  t.match(open, { event: 'millrace:open', id: undefined })
  t.same(state, { id: undefined, event: 'power', data: 'on' })
  t.equal(reader.lastId, undefined, 'cut off here, a client begins anew')
  t.same(await reader.take(1), [{ id: last, event: 'millrace:ready', data: '{}' }])
  const id = await setState(hub, 'lamp', 'off')
  t.same(
    await reader.take(1),
    [{ id, event: undefined, data: 'off' }],
    'set live, it is an event like others',
  )
  reader.close()
})

t.test('a feed is handed the states of all its topics', async t => {
  const hub = await startHub(t)
  await setState(hub, 'lamps/1', '{"on":true}', 'application/json')
  await setState(hub, 'lamps/2', 'text')
  await setState(hub, 'other', 'x')
  const reader = await EventReader.open(hub, '/feed?topic=lamps/*')
  const [, ...states] = await reader.take(3)
  t.same(
    states.map(({ id, event }) => ({ id, event })),
    [
      { id: undefined, event: undefined },
      { id: undefined, event: undefined },
    ],
  )
  t.match(
    states.map(({ data }) => JSON.parse(data) as object),
    [
      { topic: 'lamps/1', data: { on: true } },
      { topic: 'lamps/2', data: 'text' },
    ],
  )
  reader.close()
})

t.test('whoever resumes gets the events since, not the state', async t => {
  const hub = await startHub(t)
  const seen = await setState(hub, 'lamp', 'on')
  await hub.publish('lamp', 'flicker')
  const reader = await EventReader.open(hub, '/topics/lamp', { 'last-event-id': seen })
  t.match(await reader.take(2), [{ event: 'millrace:open' }, { data: 'flicker', id: /-/ }])
  reader.close()
  const earliest = await EventReader.open(hub, '/topics/lamp?after=earliest')
  t.match(await earliest.take(3), [{ event: 'millrace:open' }, { data: 'on', id: seen }, { data: 'flicker' }])
  earliest.close()
})

t.test('the state outlives the history that it came from', async t => {
  const hub = await startHub(t, { logMaxTopicEvents: 3 })
  const id = await setState(hub, 'lamp', 'on')
  for (let number = 0; number < 5; number++) await hub.publish('lamp', `flicker ${number}`)
  const fresh = await EventReader.open(hub, '/topics/lamp')
  t.match((await fresh.take(2))[1], { data: 'on', id: undefined })
  fresh.close()
  const page = await pageOf(hub, 'lamp')
  t.match(page, { state: { id, data: 'on' } })
  t.same(
    page.events.map(({ data }) => data),
    ['flicker 2', 'flicker 3', 'flicker 4'],
  )
  const head = await hub.fetch('/topics/lamp', { method: 'HEAD' })
  t.equal(head.headers.get('millrace-state'), id)
  t.equal(head.headers.get('millrace-events'), '3')
})

t.test('whoever missed the state with the history around it is handed it after the gap', async t => {
  const hub = await startHub(t, { logMaxTopicEvents: 3 })
  const seen = await hub.publish('lamp', 'seen')
  await setState(hub, 'lamp', 'on')
  for (let number = 0; number < 5; number++) await hub.publish('lamp', `flicker ${number}`)
  const reader = await EventReader.open(hub, '/topics/lamp', { 'last-event-id': seen })
  t.match(await reader.take(6), [
    { event: 'millrace:open', id: seen },
    { event: 'millrace:gap', id: seen },
    { data: 'on', id: undefined },
    { data: 'flicker 2' },
    { data: 'flicker 3' },
    { data: 'flicker 4' },
  ])
  reader.close()
})

t.test('a new state takes the place of the old one', async t => {
  const hub = await startHub(t)
  await setState(hub, 'lamp', 'on')
  const id = await setState(hub, 'lamp', 'off')
  const reader = await EventReader.open(hub, '/topics/lamp')
  await reader.take(1)
  const [state] = await reader.take(2)
  t.equal(state?.data, 'off')
  await hub.publish('lamp', 'next')
  t.equal((await reader.take(1))[0]?.data, 'next', 'there is one state')
  t.match(await pageOf(hub, 'lamp'), { state: { id, data: 'off' } })
  reader.close()
})

t.test('maxStateBytes: a state that does not fit is refused, and the old one stays', async t => {
  const hub = await startHub(t, { maxStateBytes: 3000 })
  await setState(hub, 'a', 'x'.repeat(1000))
  await setState(hub, 'b', 'y'.repeat(1000))
  for (const topic of ['a', 'c']) {
    const response = await hub.fetch(`/topics/${topic}`, { method: 'PUT', body: 'z'.repeat(2500) })
    await expectProblem(t, response, 'MILLRACE_STATE_FULL')
  }
  t.match(await pageOf(hub, 'a'), { state: { data: /^x+$/ } })
  t.equal((await hub.fetch('/topics/c')).status, 200)
  t.same((await pageOf(hub, 'c')).events, [])
  await setState(hub, 'a', 'small')
  await hub.fetch('/topics/b', { method: 'DELETE' })
  await setState(hub, 'c', 'z'.repeat(2000))
  t.ok((await metric(hub, 'millrace_state_bytes')) > 2000)
})

t.test('DELETE forgets the events and the state, and subscribers are told', async t => {
  const hub = await startHub(t)
  const seen = await hub.publish('lamp', 'seen')
  await setState(hub, 'lamp', 'on')
  const reader = await EventReader.open(hub, '/topics/lamp')
  const feed = await EventReader.open(hub, '/feed?topic=**')
  await reader.take(3)
  await feed.take(3)
  const response = await hub.fetch('/topics/lamp', { method: 'DELETE' })
  t.equal(response.status, 200)
  const { id } = (await response.json()) as { id: string }
  const reset = { id, event: 'millrace:reset', data: '{"topic":"lamp"}' }
  t.same(await reader.take(1), [reset])
  t.same(await feed.take(1), [reset])

  t.test('there is nothing left of it', async t => {
    for (const method of ['DELETE', 'HEAD']) {
      t.equal((await hub.fetch('/topics/lamp', { method })).status, 404, method)
    }
    await expectProblem(t, await hub.fetch('/topics/lamp', { method: 'DELETE' }), 'MILLRACE_NOT_FOUND')
    t.same(await (await hub.fetch('/topics')).json(), { topics: [] })
    t.same((await pageOf(hub, 'lamp')).state, undefined)
    t.equal(await metric(hub, 'millrace_state_bytes'), 0)
  })
  t.test('whoever resumes is told, and not of a gap', async t => {
    const resumed = await EventReader.open(hub, '/topics/lamp', { 'last-event-id': seen })
    t.match(await resumed.take(3), [{ event: 'millrace:open' }, reset, { event: 'millrace:ready', id }])
    const next = await hub.publish('lamp', 'a new beginning')
    t.match(await resumed.take(1), [{ id: next, data: 'a new beginning' }])
    resumed.close()
  })
  t.test('whoever comes new gets neither state nor reset', async t => {
    const fresh = await EventReader.open(hub, '/topics/lamp')
    await fresh.take(1)
    await hub.publish('lamp', 'next')
    t.match(await fresh.take(1), [{ data: 'next' }])
    fresh.close()
  })
  reader.close()
  feed.close()
})

t.test('the history of a topic that was deleted begins after that', async t => {
  const hub = await startHub(t)
  await hub.publish('lamp', 'old')
  await hub.fetch('/topics/lamp', { method: 'DELETE' })
  await hub.publish('lamp', 'new')
  const { events, gap } = await pageOf(hub, 'lamp')
  t.match(
    events.filter(({ type }) => type === undefined),
    [{ data: 'new' }],
  )
  t.equal(gap, undefined)
  const head = await hub.fetch('/topics/lamp', { method: 'HEAD' })
  t.equal(head.headers.get('millrace-events'), '1')
})
