import t, { type Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Position } from '../../src/event.ts'
import { EncodedPage } from '../../src/hub/encoded-page.ts'
import { framesOf, type FrameEncoder } from '../../src/hub/frames.ts'
import { SILENT_OBSERVER } from '../../src/hub/observer.ts'
import { PAGE_LIMITS, PageCache, READ_LANES, type PageAnswer } from '../../src/hub/page-cache.ts'
import type { MemoryLogOptions } from '../../src/log/memory.ts'
import { selectorOf } from '../../src/topic-pattern.ts'
import { HeldLog } from '../support/held-log.ts'

const encoder: FrameEncoder = {
  name: 'test',
  events: several => framesOf(several, ({ position }) => `${position} `),
  states: several => framesOf(several, ({ position }) => `state ${position} `),
  gap: () => Buffer.alloc(0),
  ready: () => Buffer.alloc(0),
}

const wish = (topic: string) => ({ audienceKey: topic, selector: selectorOf([topic]), encoder })
const a = wish('a')

/** A log with so many events of topic `a`, and a cache with small pages. */
async function setUp(
  t: Test,
  events: number,
  limits: Partial<typeof PAGE_LIMITS> = {},
  options: Partial<MemoryLogOptions> = {},
): Promise<{ log: HeldLog; cache: PageCache; publish: (topic: string, count: number) => Promise<void> }> {
  const log = new HeldLog(options)
  const cache = new PageCache(log, SILENT_OBSERVER, { ...PAGE_LIMITS, maxEvents: 10, ...limits })
  t.teardown(async () => {
    cache.clear()
    await log.close()
  })
  const publish = async (topic: string, count: number): Promise<void> => {
    await log.append(Array.from({ length: count }, () => ({ topic, data: '' })))
  }
  await publish('a', events)
  return { log, cache, publish }
}

/** The page that a reader who comes first gets. */
async function read(cache: PageCache, after: Position, through: Position, wanted = a): Promise<EncodedPage> {
  const page = await cache.events(wanted, after, through, true)
  if (!(page instanceof EncodedPage)) throw new Error(`there is no page after ${after}`)
  return page
}

function textOf(page: PageAnswer | undefined, after: Position, through?: Position): string {
  if (!(page instanceof EncodedPage)) throw new Error(`there is no page after ${after}`)
  return page.part(after, through).chunk.toString().trim()
}

t.test('whoever stands within a page takes the rest of it, which is not read or copied again', async t => {
  const { log, cache } = await setUp(t, 30)
  const page = await read(cache, 0, 30)
  t.equal(textOf(page, 0), '1 2 3 4 5 6 7 8 9 10')
  t.equal(textOf(cache.events(a, 7, 30, true), 7), '8 9 10')
  t.equal(page.part(7).chunk.buffer, page.part(0).chunk.buffer)
  t.same([page.part(7).events, page.part(2, 5).events, page.part(5, 5).events], [3, 3, 0])
  t.equal(textOf(page, 2, 5), '3 4 5')
  t.equal(log.reads, 1)
  await read(cache, 10, 30)
  t.equal(log.reads, 2, 'it does not reach beyond its end')
  await read(cache, 0, 30, wish('b'))
  t.equal(log.reads, 3, 'nor is it for those who want something else')
})

t.test('between events that match, a page is found by the positions that it passes', async t => {
  const { cache, publish } = await setUp(t, 3)
  await publish('b', 20)
  await publish('a', 2)
  const page = await read(cache, 1, 24)
  t.same([page.from, page.to], [1, 24])
  t.equal(textOf(cache.events(a, 2, 24, true), 2), '3 24')
  t.equal(textOf(cache.events(a, 15, 24, true), 15), '24')
})

t.test('readers that come together wait for one read', async t => {
  const { log, cache } = await setUp(t, 30)
  log.isHolding = true
  const answers = [0, 0, 4, 9].map(after => cache.events(a, after, 30, true))
  t.equal(log.reads, 1)
  t.ok(
    answers.every(answer => answer instanceof Promise),
    'all of them wait',
  )
  log.release()
  const [first, ...others] = await Promise.all(answers.map(async answer => answer))
  t.ok(first instanceof EncodedPage)
  t.same(others, [undefined, undefined, undefined], 'whoever joined in looks again')
  t.equal(cache.events(a, 9, 30, true), first)
})

t.test('whoever joined a read in vain begins one of its own', async t => {
  const { log, cache } = await setUp(t, 100)
  log.isHolding = true
  const near = cache.events(a, 0, 100, true)
  const far = cache.events(a, 50, 100, true)
  log.release()
  await Promise.all([near, far].map(async each => each))
  const nearer = cache.events(a, 10, 100, true)
  const own = cache.events(a, 50, 100, false)
  t.equal(log.reads, 3)
  log.release()
  t.same(
    (await Promise.all([nearer, own].map(async each => each))).map(page => (page as EncodedPage).to),
    [20, 60],
  )
})

