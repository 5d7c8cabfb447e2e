// Promises 2 and 3, without sockets: thousands of short lives of a hub with a tiny log. Sinks are full and drain at
// random, clients go and come back, reads take a while as those of other threads and machines do, and some flushes
// take several turns, during which others join.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { RESET, type NewEvent, type Position, type StoredEvent } from '../../src/event.ts'
import { framesOf, type Connection, type FrameEncoder, type Sink } from '../../src/hub/frames.ts'
import { Hub } from '../../src/hub/hub.ts'
import type { Subscriber } from '../../src/hub/subscriber.ts'
import type { MemoryLog } from '../../src/log/memory.ts'
import { selectorOf, type Selector } from '../../src/topic-pattern.ts'
import { holds } from '../support/properties.ts'
import { checkRecord, type Received } from '../support/record.ts'
import { SlowLog, turns } from '../support/slow-log.ts'

const TOPICS = ['a', 'b', 'x/a', 'x/b', 'x/y/z']
const SELECTIONS = [['a'], ['b'], ['x/a'], ['a', 'x/b'], ['x/*'], ['x/**', 'x/a'], ['**'], ['*', 'x/y/*']]

const limits = fc.record({
  maxTopicEvents: fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 12 }) }, fc.constant(1000)),
  maxBytes: fc.oneof(fc.integer({ min: 500, max: 6000 }), fc.constant(1e6)),
  maxLossTopics: fc.constantFrom(1, TOPICS.length, TOPICS.length),
})

const event = fc.record({
  topic: fc.constantFrom(...TOPICS),
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constant('event') },
    { weight: 3, arbitrary: fc.constant('state') },
    { weight: 1, arbitrary: fc.constant('reset') },
  ),
  // Large ones fill a flush; small ones share it.
  size: fc.oneof({ weight: 8, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(40_000) }),
})

const CLIENTS = 10
const START = {
  weight: 3,
  arbitrary: fc.constantFrom('now' as const, 'earliest' as const, 'unknown' as const),
}
const anyStart = fc.oneof(START, { weight: 3, arbitrary: fc.constant('resume' as const) })
const anyClient = fc.nat({ max: CLIENTS - 1 })

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      events: fc.array(event, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('open' as const),
      client: anyClient,
      start: anyStart,
      room: fc.constantFrom(0, 1, 2, 5, Infinity),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('close' as const), client: anyClient }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('drain' as const),
      client: anyClient,
      room: fc.constantFrom(0, 1, 2, 5, Infinity),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), turns: fc.integer({ min: 1, max: 4 }) }),
  },
)

const life = fc.record({
  limits,
  // Beyond 16 connections a flush takes several turns.
  crowd: fc.constantFrom(0, 0, 0, 18, 36),
  readTurns: fc.array(fc.nat({ max: 3 }), { maxLength: 5 }),
  selections: fc.array(fc.constantFrom(...SELECTIONS), { minLength: CLIENTS, maxLength: CLIENTS }),
  steps: fc.array(step, { minLength: 5, maxLength: 50 }),
})

t.test('whatever happens, each subscriber gets the order of the log, without a silent hole', async t => {
  const property = fc.asyncProperty(life, async plan => {
    const world = new World(plan.limits, plan.readTurns)
    const clients = plan.selections.map((names, at) => new Client(world, selectorOf(names), at))
    const crowd = Array.from(
      { length: plan.crowd },
      (_, at) => new Client(world, selectorOf(['**']), CLIENTS + at),
    )
    for (const each of crowd) each.open('now', Infinity)
    for (const each of plan.steps) {
      if (each.kind === 'publish') await world.publish(each.events.map(newEvent))
      else if (each.kind === 'open') clients[each.client]!.open(each.start, each.room)
      else if (each.kind === 'close') clients[each.client]!.close()
      else if (each.kind === 'drain') clients[each.client]!.drain(each.room)
      else await turns(each.turns)
    }
    for (const each of clients) each.open('resume', Infinity)
    await world.settle()
    // Whoever is live must be served, too.
    await world.publish(TOPICS.map(topic => ({ topic, data: 'last' })))
    await world.settle()
    for (const each of world.clients) await each.check()
    await world.checkLeft()
    await world.close()
  })
  await holds(t, property, { numRuns: 400 })
})

