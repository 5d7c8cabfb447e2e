// The list of topics.

import t from 'tap'
import { startHub, type TestHub } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'

interface Listed {
  readonly names: string[]
  readonly next: string | undefined
}

async function list(hub: TestHub, path = '/topics'): Promise<Listed> {
  const response = await hub.fetch(path)
  if (response.status !== 200) throw new Error(await response.text())
  const { topics } = (await response.json()) as { topics: { topic: string }[] }
  const next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1]
  return { names: topics.map(({ topic }) => topic), next }
}

async function publishTo(hub: TestHub, topics: readonly string[]): Promise<void> {
  const body = topics.map(topic => JSON.stringify({ topic, data: 'x' })).join('\n')
  const headers = { 'content-type': 'application/x-ndjson' }
  const response = await hub.fetch('/events', { method: 'POST', body, headers })
  if (response.status !== 201) throw new Error(await response.text())
}

t.test('a hub lists its topics by name, with what is kept of each', async t => {
  const hub = await startHub(t)
  t.same(await list(hub), { names: [], next: undefined })
  const first = await hub.publish('b', 'one')
  const last = await hub.publish('b', 'two')
  await hub.fetch('/topics/a/1', { method: 'PUT', body: 'state' })
  const { topics } = (await (await hub.fetch('/topics')).json()) as { topics: object[] }
  t.match(topics, [
    { topic: 'a/1', events: 1, state: /-/ },
    { topic: 'b', events: 2, bytes: Number, first, last, time: /^\d{4}-\d\d-\d\dT.*Z$/ },
  ])
  t.notOk('state' in topics[1]!)
})

t.test('the links lead through the whole list, once', async t => {
  const hub = await startHub(t)
  const names = Array.from({ length: 25 }, (_, number) => `t&=${number}/ü`).sort()
  await publishTo(hub, names)
  await publishTo(hub, ['other'])
  for (const limit of [1, 7, 25, 100]) {
    const found: string[] = []
    let next: string | undefined = `/topics?limit=${limit}&match=${encodeURIComponent('*/ü')}`
    while (next !== undefined) {
      const page = await list(hub, next)
      t.ok(page.names.length <= limit)
      found.push(...page.names)
      next = page.next
    }
    t.same(found, names, `in pages of ${limit}`)
  }
})

t.test('match= selects by pattern', async t => {
  const hub = await startHub(t)
  await publishTo(hub, ['a', 'a/1', 'a/1/x', 'a/2', 'b/1'])
  for (const [pattern, names] of [
    ['a', ['a']],
    ['a/*', ['a/1', 'a/2']],
    ['a/**', ['a', 'a/1', 'a/1/x', 'a/2']],
    ['*/1', ['a/1', 'b/1']],
    ['**', ['a', 'a/1', 'a/1/x', 'a/2', 'b/1']],
    ['c/*', []],
  ] as const) {
    t.same((await list(hub, `/topics?match=${pattern}`)).names, names, pattern)
  }
  t.same((await list(hub, '/topics?after=a/1')).names, ['a/1/x', 'a/2', 'b/1'])
  for (const pattern of ['', 'a*', '**/a', '/a', 'a/../b']) {
    const response = await hub.fetch(`/topics?match=${encodeURIComponent(pattern)}`)
    await expectProblem(
      t,
      response,
      pattern.includes('*') ? 'MILLRACE_PATTERN_INVALID' : 'MILLRACE_TOPIC_INVALID',
    )
  }
  await expectProblem(t, await hub.fetch('/topics?limit=0'), 'MILLRACE_REQUEST_INVALID')
})

t.test('the list shows only what may be received', async t => {
  const hub = await startHub(t, { anonymousReceive: ['open/*', 'a'] })
  await publishTo(hub, ['a', 'a/b', 'closed', 'open/1', 'open/1/x', 'open/2'])
  t.same((await list(hub)).names, ['a', 'open/1', 'open/2'])
  t.same((await list(hub, '/topics?match=closed')).names, [])
  t.same((await list(hub, '/topics?limit=2')).names, ['a', 'open/1'])
})
