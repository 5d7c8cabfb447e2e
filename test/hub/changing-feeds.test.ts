// Subscribers that change what they want while events are published, without sockets: at random times, with sinks that are
// full and drain, and reads that take a while. What they wanted before and what they want now must meet at the change.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { NewEvent, Position, StoredEvent, Topic } from '../../src/event.ts'
import { framesOf, type FrameEncoder, type Sink } from '../../src/hub/frames.ts'
import type { HandOverStart } from '../../src/hub/hand-over.ts'
import { Hub } from '../../src/hub/hub.ts'
import { MAX_WAITING_CHANGES, type Subscriber } from '../../src/hub/subscriber.ts'
import { selectorOf, type Selector } from '../../src/topic-pattern.ts'
import { holds } from '../support/properties.ts'
import { SlowLog, turns } from '../support/slow-log.ts'

const TOPICS = ['a', 'b', 'x/a', 'x/b']
const NAMES = [...TOPICS, 'x/*', '**']
const SUBSCRIBERS = 4

const names = fc.subarray(NAMES, { minLength: 1, maxLength: 3 })
const room = fc.constantFrom(0, 1, 2, 5, Infinity)
const anySubscriber = fc.nat({ max: SUBSCRIBERS - 1 })

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      events: fc.array(
        fc.record({ topic: fc.constantFrom(...TOPICS), isState: fc.boolean(), isLarge: fc.boolean() }),
        { minLength: 1, maxLength: 5 },
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      subscriber: anySubscriber,
      add: names,
      remove: names,
      start: fc.constantFrom('states' as const, 'states' as const, 'earliest' as const, 'resume' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('drain' as const), subscriber: anySubscriber, room }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), turns: fc.integer({ min: 1, max: 4 }) }),
  },
)

const life = fc.record({
  readTurns: fc.array(fc.nat({ max: 3 }), { maxLength: 4 }),
  // Beyond 16 connections a flush takes several turns.
  crowd: fc.constantFrom(0, 0, 20, 40),
  steps: fc.array(step, { minLength: 5, maxLength: 40 }),
})

t.test('what a stream wanted before and what it wants now meet at the change', async t => {
  const property = fc.asyncProperty(life, async plan => {
    const world = new World(plan.readTurns)
    const changing = Array.from({ length: SUBSCRIBERS }, (_, at) => new Changing(world, [TOPICS[at]!], at))
    const crowd = Array.from({ length: plan.crowd }, (_, at) => new Changing(world, ['**'], at + SUBSCRIBERS))
    for (const each of plan.steps) {
      if (each.kind === 'publish') await world.publish(each.events)
      else if (each.kind === 'change') changing[each.subscriber]!.change(each.add, each.remove, each.start)
      else if (each.kind === 'drain') changing[each.subscriber]!.drain(each.room)
      else await turns(each.turns)
    }
    await world.settle([...changing, ...crowd])
    // Whoever is live must be served, too.
    await world.publish(TOPICS.map(topic => ({ topic, isState: false, isLarge: false })))
    await world.settle([...changing, ...crowd])
    for (const each of [...changing, ...crowd]) each.check()
    await world.close()
  })
  await holds(t, property, { numRuns: 200 })
})

class World {
  readonly log: SlowLog
  readonly hub: Hub
  readonly history: NewEvent[] = []

  constructor(readTurns: readonly number[]) {
    const unbounded = {
      maxBytes: 1e9,
      maxTopicBytes: 1e9,
      maxTopicEvents: 1e6,
      maxAgeMs: 1e9,
      maxStateBytes: 1e9,
      maxIdempotencyKeys: 1,
      idempotencyKeyAgeMs: 1,
    }
    this.log = new SlowLog(unbounded, readTurns)
    this.hub = new Hub(this.log)
  }

  async publish(events: readonly { topic: Topic; isState: boolean; isLarge: boolean }[]): Promise<void> {
    const news = events.map(({ topic, isState, isLarge }) => ({
      topic,
      isState,
      data: 'x'.repeat(isLarge ? 40_000 : 1),
    }))
    this.history.push(...news)
    await this.hub.publish(news)
  }

  async settle(all: readonly Changing[]): Promise<void> {
    for (const each of all) each.drain(Infinity)
    for (let patience = 1000; ; patience--) {
      assert(patience > 0, 'somebody never gets to the head')
      const isSettled = this.hub.position === this.log.head() && all.every(each => each.isLive)
      await turns(4)
      if (isSettled && all.every(each => each.isLive)) return
    }
  }

  /** What was published in `(after, through]` and is matched. */
  between(after: Position, through: Position, wanted: Selector): Position[] {
    return this.history.flatMap(({ topic }, at) =>
      at + 1 > after && at + 1 <= through && wanted.matches(topic) ? [at + 1] : [],
    )
  }

  async close(): Promise<void> {
    this.hub.close()
    await this.log.close()
  }
}

interface Made {
  readonly at: Position
  readonly before: Selector
  readonly after: Selector
  readonly added: Selector
  readonly start: HandOverStart
  /** What was taken away again while its events were still to be handed over. */
  readonly removedSince: Set<string>
}

type Frame =
  | { readonly kind: 'event' | 'earlier' | 'state'; readonly position: Position; readonly topic: Topic }
  | { readonly kind: 'changed'; readonly change: number }
  | { readonly kind: 'ready' }

class Changing implements Sink {
  readonly connection = { turn: 0 }
  readonly #world: World
  readonly #openedAt: Position
  readonly #subscriber: Subscriber
  readonly #made: Made[] = []
  readonly #frames: Frame[] = []
  #done = 0
  #room = Infinity
  #wasSeenFull = false

