// Pages of history that lead back: the newest events first of all, then what was before them.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Response } from 'undici'
import { EventReader } from '../support/event-reader.ts'
import { pageOf, type HistoryEvent, type Page } from '../support/history.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'
import { clientOfEach } from '../support/workers.ts'

const LOGS = ['memory:', 'sqlite:'] as const

async function startHubOn(
  t: Test,
  log: (typeof LOGS)[number],
  options: Parameters<typeof startHub>[1] = {},
): Promise<TestHub> {
  if (log === 'memory:') return startHub(t, options)
  const directory = mkdtempSync(join(tmpdir(), 'millrace-test-'))
  const hub = await startHub(t, { ...options, log: `sqlite:${directory}` })
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return hub
}

async function publishMany(hub: TestHub, topic: string, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let number = 0; number < count; number++) ids.push(await hub.publish(topic, `event ${number}`))
  return ids
}

function linkOf(
  response: { headers: { get(name: string): string | null } },
  rel: string,
): string | undefined {
  const links = response.headers.get('link')?.split(', ') ?? []
  return links.map(link => /^<([^>]+)>; rel="(\w+)"$/.exec(link)).find(link => link?.[2] === rel)?.[1]
}

const idsOf = (events: readonly HistoryEvent[]): string[] => events.map(({ id }) => id)

/** From here back to the beginning, by `before`. */
async function wayBack(hub: TestHub, topic: string, limit: number, from: string): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = []
  for (let before: string | undefined = from; before !== undefined;) {
    const page = await pageOf(hub, topic, `before=${before}&limit=${limit}`)
    events.unshift(...page.events)
    before = page.before
  }
  return events
}

for (const log of LOGS) {
  t.test(`the links lead back through the whole history, once (${log})`, async t => {
    const hub = await startHubOn(t, log)
    const path = `/topics/${encodeURIComponent('böden')}/${encodeURIComponent('a b?')}`
    const ids: string[] = []
    for (let number = 0; number < 25; number++) {
      ids.push(await hub.publish(path.slice('/topics/'.length), `event ${number}`))
      if (number % 3 === 0) await hub.publish('another', 'x')
    }
    for (const limit of [1, 7, 25, 100]) {
      const found: string[] = []
      const cursors: string[] = []
      for (let prev: string | undefined = `${path}?before=latest&limit=${limit}`; prev !== undefined;) {
        const response = await hub.fetch(prev)
        t.equal(response.status, 200)
        const { events, before, cursor } = (await response.json()) as Page
        found.unshift(...idsOf(events))
        cursors.push(cursor)
        t.equal(cursor, events.at(-1)?.id, 'forward from there comes what the page before had')
        t.equal(before, events[0]?.id === ids[0] ? undefined : events[0]?.id)
        prev = linkOf(response, 'prev')
        if (before !== undefined) t.equal(prev, `${path}?before=${before}&limit=${limit}`)
        t.equal(linkOf(response, 'next') === undefined, cursors.length === 1, 'nothing follows the newest')
      }
      t.same(found, ids, `in pages of ${limit}`)
    }
    const [, second, third] = ids
    const response = await hub.fetch(`${path}?before=${third}`)
    t.same(idsOf(((await response.json()) as Page).events), ids.slice(0, 2))
    t.equal(linkOf(response, 'next'), `${path}?after=${second}&limit=100`)
  })

  t.test(`what is published while a client pages back is not in its way (${log})`, async t => {
    const hub = await startHubOn(t, log)
    const done = new AbortController()
    const published = await publishMany(hub, 'a', 20)
    const publishing = (async () => {
      while (!done.signal.aborted) {
        published.push(await hub.publish('a', 'x'))
        await hub.publish('b', 'x')
      }
    })()
    const latest = await pageOf(hub, 'a', 'before=latest&limit=5')
    const reader = await EventReader.open(hub, `/topics/a?after=${latest.cursor}`)
    const older = await wayBack(hub, 'a', 2, latest.before!)
    done.abort()
    await publishing
    const behind = published.length - older.length - latest.events.length
    t.ok(behind > 0)
    const live = (await reader.take(behind + 2)).filter(({ event }) => event === undefined)
    t.same([...idsOf(older), ...idsOf(latest.events), ...live.map(({ id }) => id)], published)
    reader.close()
  })

  t.test(`what is trimmed while a client pages back is the end of its way (${log})`, async t => {
    const hub = await startHubOn(t, log, { logMaxTopicEvents: 10 })
    const ids = await publishMany(hub, 'a', 10)
    const { before } = await pageOf(hub, 'a', 'before=latest&limit=4')
    t.equal(before, ids[6])
    await publishMany(hub, 'a', 5)
    // A log on disk trims a moment later.
    let page = await pageOf(hub, 'a', `before=${before}&limit=4`)
    while (page.events.length > 1) page = await pageOf(hub, 'a', `before=${before}&limit=4`)
    t.match(page, { events: [{ id: ids[5] }], before: undefined, gap: undefined })
    await publishMany(hub, 'a', 5)
    while (page.events.length > 0) page = await pageOf(hub, 'a', `before=${before}&limit=4`)
    t.notOk('before' in page || 'gap' in page, 'nothing older is kept')
  })

  t.test(`from the cursor of the newest page nothing is missed, even if it is empty (${log})`, async t => {
    const hub = await startHubOn(t, log, { logMaxAgeMs: 1000 })
    const follows = async (topic: string, what: string): Promise<void> => {
      const { cursor } = await pageOf(hub, topic, 'before=latest&limit=5')
      const ids = [await hub.publish(topic, 'one'), await hub.publish(topic, 'other')]
      const reader = await EventReader.open(hub, `/topics/${topic}?after=${cursor}`)
      const [, ...events] = await reader.take(3)
      t.same(
        events.map(({ id, event }) => [id, event]),
        ids.map(id => [id, undefined]),
        what,
      )
      reader.close()
      const forward = await pageOf(hub, topic, `after=${cursor}`)
      t.same([idsOf(forward.events), forward.gap], [ids, undefined], what)
    }
    await follows('a', 'of a topic that had nothing')
    await follows('a', 'of a topic with events')
    await hub.fetch('/topics/a', { method: 'DELETE' })
    await follows('a', 'of a topic that was deleted')
    while ((await pageOf(hub, 'a')).events.length > 0) await hub.publish('b', 'time passes')
    t.same((await pageOf(hub, 'a', 'before=latest')).events, [])
    await follows('a', 'of a topic whose events have expired')
  })
}

