// What a publish costs, in operations: it grows with the audiences that match, not with the subscribers or topics there are.

import t from 'tap'
import { framesOf, type FrameEncoder, type Sink } from '../../src/hub/frames.ts'
import { Operations } from '../support/operations.ts'

const operations = new Operations()
await operations.start()
const { Hub } = await import('../../src/hub/hub.ts')
const { TopicIndex } = await import('../../src/hub/topic-index.ts')
const { SILENT_OBSERVER } = await import('../../src/hub/observer.ts')
const { MemoryLog } = await import('../../src/log/memory.ts')
const { selectorOf } = await import('../../src/topic-pattern.ts')

const SMALL = 100
const LARGE = 100_000
const PUBLISHED = 100

// Sites of ten topics each, with names of one length. By two names and a pattern, a subscriber wants twelve of them, and
// each is wanted by twelve.
const topicOf = (site: number, sensor: number): string => `plants/${String(site).padStart(5, '0')}/${sensor}`
const allTopics = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => topicOf(Math.floor(at / 10), at % 10))
const wantedBy = (subscriber: number, topics: number): string[] => {
  const sites = topics / 10
  const site = subscriber % sites
  const sensor = Math.floor(subscriber / sites)
  return [
    topicOf((site + 1) % sites, sensor),
    topicOf((site + 2) % sites, sensor),
    topicOf(site, 0).replace(/0$/, '**'),
  ]
}
const someTopics = (count: number): string[] => {
  const all = allTopics(count)
  return Array.from({ length: PUBLISHED }, (_, at) => all[(at * 71 + 13) % count]!)
}

function filledIndex(size: number): InstanceType<typeof TopicIndex<number>> {
  const index = new TopicIndex<number>()
  for (let at = 0; at < size; at++) index.add(selectorOf(wantedBy(at, size)), at)
  return index
}

t.test('matching looks at no more with 100,000 subscribers and topics than with 100', async t => {
  const blocksOf = async (size: number): Promise<{ first: number; again: number }> => {
    const index = filledIndex(size)
    let found = 0
    const topics = someTopics(size)
    const match = (): void => topics.forEach(topic => index.match(topic, () => void found++))
    const first = await operations.of('/hub/', match)
    t.equal(found, 12 * PUBLISHED, 'twelve match each')
    return { first, again: await operations.of('/hub/', match) }
  }
  const [small, large] = [await blocksOf(SMALL), await blocksOf(LARGE)]
  t.ok(small.again < small.first, `${small.again} blocks when the topics are known, ${small.first} before`)
  t.ok(large.first < small.first * 1.05, `${large.first} blocks after ${small.first}`)
  t.ok(large.again < small.again * 1.05, `when the topics are known, ${large.again} after ${small.again}`)
})

t.test('a pattern that comes or goes has only the topics looked up again that it may match', async t => {
  const index = filledIndex(SMALL)
  const seen = (topic: string): number => {
    let found = 0
    index.match(topic, () => void found++)
    return found
  }
  const topics = someTopics(SMALL)
  const look = (): Promise<number> => operations.of('/hub/pattern-trie', () => topics.forEach(seen))
  const first = await look()
  const known = await look()
  t.ok(known < first, `${first} blocks at first, then ${known}`)
  const newcomers = Array.from({ length: 100 }, (_, at) => selectorOf([`plants/new-${at}/**`, `*/new-${at}`]))
  newcomers.forEach((selector, at) => index.add(selector, SMALL + at))
  t.equal(await look(), known, 'no more when a hundred patterns came that match none of them')
  newcomers.forEach((selector, at) => index.remove(selector, SMALL + at))
  t.equal(await look(), known, 'nor when they are gone')
  index.add(selectorOf(['plants/00000/*']), -1)
  t.equal(seen(topicOf(0, 0)), 13, 'the newcomer is found')
  const more = (await look()) - known
  t.ok(more > 0 && more < (first - known) / 5, `${more} more to look up its topics`)
})

const encoder: FrameEncoder = {
  name: 'test',
  events: events => framesOf(events, ({ data }) => data),
  states: () => ({ chunk: Buffer.alloc(0), ends: [] }),
  gap: () => Buffer.alloc(0),
  ready: () => Buffer.alloc(0),
}

const LIMITS = {
  maxBytes: 1e12,
  maxTopicBytes: 1e12,
  maxTopicEvents: 3,
  maxAgeMs: 3_600_000,
  retention: [{ pattern: 'plants/00000/*', maxAgeMs: 1_800_000 }],
  maxStateBytes: 1e12,
  maxIdempotencyKeys: 1000,
  idempotencyKeyAgeMs: 1000,
}

class CountingHub {
  written = 0
  #live = 0
  #onFlushed = (): void => {}
  readonly #log = new MemoryLog(LIMITS)
  readonly #hub = new Hub(this.#log, {
    ...SILENT_OBSERVER,
    flushed: () => this.#onFlushed(),
    wentLive: () => void this.#live++,
  })

  subscribe(names: readonly string[]): void {
    const write = (): void => void this.written++
    const sink: Sink = { connection: { turn: 0 }, hasRoom: true, write, end: () => {} }
    this.#hub.subscribe(selectorOf(names), encoder, sink, this.#hub.startAt('now'))
  }

  async allLive(subscribers: number): Promise<void> {
    while (this.#live < subscribers) await new Promise(resolve => setImmediate(resolve))
  }

  /** Resolves when the events were delivered. */
  async publish(topics: readonly string[]): Promise<void> {
    const delivered = new Promise<void>(resolve => {
      this.#onFlushed = () => {
        if (this.#hub.position === this.#log.head()) resolve()
      }
    })
    const event = { data: 'x', type: undefined, isJson: false, isState: false }
    await this.#hub.publish(topics.map(topic => ({ topic, ...event })))
    await delivered
  }

  async close(): Promise<void> {
    this.#hub.close()
    await this.#log.close()
  }
}

t.test('a publish does no more with 100,000 subscribers and topics than with 100', async t => {
  const blocksOf = async (size: number): Promise<number> => {
    const hub = new CountingHub()
    // As often as it takes for each further event to push an older one out.
    for (let round = 0; round < LIMITS.maxTopicEvents; round++) await hub.publish(allTopics(size))
    for (let at = 0; at < size; at++) hub.subscribe(wantedBy(at, size))
    await hub.allLive(size)
    await hub.publish(someTopics(size))
    hub.written = 0
    const topics = someTopics(size)
    const blocks = await operations.of('/src/', async () => {
      for (const topic of topics) await hub.publish([topic])
    })
    t.equal(hub.written, 12 * PUBLISHED, 'twelve get each')
    await hub.close()
    return blocks
  }
  const [small, large] = [await blocksOf(SMALL), await blocksOf(LARGE)]
  // What grows is a binary search in the log, where an old event gives way to the new one.
  t.ok(large < small * 1.15, `${large} blocks after ${small}`)
})
