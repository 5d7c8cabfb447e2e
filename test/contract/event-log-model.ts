// The laws of src/log/event-log.ts as one property: any appends and reads, against a model that keeps everything.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Test } from 'tap'
import { RESET, type NewEvent, type Position, type StoredEvent, type Topic } from '../../src/event.ts'
import type { EventLog, PageLimit, ReadLimit } from '../../src/log/event-log.ts'
import { selectorOf, type Selector } from '../../src/topic-pattern.ts'
import { holds } from '../support/properties.ts'
import type { OpenLog } from './event-log.ts'

const TOPICS = ['a', 'b', 'x/a', 'x/b', 'x/y/z']
const crowd = Array.from({ length: 80 }, (_, at) => `crowd/${at}`)

const newEvent: fc.Arbitrary<NewEvent> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ topic: fc.constantFrom(...TOPICS), data: fc.string({ maxLength: 20 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      topic: fc.constantFrom(...TOPICS),
      data: fc.string(),
      isState: fc.constant(true),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      topic: fc.constantFrom(...TOPICS),
      data: fc.constant('{}'),
      type: fc.constant(RESET),
    }),
  },
)
const selector = fc.oneof(
  fc.constantFrom(...TOPICS).map(topic => selectorOf([topic])),
  fc.subarray([...TOPICS, 'none'], { minLength: 1 }).map(selectorOf),
  fc.subarray(['x/*', '*', 'a', 'x/**', '**', 'none/*'], { minLength: 1 }).map(selectorOf),
  fc.subarray(TOPICS).map(topics => selectorOf([...topics, ...crowd])),
)
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      events: fc.array(newEvent, { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      selector,
      after: fc.nat(),
      through: fc.nat(),
      maxEvents: fc.integer({ min: 1, max: 20 }),
      maxBytes: fc.integer({ min: 1, max: 4000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('readBack' as const),
      topic: fc.constantFrom(...TOPICS),
      before: fc.nat(),
      maxEvents: fc.integer({ min: 1, max: 20 }),
      maxBytes: fc.integer({ min: 1, max: 4000 }),
    }),
  },
)

export async function eventLogModelContract(t: Test, open: OpenLog, numRuns: number): Promise<void> {
  const options = fc.record({ maxTopicEvents: fc.integer({ min: 1, max: 12 }) })
  const property = fc.asyncProperty(options, fc.array(step, { maxLength: 60 }), async (limits, steps) => {
    const log = await open(limits)
    const history = new History(log)
    for (const each of steps) {
      if (each.kind === 'append') await history.append(each.events)
      else if (each.kind === 'readBack') {
        await history.checkReadBack(each.before % (log.head() + 3), each.topic, each)
      } else {
        // Positions that mean something: from before the first to past the last.
        const [after, through] = [each.after % (log.head() + 2), each.through % (log.head() + 2)]
        await history.checkRead(after, each.selector, { ...each, through })
      }
    }
    for (const names of [...TOPICS.map(topic => [topic]), ['**']])
      await history.checkStates(selectorOf(names))
    for (const topic of TOPICS) {
      await history.checkWayBack(topic, { maxEvents: 3, maxBytes: 1e9 })
      await history.checkWayBack(topic, { maxEvents: 100, maxBytes: 1 })
    }
    await log.close()
  })
  await holds(t, property, { numRuns })
}

/** Everything that was ever appended. */
class History {
  readonly #log: EventLog
  readonly #events: (NewEvent & { position: Position })[] = []

  constructor(log: EventLog) {
    this.#log = log
  }

  async append(events: readonly NewEvent[]): Promise<void> {
    const { last, added } = await this.#log.append(events)
    assert.equal(added, events.length)
    for (const [at, event] of events.entries()) {
      this.#events.push({ ...event, position: last - events.length + 1 + at })
    }
  }

  async checkRead(after: Position, wanted: Selector, limit: ReadLimit): Promise<void> {
    const page = await this.#log.read(after, wanted, limit)
    assert(page.events.length <= limit.maxEvents)
    assert(page.position > after || limit.through <= after, 'a page moves on')
    assert(page.position <= Math.max(after, limit.through))
    const read = new Set(page.events.map(event => event.position))
    const expected = this.#events.filter(
      event => event.position > after && event.position <= page.position && wanted.matches(event.topic),
    )
    const found = expected.filter(event => read.has(event.position))
    assert.deepEqual(page.events.map(plain), found.map(plain), 'in order, as appended, each once')
    for (const event of expected) {
      if (read.has(event.position) || this.#wasForgotten(event)) continue
      assert(event.position <= page.lostThrough, `${event.position} is gone without a word`)
    }
    if (page.lostThrough > 0) await this.#checkLoss(after, wanted, page.lostThrough)
  }