t.test('a topic that was deleted has no history before that', async t => {
  const hub = await startHub(t)
  const ids = await publishMany(hub, 'a', 3)
  await hub.fetch('/topics/a', { method: 'DELETE' })
  t.match(await pageOf(hub, 'a', `before=${ids[2]}`), { events: { length: 0 }, before: undefined })
  const id = await hub.publish('a', 'new')
  const found = await wayBack(hub, 'a', 1, 'latest')
  t.match(found, [{ type: 'millrace:reset' }, { id }])
})

t.test('the state comes with the newest page only', async t => {
  const hub = await startHub(t, { logMaxTopicEvents: 3 })
  const response = await hub.fetch('/topics/a', { method: 'PUT', body: 'on' })
  const { id } = (await response.json()) as { id: string }
  await publishMany(hub, 'a', 5)
  const latest = await pageOf(hub, 'a', 'before=latest&limit=2')
  t.match(latest, { state: { id, data: 'on' }, events: { length: 2 } })
  const older = await pageOf(hub, 'a', `before=${latest.before}`)
  t.notOk('state' in older)
  t.equal(older.events.length, 1)
})

t.test('a page that leads back holds no more than it may, and of what fits the newest', async t => {
  const hub = await startHub(t, { maxPageEvents: 4, maxBodyBytes: 1_000_000 })
  const ids = await publishMany(hub, 'many', 10)
  for (const query of ['before=latest', 'before=latest&limit=1000']) {
    const page = await pageOf(hub, 'many', query)
    t.same([idsOf(page.events), page.before], [ids.slice(6), ids[6]], query)
  }
  const large: string[] = []
  for (let at = 0; at < 4; at++) large.push(await hub.publish('large', `${at}`.repeat(120_000)))
  large.push(await hub.publish('large', 'x'.repeat(900_000)))
  const page = await pageOf(hub, 'large', 'before=latest')
  t.same(idsOf(page.events), large.slice(4), 'one, however large')
  t.same(idsOf((await pageOf(hub, 'large', `before=${page.before}`)).events), large.slice(1, 4))
})

t.test('before= leads back: what leads forward, or is no place, is refused', async t => {
  const hub = await startHub(t)
  const id = await hub.publish('a', 'x')
  for (const place of ['', '7', 'earliest', 'now', '0000000000a-00000000ZZZ']) {
    const problem = await expectProblem(
      t,
      await hub.fetch(`/topics/a?before=${place}`),
      'MILLRACE_ID_INVALID',
    )
    t.match(problem.detail, /'latest'/)
  }
  const beside = async (name: string, query: string, headers: Record<string, string> = {}): Promise<void> => {
    const response = await hub.fetch(`/topics/a?before=${query}`, { headers })
    const { detail } = await expectProblem(t, response, 'MILLRACE_REQUEST_INVALID')
    t.match(detail, `'${name}'`)
  }
  await beside('after', `latest&after=${id}`)
  await beside('after', `${id}&after=earliest`)
  await beside('wait', 'latest&wait=1')
  await beside('lastEventId', `latest&lastEventId=${id}`)
  await beside('Last-Event-ID', 'latest', { 'last-event-id': id })
  await expectProblem(t, await hub.fetch('/topics/a?before=latest&limit=0'), 'MILLRACE_REQUEST_INVALID')
  await expectProblem(t, await hub.fetch('/topics/a?before=a&before=b'), 'MILLRACE_REQUEST_INVALID')
})