function newEvent({ topic, kind, size }: { topic: string; kind: string; size: number }): NewEvent {
  if (kind === 'reset') return { topic, data: '{}', type: RESET }
  return { topic, data: 'x'.repeat(size), isState: kind === 'state' }
}

t.test('whoever asked for the earliest of an empty hub is told of what it misses later', async t => {
  const world = new World({ maxTopicEvents: 1, maxBytes: 1e6, maxLossTopics: 1 }, [])
  t.teardown(() => world.close())
  const client = new Client(world, selectorOf(['a']), 0)
  client.open('earliest', Infinity)
  await world.settle()
  client.drain(0)
  for (const data of ['1', '2']) await world.publish([{ topic: 'a', data }])
  await world.settle()
  t.equal(client.count, 4, 'the opening, that this is all, a gap, an event')
  await client.check()
})

t.test('who goes away while a flush is under way is left alone', async t => {
  const world = new World({ maxTopicEvents: 10, maxBytes: 1e6, maxLossTopics: 1 }, [])
  t.teardown(() => world.close())
  for (let at = 0; at < 60; at++) new Client(world, selectorOf(['a']), CLIENTS + at).open('now', Infinity)
  await world.settle()
  await world.publish([{ topic: 'a', data: '' }])
  const reached = (): Client[] => world.clients.filter(client => client.count > 1)
  while (reached().length === 0) await turns(1)
  t.ok(reached().length < world.clients.length / 2, 'a flush takes turns')
  for (const client of world.clients) client.close()
  const before = reached().length
  await world.settle()
  t.equal(reached().length, before)
})

class World {
  readonly log: MemoryLog
  readonly hub: Hub
  readonly history: NewEvent[] = []
  readonly clients: Client[] = []
  /** How many frames were made. */
  encoded = 0
  readonly connections: Connection[] = Array.from({ length: CLIENTS / 2 }, () => ({ turn: 0 }))
  readonly isPrecise: boolean

  constructor(
    bounds: { maxTopicEvents: number; maxBytes: number; maxLossTopics: number },
    readTurns: number[],
  ) {
    const options = {
      maxTopicBytes: 1e6,
      maxAgeMs: 1e9,
      maxStateBytes: 1e6,
      maxIdempotencyKeys: 1,
      idempotencyKeyAgeMs: 1,
    }
    this.log = new SlowLog({ ...options, ...bounds }, readTurns)
    this.hub = new Hub(this.log)
    this.isPrecise = bounds.maxLossTopics >= TOPICS.length
  }

  async publish(events: readonly NewEvent[]): Promise<void> {
    for (const client of this.clients) if (client.isLive) client.noteAccepted()
    this.history.push(...events)
    const { last } = await this.hub.publish(events)
    assert.equal(last, this.history.length)
  }

  /** Everybody reads on, and gets to the head. */
  async settle(): Promise<void> {
    for (const client of this.clients) client.drain(Infinity)
    // A flush has begun when the hub is at the head, and takes some more turns.
    for (let patience = 1000; ; patience--) {
      assert(patience > 0, 'somebody never gets to the head')
      const wasSettled = this.#isSettled()
      await turns(4)
      if (wasSettled && this.#isSettled()) return
    }
  }

  #isSettled(): boolean {
    return (
      this.hub.position === this.log.head() && this.clients.every(client => client.isAway || client.isLive)
    )
  }

  /** When everybody has left, nothing is done for anybody. */
  async checkLeft(): Promise<void> {
    for (const client of this.clients) client.close()
    const before = this.encoded
    await this.publish(TOPICS.map(topic => ({ topic, data: 'for nobody' })))
    await this.settle()
    assert.equal(this.encoded, before)
  }

  async close(): Promise<void> {
    this.hub.close()
    await this.log.close()
  }
}

class Client implements Sink {
  readonly connection: Connection
  readonly #world: World
  readonly #wanted: Selector
  readonly #encoder: FrameEncoder
  readonly #received: Received[] = []
  #subscriber: Subscriber | undefined
  #cursor: Position | undefined
  #room = 0
  #wasSeenFull = false
  #writesAllowed = 0
  #isOpen = false
  #accepted: Promise<void> | undefined

  constructor(world: World, wanted: Selector, at: number) {
    this.#world = world
    world.clients.push(this)
    this.#wanted = wanted
    this.#encoder = encoderOf(at % 2 === 0 ? 'even' : 'odd', world)
    this.connection = world.connections[at] ?? { turn: 0 }
  }

