// The memory log: the laws of every log, and its own bounds.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { RESET, type NewEvent, type StoredEvent } from '../../src/event.ts'
import { Losses } from '../../src/log/losses.ts'
import { RequestKey } from '../../src/log/append-key.ts'
import { MemoryLog, type MemoryLogOptions } from '../../src/log/memory.ts'
import { selectorOf } from '../../src/topic-pattern.ts'
import { eventLogContract } from '../contract/event-log.ts'
import { holds } from '../support/properties.ts'
import { ROOMY } from '../support/roomy.ts'

eventLogContract('the memory log', async options => new MemoryLog({ ...ROOMY, ...options }))

t.test('a topic keeps its newest events, as many as it may', async t => {
  const log = open(t, { maxTopicEvents: 3 })
  await log.append(['1', '2', '3', '4', '5'].map(data => text('a', data)))
  t.same(await kept(log, 'a'), ['3', '4', '5'])
  t.equal(await log.lostThrough(selectorOf(['a'])), 2)
})

t.test(
  'retention: of the rules that name a topic the first one holds, and others have what all have',
  async t => {
    const retention = [
      { pattern: 'a', maxEvents: 1 },
      { pattern: 'a', maxEvents: 2 },
    ]
    const log = open(t, { retention, maxTopicEvents: 2 })
    for (const data of ['1', '2', '3']) await log.append([text('a', data), text('b', data)])
    t.same(await kept(log, 'a'), ['3'])
    t.same(await kept(log, 'b'), ['2', '3'])
  },
)

t.test(
  'retention: of the rules that match a topic the first one holds, for count, bytes and age',
  async t => {
    let now = 1_800_000_000_000
    const retention = [
      { pattern: 'logs/audit', maxEvents: 5 },
      { pattern: 'logs/**', maxEvents: 2, maxAgeMs: 1000 },
      { pattern: 'large', maxBytes: 3000 },
    ]
    const log = open(t, { retention, maxTopicEvents: 10, now: () => now })
    for (const data of ['1', '2', '3']) {
      for (const topic of ['logs/audit', 'logs/a', 'other']) await log.append([text(topic, data)])
      await log.append([text('large', data.repeat(1000))])
    }
    t.same(await kept(log, 'logs/audit'), ['1', '2', '3'])
    t.same(await kept(log, 'logs/a'), ['2', '3'])
    t.equal((await kept(log, 'large')).length, 2)
    now += 1001
    await log.append([text('other', '4')])
    t.same(await kept(log, 'logs/a'), [], 'gone, though what is kept for longer stands before it')
    t.same(await kept(log, 'other'), ['1', '2', '3', '4'])
    t.ok((await log.lostThrough(selectorOf(['logs/a']))) > 0)
  },
)

t.test('a topic keeps no more bytes than it may', async t => {
  const log = open(t, { maxTopicBytes: 5000 })
  for (let at = 0; at < 10; at++) await log.append([text('a', `${at}`.repeat(1500))])
  const found = await kept(log, 'a')
  t.same(
    found.map(data => data[0]),
    ['7', '8', '9'],
  )
  t.ok(log.usage().bytes <= 5000)
})

t.test('an event that exceeds its topic is delivered, not kept, and announced as lost', async t => {
  for (const limits of [{ maxTopicBytes: 1000 }, { maxBytes: 1000 }]) {
    const log = open(t, limits)
    const tailed: StoredEvent[] = []
    log.tail(events => tailed.push(...events))
    await log.append([text('a', 'small')])
    const { last } = await log.append([text('a', 'x'.repeat(2000))])
    t.same(
      tailed.map(event => event.data.length),
      [5, 2000],
    )
    t.same(await kept(log, 'a'), [])
    t.equal(await log.lostThrough(selectorOf(['a'])), last)
    t.equal(await log.topic('a'), undefined)
    t.match(log.usage(), { topics: 0, events: 0, bytes: 0 })
  }
})

t.test('the topics that nobody used go first, and what they held is remembered as lost', async t => {
  const log = open(t, { maxBytes: 10_000 })
  for (const topic of ['a', 'b', 'c']) await log.append([text(topic, 'x'.repeat(2000))])
  await kept(log, 'a')
  await log.append([text('d', 'x'.repeat(6000))])
  t.same(await topicsOf(log), ['a', 'd'], 'what was read stays')
  t.equal(await log.lostThrough(selectorOf(['b'])), 2)
  t.equal(await log.lostThrough(selectorOf(['c'])), 3)
  t.equal(await log.lostThrough(selectorOf(['a', 'd'])), 0)
  t.equal(await log.lostThrough(selectorOf(['*'])), 3)
})