t.test('what leads back is no event stream', async t => {
  const hub = await startHub(t)
  await hub.publish('a', 'x')
  const client = new Http2Client(t, hub)
  for (const accept of ['text/event-stream', 'text/*', 'text/event-stream, application/json;q=0']) {
    const answer = await client.get('/topics/a?before=latest', { accept })
    const { detail } = await expectProblem(t, answer, 'MILLRACE_NOT_ACCEPTABLE')
    t.match(detail, 'application/json')
  }
  const either = { accept: 'text/event-stream, application/json' }
  t.match(await client.get('/topics/a?before=latest', either), {
    status: 200,
    headers: { 'content-type': /^application\/json/ },
  })
})

t.test('an id that this log never issued has nothing before it, and the page says so', async t => {
  const hub = await startHub(t)
  const ids = await publishMany(hub, 'a', 3)
  const [epoch] = ids[0]!.split('-')
  for (const before of ['00000000000-00000000001', `${epoch}-00000000zzz`]) {
    const response = await hub.fetch(`/topics/a?before=${before}`)
    const page = (await response.json()) as Page
    t.match(page, { events: { length: 0 }, gap: { reason: 'unknown', resumesAfter: page.cursor } })
    t.notOk('before' in page || 'state' in page)
    const next = (await (await hub.fetch(linkOf(response, 'next')!)).json()) as Page
    t.same(idsOf(next.events), ids, 'all that there is comes after it')
  }
  const first = `${epoch}-00000000000`
  t.match(await pageOf(hub, 'a', `before=${first}`), { events: [], cursor: first, gap: undefined })
})

t.test('a page that leads back and did not change is not sent again', async t => {
  const hub = await startHub(t)
  const ids = await publishMany(hub, 'a', 5)
  const ask = async (query: string, known = ''): Promise<Response> => {
    const response = await hub.fetch(`/topics/a?${query}`, { headers: { 'if-none-match': known } })
    await response.text()
    return response
  }
  const latest = (await ask('before=latest&limit=2')).headers.get('etag')!
  const older = (await ask(`before=${ids[3]}&limit=2`)).headers.get('etag')!
  await hub.publish('b', 'another topic moves the head, not this page')
  const again = await ask('before=latest&limit=2', latest)
  t.same([again.status, again.headers.get('etag')], [304, latest])
  t.equal(linkOf(again, 'prev'), `/topics/a?before=${ids[3]}&limit=2`)
  await hub.publish('a', 'new')
  t.equal((await ask('before=latest&limit=2', latest)).status, 200)
  t.equal((await ask(`before=${ids[3]}&limit=2`, older)).status, 304, 'what is past stays as it is')
  const nothing = await hub.fetch('/topics/none?before=latest')
  await hub.publish('b', 'x')
  const headers = { 'if-none-match': nothing.headers.get('etag')! }
  t.equal((await hub.fetch('/topics/none?before=latest', { headers })).status, 304)
})

t.test('what is not granted is not told, and what is granted stays with whom it was granted to', async t => {
  const hub = await startHub(t, { jwtKey: SECRET, anonymousPublish: ['**'], anonymousReceive: ['open'] })
  for (const topic of ['open', 'secret']) await hub.publish(topic, 'x')
  await expectProblem(t, await hub.fetch('/topics/secret?before=latest'), 'MILLRACE_TOKEN_MISSING')
  const headers = bearer(await mint({ receive: ['**'] }))
  const secret = await hub.fetch('/topics/secret?before=latest', { headers })
  t.match(await secret.json(), { events: [{ data: 'x' }] })
  t.equal(secret.headers.get('cache-control'), 'private, no-cache')
  t.match(secret.headers.get('vary'), /authorization.*accept/)
  const open = await hub.fetch('/topics/open?before=latest')
  t.equal(open.headers.get('cache-control'), 'no-cache')
})

t.test('with several workers each leads back through what any of them took', async t => {
  const hub = await startHubOn(t, 'sqlite:', { workers: 2, anonymousMetrics: true })
  const [one, other] = await clientOfEach(t, hub, ['worker-1', 'worker-2'])
  const ids: string[] = []
  for (let at = 0; at < 20; at++) {
    const { text } = await (at % 2 === 0 ? one : other).post('/topics/a', `${at}`)
    ids.push((JSON.parse(text) as { id: string }).id)
    for (const client of [one, other]) {
      const { events } = JSON.parse((await client.get('/topics/a?before=latest&limit=1')).text) as Page
      t.same(idsOf(events), ids.slice(-1), 'what is answered can be read everywhere')
    }
  }
  const found: string[] = []
  for (let before: string | undefined = 'latest', turn = 0; before !== undefined; turn++) {
    const answer = await (turn % 2 === 0 ? one : other).get(`/topics/a?before=${before}&limit=3`)
    const page = JSON.parse(answer.text) as Page
    found.unshift(...idsOf(page.events))
    before = page.before
  }
  t.same(found, ids)
})