  constructor(world: World, wanted: readonly string[], at: number) {
    this.#world = world
    const start = world.hub.startAt('now')
    this.#openedAt = start.position
    const encoder = encoderOf(at % 2 === 0 ? 'even' : 'odd', 'event')
    this.#subscriber = world.hub.subscribe(selectorOf(wanted), encoder, this, start)
  }

  get isLive(): boolean {
    return this.#subscriber.phase === 'live'
  }

  get hasRoom(): boolean {
    if (this.#room <= 0) this.#wasSeenFull = true
    return this.#room > 0
  }

  drain(amount: number): void {
    this.#room = amount
    if (amount === 0 || !this.#wasSeenFull) return
    this.#wasSeenFull = false
    this.#subscriber.drained()
  }

  change(add: readonly string[], remove: readonly string[], kind: 'states' | 'earliest' | 'resume'): void {
    if (this.#subscriber.waitingChanges >= MAX_WAITING_CHANGES) return
    const before = this.#subscriber.selector
    const old = [...before.topics, ...before.patterns]
    const kept = old.filter(name => !remove.includes(name) || add.includes(name))
    const after = selectorOf([...kept, ...add])
    const added = selectorOf(add.filter(name => kind !== 'states' || !old.includes(name)))
    const position = kind === 'resume' ? Math.floor(this.#subscriber.cursor / 2) : 0
    for (const made of this.#made.slice(this.#done)) {
      for (const name of old) if (!kept.includes(name)) made.removedSince.add(name)
    }
    const number = this.#made.length
    this.#subscriber.change(after, at => {
      const start = { kind, position }
      this.#made.push({ at, before, after, added, start, removedSince: new Set() })
      const last = Buffer.from(`${JSON.stringify({ kind: 'changed', change: number })}\n`)
      return { selector: added, encoder: encoderOf('added', 'earlier'), start, last }
    })
  }

  write(chunk: Buffer): void {
    this.#room--
    for (const line of chunk.toString().trimEnd().split('\n')) {
      const frame = JSON.parse(line) as Frame
      if (frame.kind === 'changed') {
        assert.equal(frame.change, this.#done, 'changes are done in their order')
        this.#done++
      }
      this.#frames.push(frame)
    }
  }

  end(): void {
    assert.fail('the hub ended the stream')
  }

  check(): void {
    try {
      this.#check()
    } catch (error) {
      const story = [...this.#made, ...this.#frames].map(each => JSON.stringify(each)).join('\n')
      throw new Error(`${(error as Error).message}\n${story}`, { cause: error })
    }
  }

  #check(): void {
    const end = this.#world.history.length
    assert.equal(this.#done, this.#made.length, 'each change is done')
    let after = this.#openedAt
    const expected: Position[] = []
    for (const { at, before } of this.#made) {
      expected.push(...this.#world.between(after, at, before))
      after = at
    }
    expected.push(...this.#world.between(after, end, this.#subscriber.selector))
    const events = this.#frames.flatMap(frame => (frame.kind === 'event' ? [frame.position] : []))
    assert.deepEqual(events, expected, 'each event once, in order, none left out')
    for (const [number, made] of this.#made.entries()) this.#checkHandOver(number, made)
  }

  #checkHandOver(number: number, { at, added, start, removedSince }: Made): void {
    const end = this.#frames.findIndex(frame => frame.kind === 'changed' && frame.change === number)
    const begin = this.#frames.findIndex(frame => frame.kind === 'changed' && frame.change === number - 1)
    const before = this.#frames.slice(0, end)
    assert(
      before.every(frame => frame.kind !== 'event' || frame.position <= at),
      'what follows the change comes after it is done',
    )
    const handed = this.#frames.slice(begin + 1, end).filter(frame => 'position' in frame)
    const over = handed.filter(({ kind }) => kind === (start.kind === 'states' ? 'state' : 'earlier'))
    const left = [...added.topics, ...added.patterns].filter(name => !removedSince.has(name))
    const wanted =
      start.kind === 'states'
        ? this.#lastingStates(at).filter(position => selectorOf(left).matches(this.#topicOf(position)))
        : this.#world.between(start.position, at, selectorOf(left))
    const got = over.map(({ position }) => position)
    assert.deepEqual(
      wanted.filter(position => !got.includes(position)),
      [],
      'what the added topics had is handed over',
    )
    assert.deepEqual(
      got,
      [...new Set(got)].sort((one, other) => one - other),
      'in order, each once',
    )
    for (const { position, topic } of over) assert(position <= at && added.matches(topic))
  }

  /** States that had been set by then and are never replaced. */
  #lastingStates(at: Position): Position[] {
    return TOPICS.flatMap(topic => {
      const last = this.#world.history.findLastIndex(event => event.topic === topic && event.isState === true)
      return last >= 0 && last + 1 <= at ? [last + 1] : []
    })
  }

  #topicOf(position: Position): Topic {
    return this.#world.history[position - 1]!.topic
  }
}

function encoderOf(name: string, kind: 'event' | 'earlier'): FrameEncoder {
  const text = (content: object): string => `${JSON.stringify(content)}\n`
  const at = ({ position, topic }: StoredEvent): object => ({ position, topic })
  return {
    name,
    events: several => framesOf(several, stored => text({ kind, ...at(stored) })),
    states: several => framesOf(several, stored => text({ kind: 'state', ...at(stored) })),
    gap: () => assert.fail('nothing was lost'),
    ready: () => Buffer.from(text({ kind: 'ready' })),
  }
}