t.test('an evicted topic that comes back has not forgotten its loss', async t => {
  const log = open(t, { maxBytes: 5000 })
  await log.append([text('a', 'x'.repeat(3000))])
  await log.append([text('b', 'x'.repeat(3000))])
  const { last } = await log.append([text('a', 'back')])
  const page = await log.read(0, selectorOf(['a']), { through: last, maxEvents: 10, maxBytes: 1e6 })
  t.same(
    page.events.map(event => event.data),
    ['back'],
  )
  t.equal(page.lostThrough, 1)
})

t.test('a state outlives the eviction of its topic', async t => {
  const log = open(t, { maxBytes: 5000 })
  const { last } = await log.append([{ topic: 'a', data: 'set', isState: true }])
  await log.append([text('b', 'x'.repeat(4800))])
  const page = await log.readStates(0, selectorOf(['*']), {
    through: last,
    maxEvents: 9,
    maxBytes: 9,
    onlyGone: true,
  })
  t.same(
    page.events.map(event => event.data),
    ['set'],
  )
  t.match(await log.topic('a'), { events: 0, first: undefined, last: undefined, state: last })
  t.same(await topicsOf(log), ['a', 'b'])
})

t.test('events expire with age, of every topic, by the clock that was passed in', async t => {
  let now = 1_800_000_000_000
  const log = open(t, { maxAgeMs: 1000, now: () => now })
  await log.append([text('a', '1'), text('b', '2'), { topic: 'c', data: '3', isState: true }])
  now += 600
  await log.append([text('a', '4')])
  now += 400
  await log.append([text('d', '5')])
  t.same(await kept(log, '**'), ['1', '2', '3', '4', '5'], 'an event is kept for its whole age')
  now += 1
  await log.append([text('d', '6')])
  t.same(await kept(log, '**'), ['4', '5', '6'])
  t.equal(await log.lostThrough(selectorOf(['a'])), 1)
  t.equal(await log.lostThrough(selectorOf(['b'])), 2)
  t.same(await topicsOf(log), ['a', 'c', 'd'], 'the state of c stays')
})

t.test('each event goes when it reaches the age of its topic, and none before', async t => {
  const retention = [
    { pattern: 'a/**', maxAgeMs: 10 },
    { pattern: 'b/**', maxAgeMs: 30 },
    { pattern: 'c/**', maxAgeMs: 10, maxEvents: 3 },
  ]
  const ages = { a: 10, b: 30, c: 10, d: 20 }
  const step = fc.record({
    topic: fc.constantFrom('a/1', 'a/2', 'b/1', 'c/1', 'd'),
    passes: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 25 })),
    type: fc.constantFrom(undefined, undefined, undefined, undefined, RESET),
  })
  const property = fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
    let now = 1_800_000_000_000
    const limits = { maxAgeMs: ages.d, retention, maxLossTopics: 10, maxIdempotencyKeys: 1 }
    const log = new MemoryLog({ ...ROOMY, ...limits, now: () => now })
    let left: { topic: string; data: string; expiresAt: number }[] = []
    for (const [at, { topic, passes, type }] of steps.entries()) {
      now += passes
      const data = String(at)
      await log.append([{ ...text(topic, data), type }])
      if (type === RESET) left = left.filter(event => event.topic !== topic)
      left.push({ topic, data, expiresAt: now + ages[topic[0] as keyof typeof ages] })
      const tooOld = left.filter(event => event.topic === 'c/1').slice(0, -3)
      left = left.filter(event => event.expiresAt >= now && !tooOld.includes(event))
      assert.deepEqual(
        await kept(log, '**'),
        left.map(event => event.data),
      )
    }
    await log.close()
    return true
  })
  await holds(t, property, { numRuns: 200 })
})

t.test('events expire while nothing is published', async t => {
  const log = open(t, { maxAgeMs: 5 })
  await log.append([text('a', '')])
  while (log.usage().events > 0) await sleep(1)
  t.equal(await log.lostThrough(selectorOf(['a'])), 1)
})

t.test('the keys used last are remembered, as many as may be', async t => {
  const log = open(t, { maxIdempotencyKeys: 2 })
  const append = async (value: string): Promise<number> =>
    (await log.append([text('a', value)], new RequestKey(value).next([text('a', value)]))).added
  t.same([await append('k'), await append('l'), await append('k'), await append('m')], [1, 1, 0, 1])
  t.same([await append('k'), await append('l')], [0, 1])
})