  async checkReadBack(before: Position, topic: Topic, limit: PageLimit): Promise<void> {
    const { events, hasOlder } = await this.#log.readBack(before, topic, limit)
    assert(events.length <= limit.maxEvents)
    // Asked for afterwards: more may be lost by now, not less.
    const lost = await this.#log.lostThrough(selectorOf([topic]))
    const isGone = (event: { topic: Topic; position: Position } | undefined): boolean =>
      event === undefined || event.position <= lost || this.#wasForgotten(event)
    const older = this.#events.filter(event => event.topic === topic && event.position < before)
    if (events.length === 0) {
      assert(!hasOlder && isGone(older.at(-1)), 'something is left out')
      return
    }
    assert.deepEqual(events.map(plain), older.slice(-events.length).map(plain), 'the newest, without a hole')
    const next = older.at(-events.length - 1)
    assert(hasOlder ? next !== undefined : isGone(next), 'it is known whether there is more')
  }

  /** Pages that lead back, from the newest event to the first, are the way forward reversed. */
  async checkWayBack(topic: Topic, limit: PageLimit): Promise<void> {
    const found: StoredEvent[] = []
    for (let before = this.#log.head() + 1, hasMore = true; hasMore;) {
      const page = await this.#log.readBack(before, topic, limit)
      assert(!page.hasOlder || page.events[0]!.position < before, 'a page leads back')
      found.unshift(...page.events)
      before = found[0]?.position ?? 0
      hasMore = page.hasOlder
    }
    const all = { through: this.#log.head(), maxEvents: 1000, maxBytes: 1e9 }
    const { events, lostThrough } = await this.#log.read(0, selectorOf([topic]), all)
    // The log may have trimmed meanwhile.
    assert.deepEqual(found.filter(({ position }) => position > lostThrough).map(plain), events.map(plain))
  }

  async checkStates(wanted: Selector): Promise<void> {
    const limit = { through: this.#log.head(), maxEvents: 1000, maxBytes: 1e9 }
    const current = new Map<string, Position>()
    for (const event of this.#events) {
      if (event.type === RESET || event.isState === true) current.delete(event.topic)
      if (event.isState === true) current.set(event.topic, event.position)
    }
    const isCurrent = (event: StoredEvent | (NewEvent & { position: Position })): boolean =>
      wanted.matches(event.topic) && current.get(event.topic) === event.position
    const expected = this.#events.filter(isCurrent)
    const all = await this.#log.readStates(0, wanted, { ...limit, onlyGone: false })
    assert.deepEqual(all.events.map(plain), expected.map(plain))
    const kept = new Set((await this.#log.read(0, wanted, limit)).events.map(event => event.position))
    const gone = await this.#log.readStates(0, wanted, { ...limit, onlyGone: true })
    assert.deepEqual(gone.events.map(plain), expected.filter(event => !kept.has(event.position)).map(plain))
  }

  /** Of one topic, or of several by name, no more may be called lost than is. */
  async #checkLoss(after: Position, wanted: Selector, lostThrough: Position): Promise<void> {
    assert(lostThrough > after)
    if (wanted.patterns.length > 0) return
    const lost = this.#events.find(event => event.position === lostThrough)
    assert(lost !== undefined && wanted.matches(lost.topic), `${lostThrough} never was one of these events`)
    const limit = { through: lostThrough, maxEvents: 1, maxBytes: 1 }
    const page = await this.#log.read(lostThrough - 1, wanted, limit)
    assert.deepEqual(page.events, [], `${lostThrough} is not lost`)
  }

  #wasForgotten({ topic, position }: { topic: string; position: Position }): boolean {
    return this.#events.some(
      event => event.type === RESET && event.topic === topic && event.position > position,
    )
  }
}

function plain({ position, topic, data, type }: NewEvent & { position: Position }): object {
  return { position, topic, data, type }
}