  /** How much it received, the opening included. */
  get count(): number {
    return this.#received.length
  }

  get isAway(): boolean {
    return this.#subscriber === undefined
  }

  get isLive(): boolean {
    return this.#subscriber?.phase === 'live'
  }

  get hasRoom(): boolean {
    if (this.#room <= 0) this.#wasSeenFull = true
    // Whoever catches up looks once before each step: a gap, a page of states, a page of events.
    this.#writesAllowed = this.#room > 0 ? 3 : 0
    return this.#room > 0
  }

  open(kind: 'now' | 'earliest' | 'resume' | 'unknown', room: number): void {
    if (this.#subscriber !== undefined) return
    const { hub, log } = this.#world
    const cursor = { epoch: kind === 'unknown' ? 'another' : log.epoch, position: this.#cursor ?? 0 }
    const isFresh = kind === 'now' || (kind === 'resume' && this.#cursor === undefined)
    const start = hub.startAt(isFresh ? 'now' : kind === 'earliest' ? kind : cursor)
    const asked = isFresh ? 'now' : kind
    this.#received.push({ kind: 'open', start: asked, position: start.position, acceptsThrough: 0 })
    this.#cursor = start.hasStates ? undefined : start.position
    this.#isOpen = true
    // An unknown id is announced at once.
    this.#writesAllowed = kind === 'unknown' ? 1 : 0
    this.#wasSeenFull = false
    this.#accepted = undefined
    this.#room = room
    this.#subscriber = hub.subscribe(this.#wanted, this.#encoder, this, start)
  }

  close(): void {
    this.#isOpen = false
    this.#subscriber?.close('client')
    this.#subscriber = undefined
  }

  drain(room: number): void {
    this.#room = room
    if (room === 0 || !this.#wasSeenFull) return
    this.#wasSeenFull = false
    this.#subscriber?.drained()
  }

  write(chunk: Buffer): void {
    assert(this.#isOpen, 'a sink that was closed is left alone')
    assert(this.#writesAllowed-- > 0, 'a sink that is full is left alone')
    this.#room--
    for (const line of chunk.toString().trimEnd().split('\n')) {
      const { encoder, ...frame } = JSON.parse(line) as Received & { encoder: string }
      assert.equal(encoder, this.#encoder.name)
      this.#take(frame)
    }
  }

  end(): void {
    assert.fail('the hub ended the stream')
  }

  #take(frame: Received): void {
    if (frame.kind === 'gap') this.#cursor = frame.resumesAfter
    else this.noteAccepted()
    if (frame.kind === 'ready') this.#cursor = frame.position
    if (frame.kind === 'event') {
      this.#cursor = frame.position
      this.#received.push({ ...frame, head: this.#world.log.head() })
    } else this.#received.push(frame)
  }

  /** Called when the first event or state has come, or nothing is left to come: what is lost later is announced. */
  noteAccepted(): void {
    const opened = this.#received.findLast(each => each.kind === 'open')
    if (opened?.kind !== 'open') return
    this.#accepted ??= this.#world.log.lostThrough(this.#wanted).then(through => {
      opened.acceptsThrough = through
    })
  }

  async check(): Promise<void> {
    const { history, log, isPrecise } = this.#world
    await this.#accepted
    const lost = new Map<string, Position>()
    for (const topic of TOPICS) lost.set(topic, await log.lostThrough(selectorOf([topic])))
    const truth = { history, isPrecise, lostThrough: (topic: string) => lost.get(topic) ?? 0 }
    checkRecord(truth, this.#wanted, this.#received, history.length)
  }
}

function encoderOf(name: string, world: World): FrameEncoder {
  const text = (content: { kind: Received['kind']; position?: Position }): string => {
    world.encoded++
    return `${JSON.stringify({ encoder: name, ...content })}\n`
  }
  const at = ({ position, topic }: StoredEvent): { position: Position; topic: string } => ({
    position,
    topic,
  })
  return {
    name,
    events: several => framesOf(several, stored => text({ kind: 'event', ...at(stored) })),
    states: several => framesOf(several, stored => text({ kind: 'state', ...at(stored) })),
    gap: gap => Buffer.from(text({ kind: 'gap', ...gap })),
    ready: position => Buffer.from(text({ kind: 'ready', position })),
  }
}