t.test('a key is forgotten with age', async t => {
  const log = open(t, { idempotencyKeyAgeMs: 20 })
  const key = new RequestKey('k').next([text('a', '')])
  await log.append([text('a', '')], key)
  while ((await log.append([text('a', '')], key)).added === 0) await sleep(1)
  t.equal(log.head(), 2)
})

t.test('an upload whose key was forgotten half-way can be repeated', async t => {
  const log = open(t, { maxIdempotencyKeys: 1 })
  const events = ['0', '1', '2'].map(data => text('a', data))
  const upload = new RequestKey('k')
  await log.append(events.slice(0, 2), upload.next(events.slice(0, 2)))
  await log.append([text('b', '')], new RequestKey('l').next([text('b', '')]))
  const { last } = await log.append(events.slice(2), upload.next(events.slice(2)))
  t.equal((await log.append(events, new RequestKey('k').next(events))).last, last)
})

t.test('whatever is published, the bounds are kept', async t => {
  const size = fc.record({
    maxBytes: fc.integer({ min: 200, max: 3000 }),
    maxTopicBytes: fc.integer({ min: 200, max: 1500 }),
    maxTopicEvents: fc.integer({ min: 1, max: 5 }),
    maxStateBytes: fc.integer({ min: 0, max: 1000 }),
  })
  const event = fc.record({
    topic: fc.constantFrom('a', 'b', 'c', 'd'),
    data: fc.nat({ max: 600 }).map(length => 'x'.repeat(length)),
    isState: fc.boolean(),
  })
  const batches = fc.array(fc.array(event, { minLength: 1, maxLength: 4 }), { maxLength: 30 })
  const property = fc.asyncProperty(size, batches, async (limits, appends) => {
    const log = new MemoryLog({ ...ROOMY, ...limits })
    for (const batch of appends) {
      await log
        .append(batch)
        .catch((error: { code?: string }) => assert.equal(error.code, 'MILLRACE_STATE_FULL'))
      const usage = log.usage()
      assert(usage.bytes <= limits.maxBytes && usage.stateBytes <= limits.maxStateBytes)
      const summaries = await log.topics('', selectorOf(['**']), 10)
      for (const { events, bytes } of summaries) {
        assert(events <= limits.maxTopicEvents && bytes <= limits.maxTopicBytes)
      }
      assert.equal(
        summaries.reduce((sum, each) => sum + each.bytes, 0),
        usage.bytes,
      )
      assert.equal(
        summaries.reduce((sum, each) => sum + each.events, 0),
        usage.events,
      )
    }
    await log.close()
  })
  await holds(t, property, { numRuns: 200 })
})

t.test('losses of more topics than are remembered count against every topic', async t => {
  const losses = new Losses(2)
  losses.add('a', 1)
  losses.add('b', 2)
  t.equal(losses.through(selectorOf(['c'])), 0)
  losses.add('a', 3)
  losses.add('c', 4)
  t.equal(losses.through(selectorOf(['a'])), 3, 'b fell out, its loss at 2 counts against all')
  t.equal(losses.through(selectorOf(['none'])), 2)
  t.equal(losses.through(selectorOf(['b', '*/x'])), 2)
  t.equal(losses.through(selectorOf(['*'])), 4)
  t.equal(losses.newest, 4)
})

t.test('losses are never told too small, however many topics have some', async t => {
  const topic = fc.constantFrom('a', 'b', 'x/a', 'x/b', 'x/c')
  const names = fc.subarray(['a', 'b', 'x/a', 'x/*', '*', '**'], { minLength: 1 })
  const property = fc.property(
    fc.integer({ min: 1, max: 6 }),
    fc.array(topic),
    names,
    (most, lost, wanted) => {
      const losses = new Losses(most)
      for (const [at, name] of lost.entries()) losses.add(name, at + 1)
      const selector = selectorOf(wanted)
      const newest = lost.findLastIndex(name => selector.matches(name)) + 1
      const told = losses.through(selector)
      return most >= 5 ? told === newest : told >= newest
    },
  )
  await holds(t, property, { numRuns: 1000 })
})

function open(t: Test, options: Partial<MemoryLogOptions>): MemoryLog {
  const log = new MemoryLog({ ...ROOMY, ...options })
  t.teardown(() => log.close())
  return log
}

function text(topic: string, data: string): NewEvent {
  return { topic, data }
}

async function kept(log: MemoryLog, name: string): Promise<string[]> {
  const page = await log.read(0, selectorOf([name]), { through: log.head(), maxEvents: 1000, maxBytes: 1e9 })
  return page.events.map(event => event.data)
}

async function topicsOf(log: MemoryLog): Promise<string[]> {
  return (await log.topics('', selectorOf(['**']), 100)).map(summary => summary.topic)
}