t.test('a page that lies within another gives way to it, and the longer of two is found', async t => {
  const { log, cache } = await setUp(t, 30, { maxEvents: 100 })
  await read(cache, 10, 12)
  const longest = await read(cache, 5, 30)
  t.equal(cache.events(a, 10, 30, true), longest)
  t.equal(cache.bytes, 8192, 'one page is left')
  const earlier = await read(cache, 2, 15)
  t.equal(cache.events(a, 4, 30, true), earlier)
  t.equal(cache.events(a, 5, 30, true), longest, 'it goes further')
  t.equal(log.reads, 3)
})

t.test('a loss concerns those who stand before it', async t => {
  const { cache, publish } = await setUp(t, 10, {}, { maxTopicEvents: 10 })
  await publish('a', 5)
  const page = await read(cache, 3, 15)
  t.same([page.lostThrough, page.losses], [5, 5])
  t.equal(textOf(page, 3), textOf(page, 5))
  await publish('a', 5)
  t.equal(cache.events(a, 7, 20, true), page, 'a page stays right: it holds what was not lost then')
  t.equal(textOf(page, 7), '8 9 10 11 12 13 14 15')
})

t.test(
  'states that went before the page was read are read once, those that are in it are left out',
  async t => {
    const { log, cache } = await setUp(t, 0, { maxEvents: 3 }, { maxTopicEvents: 2 })
    const selector = selectorOf(['**'])
    const all = { audienceKey: 'all', selector, encoder }
    for (const topic of ['a', 'b']) await log.append([{ topic, data: '', isState: true }])
    await log.append([1, 2].map(() => ({ topic: 'a', data: '' })))
    const page = await read(cache, 0, 4, all)
    t.same([textOf(page, 0), page.lostThrough], ['2 3 4', 1])
    await log.append([1, 2].map(() => ({ topic: 'b', data: '' })))
    const states = await cache.goneStates(all, page, 0)
    t.equal(textOf(states, 0), 'state 1', 'b went later, and is in the page')
    t.equal(cache.goneStates(all, page, 0), states)
    const later = await read(cache, 4, 6, all)
    t.not(await cache.goneStates(all, later, 4), states)
  },
)

t.test('states are shared by those who go on from the same place', async t => {
  const { log, cache } = await setUp(t, 0)
  await log.append([{ topic: 'a', data: '', isState: true }])
  const states = await cache.states(a, 0, 1)
  t.equal(textOf(states, 0), 'state 1')
  t.equal(cache.states(a, 0, 1), states)
  await log.append([{ topic: 'a', data: '', isState: true }])
  const newer = await cache.states(a, 0, 2)
  t.equal(textOf(newer, 0), 'state 2')
})

t.test('the oldest pages go when there is no room, and all of them soon', async t => {
  const { log, cache } = await setUp(t, 100, { cacheBytes: 3 * 8192, lifeMs: 50 })
  for (const after of [0, 10, 20, 30]) await read(cache, after, 100)
  t.equal(cache.bytes, 3 * 8192)
  t.ok(cache.events(a, 10, 100, true) instanceof EncodedPage)
  await read(cache, 0, 100)
  t.equal(log.reads, 5, 'the first was gone')
  while (cache.bytes > 0) await sleep(10)
  await read(cache, 30, 100)
  t.equal(log.reads, 6)
})

t.test('what takes more room than all pages may is handed over, and not kept', async t => {
  const { log, cache } = await setUp(t, 0, { cacheBytes: 10_000 })
  await log.append([{ topic: 'a', data: 'x'.repeat(20_000) }])
  t.equal(textOf(await read(cache, 0, 1), 0), '1')
  t.equal(cache.bytes, 0)
})

t.test('what was cleared is read again, even what was being read', async t => {
  const { log, cache } = await setUp(t, 10)
  await read(cache, 5, 10)
  log.isHolding = true
  const begun = cache.events(a, 0, 10, true)
  cache.clear()
  t.equal(cache.bytes, 0)
  log.release()
  t.ok((await begun) instanceof EncodedPage, 'whoever began the read has its page')
  log.isHolding = false
  await read(cache, 0, 10)
  await read(cache, 5, 10)
  t.equal(log.reads, 3)
})

t.test('no more reads than there are lanes are under way', async t => {
  const { log, cache } = await setUp(t, 1000)
  await read(cache, 990, 1000)
  log.isHolding = true
  const reads = Array.from({ length: READ_LANES }, (_, at) => cache.events(a, at * 10, 1000, false))
  t.equal(cache.events(a, 500, 1000, false), 'no lane')
  t.ok(cache.events(a, 995, 1000, false) instanceof EncodedPage, 'memory has no lanes')
  t.ok(cache.events(a, 35, 1000, true) instanceof Promise, 'joining takes none')
  t.equal(log.held, READ_LANES)
  log.release()
  await Promise.all(reads.map(async each => each))
  t.ok(cache.hasLane)
})

t.test('a read that fails fails for all who wait, and is tried again for the next', async t => {
  const { log, cache } = await setUp(t, 10)
  const works = log.read.bind(log)
  log.read = async () => {
    throw new Error('the disk is on fire')
  }
  const answers = [0, 3].map(after => cache.events(a, after, 10, true))
  for (const answer of answers)
    await t.rejects(answer as Promise<unknown>, { message: 'the disk is on fire' })
  log.read = works
  t.equal((await read(cache, 3, 10)).to, 10)
  t.ok(cache.hasLane)
})
