// Idempotency-Key: whoever does not know whether a publish arrived repeats it, and it is kept once.

import t from 'tap'
import { dataOf, pageOf } from '../support/history.ts'
import { startHub } from '../support/hub.ts'
import { metric } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'

t.test('a repeated publish is answered like the first one, and says so', async t => {
  const hub = await startHub(t)
  for (const method of ['POST', 'PUT']) {
    const send = () =>
      hub.fetch('/topics/orders', { method, body: method, headers: { 'idempotency-key': `key-${method}` } })
    const first = await send()
    const id = await first.json()
    t.equal(first.headers.get('idempotent-replayed'), null)
    await hub.publish('orders', 'between')
    for (let again = 0; again < 3; again++) {
      const repeated = await send()
      t.equal(repeated.status, 201)
      t.equal(repeated.headers.get('idempotent-replayed'), 'true')
      t.same(await repeated.json(), id)
    }
  }
  t.same(await dataOf(hub, 'orders'), ['POST', 'between', 'PUT', 'between'])
  t.equal(await metric(hub, 'millrace_repeated_events_total'), 6)
})

t.test('duplicates that are under way at once are kept once', async t => {
  const hub = await startHub(t)
  const headers = { 'idempotency-key': 'at-once' }
  const ids = await Promise.all(Array.from({ length: 20 }, () => hub.publish('orders', 'x', headers)))
  t.equal(new Set(ids).size, 1)
  t.same(await dataOf(hub, 'orders'), ['x'])
})

t.test('a key that stands for another event is refused', async t => {
  const hub = await startHub(t)
  const headers = { 'idempotency-key': 'used' }
  await hub.publish('orders', 'first', headers)
  for (const [method, path, body] of [
    ['POST', 'orders', 'other data'],
    ['POST', 'others', 'first'],
    ['POST', 'orders?type=other', 'first'],
    ['PUT', 'orders', 'first'],
  ] as const) {
    const response = await hub.fetch(`/topics/${path}`, { method, body, headers })
    await expectProblem(t, response, 'MILLRACE_KEY_REUSED')
  }
  t.same(await dataOf(hub, 'orders'), ['first'])
})

t.test('a refused request leaves its key free', async t => {
  const hub = await startHub(t, { maxStateBytes: 300 })
  const headers = { 'idempotency-key': 'k', 'content-type': 'application/json' }
  const bad = await hub.fetch('/topics/a', { method: 'POST', body: '{', headers })
  await expectProblem(t, bad, 'MILLRACE_JSON_INVALID')
  const full = await hub.fetch('/topics/a', { method: 'PUT', body: `"${'x'.repeat(1000)}"`, headers })
  await expectProblem(t, full, 'MILLRACE_STATE_FULL')
  const good = await hub.fetch('/topics/a', { method: 'POST', body: '{}', headers })
  t.equal(good.status, 201)
  t.equal(good.headers.get('idempotent-replayed'), null)
})

t.test('quotes around a key, as the draft has it, are no part of it', async t => {
  const hub = await startHub(t)
  const bare = await hub.publish('orders', 'x', { 'idempotency-key': '8e03978e' })
  t.equal(await hub.publish('orders', 'x', { 'idempotency-key': '"8e03978e"' }), bare)
})

t.test('a key is 1 to 255 visible ASCII characters', async t => {
  const hub = await startHub(t)
  const send = (key: string) =>
    hub.fetch('/topics/keys', { method: 'POST', body: '', headers: { 'idempotency-key': key } })
  t.equal((await send('k'.repeat(255))).status, 201)
  for (const key of ['', '""', 'k'.repeat(256), 'two words', 'k\u00fc', 'a\tb']) {
    await expectProblem(t, await send(key), 'MILLRACE_REQUEST_INVALID')
  }
  const lines = await hub.fetch('/topics/keys', {
    method: 'POST',
    body: '1\n',
    headers: { 'idempotency-key': 'two words', 'content-type': 'application/x-ndjson' },
  })
  await expectProblem(t, lines, 'MILLRACE_REQUEST_INVALID')
  t.equal((await pageOf(hub, 'keys')).events.length, 1)
})
