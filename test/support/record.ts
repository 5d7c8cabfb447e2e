// Judges what one client received, over all its connections, against everything that was published: the log's order
// restricted to what it wants, nothing twice, and no hole that it was not told of before anything newer.

import assert from 'node:assert/strict'
import { RESET, type NewEvent, type Position, type Topic } from '../../src/event.ts'
import type { Selector } from '../../src/topic-pattern.ts'

/** What reached the client, in order. */
export type Received =
  | {
      readonly kind: 'open'
      readonly start: 'now' | 'earliest' | 'resume' | 'unknown'
      readonly position: Position
      /** With `earliest` and `unknown`: losses up to here, of topics that it saw nothing of yet, are no news. */
      acceptsThrough: Position
    }
  | { readonly kind: 'event'; readonly position: Position; readonly topic: Topic; readonly head: Position }
  | { readonly kind: 'state'; readonly position: Position; readonly topic: Topic }
  | { readonly kind: 'ready'; readonly position: Position }
  | {
      readonly kind: 'gap'
      readonly reason: 'expired' | 'unknown'
      readonly resumesAfter: Position
      readonly lostThrough: Position
    }

/** Everything that was published, the event with position 1 first. */
export type History = readonly NewEvent[]

export interface Truth {
  readonly history: History
  /** The newest position that the log lost of a topic, or a larger one. */
  lostThrough(topic: Topic): Position
  /** The log knows of every topic apart what it lost. */
  readonly isPrecise: boolean
}

/** Throws when the record is not what the client was promised. Everything up to `end` must have reached it. */
export function checkRecord(
  truth: Truth,
  wanted: Selector,
  received: readonly Received[],
  end: Position,
): void {
  try {
    replay(new Client(truth, wanted), received, end)
  } catch (error) {
    const record = received.map(each => JSON.stringify(each)).join('\n')
    throw new Error(`${(error as Error).message}\nwho wanted ${wanted.key} received\n${record}`, {
      cause: error,
    })
  }
}

function replay(client: Client, received: readonly Received[], end: Position): void {
  for (const each of received) {
    if (each.kind === 'open') client.open(each)
    else if (each.kind === 'event') client.event(each.position, each.topic, each.head)
    else if (each.kind === 'state') client.state(each.position, each.topic)
    else if (each.kind === 'ready') client.ready(each.position)
    else client.gap(each)
  }
  client.finish(end)
}

class Client {
  readonly #truth: Truth
  readonly #wanted: Selector
  /** The last id that the client has. */
  #cursor: Position = 0
  #gaps: { after: Position; through: Position }[] = []
  #awaitsUnknown = false
  #acceptsThrough: Position = 0
  /** It came with a position on this connection, and has what there is from there on when it is told so. */
  #readsOn = false
  #isReady = false
  /** Topics of which something came on this connection. */
  #begun = new Set<Topic>()
  #states = new Map<Topic, Position>()

  constructor(truth: Truth, wanted: Selector) {
    this.#truth = truth
    this.#wanted = wanted
  }

  open({ start, position, acceptsThrough }: Received & { kind: 'open' }): void {
    assert(!this.#awaitsUnknown, 'an unknown id was not announced')
    this.#begun = new Set()
    this.#acceptsThrough = 0
    this.#readsOn = start !== 'now'
    this.#isReady = false
    if (start === 'resume') {
      assert.equal(position, this.#cursor, 'it goes on from the last id')
      return
    }
    this.#cursor = position
    this.#gaps = []
    this.#states = new Map()
    if (start !== 'now') this.#acceptsThrough = acceptsThrough
    this.#awaitsUnknown = start === 'unknown'
  }

  event(position: Position, topic: Topic, head: Position): void {
    assert(!this.#awaitsUnknown, 'an unknown id is announced before any event')
    assert(position > this.#cursor, `${position} came after ${this.#cursor}`)
    const { type, isState, topic: publishedTo } = this.#published(position)
    assert.equal(topic, publishedTo)
    assert(this.#wanted.matches(topic), `'${topic}' was not asked for`)
    this.#pass(position - 1, head)
    this.#cursor = position
    this.#begun.add(topic)
    if (isState === true) this.#states.set(topic, position)
    if (type === RESET) this.#states.set(topic, position)
  }

  state(position: Position, topic: Topic): void {
    assert(!this.#awaitsUnknown, 'an unknown id is announced before any state')
    const event = this.#published(position)
    assert(event.isState === true && event.topic === topic && this.#wanted.matches(topic))
    assert(position >= (this.#states.get(topic) ?? 0), `the state ${position} came after a newer one`)
    this.#states.set(topic, position)
  }

  /** Only now does a client that was given states have an id: cut off before, it starts afresh. */
  ready(position: Position): void {
    assert(!this.#awaitsUnknown, 'an unknown id is announced before anything else')
    assert(!this.#isReady, 'it was told twice that it has what there was')
    this.#isReady = true
    assert(position >= this.#cursor, `it would go back from ${this.#cursor} to ${position}`)
    if (this.#readsOn) this.#pass(position, this.#truth.history.length)
    this.#cursor = position
  }

  gap({ reason, resumesAfter, lostThrough }: Received & { kind: 'gap' }): void {
    assert.equal(reason === 'unknown', this.#awaitsUnknown)
    this.#awaitsUnknown = false
    if (reason === 'unknown') return
    this.#pass(resumesAfter, this.#truth.history.length)
    assert(resumesAfter >= this.#cursor && lostThrough > resumesAfter)
    this.#cursor = resumesAfter
    this.#gaps.push({ after: resumesAfter, through: lostThrough })
    if (!this.#truth.isPrecise) return
    const { topic } = this.#published(lostThrough)
    assert(this.#wanted.matches(topic), `a gap through ${lostThrough}, which was not asked for`)
    assert(lostThrough <= this.#truth.lostThrough(topic), `a gap through ${lostThrough}, which is not lost`)
  }

  finish(end: Position): void {
    assert(!this.#awaitsUnknown, 'an unknown id was not announced')
    this.#pass(end, end)
    for (const [topic, position] of currentStates(this.#truth.history.slice(0, end))) {
      if (!this.#wanted.matches(topic)) continue
      assert.equal(this.#states.get(topic), position, `the state of '${topic}'`)
    }
  }

  /** Nothing up to here is still to come: whatever is missing must have been accounted for. */
  #pass(through: Position, head: Position): void {
    for (let position = this.#cursor + 1; position <= through; position++) {
      const { topic } = this.#published(position)
      if (!this.#wanted.matches(topic) || this.#wasForgotten(topic, position, head)) continue
      assert(this.#isAnnounced(topic, position), `${position} ('${topic}') is missing, and nothing was said`)
      assert(position <= this.#truth.lostThrough(topic), `${position} ('${topic}') is missing, but not lost`)
    }
  }

  #isAnnounced(topic: Topic, position: Position): boolean {
    if (position <= this.#acceptsThrough && !this.#begun.has(topic)) return true
    return this.#gaps.some(gap => position > gap.after && position <= gap.through)
  }

  /** A reset that came before `head` tells of the loss itself: it is one of the events to be received. */
  #wasForgotten(topic: Topic, position: Position, head: Position): boolean {
    return this.#truth.history
      .slice(position, head)
      .some(event => event.type === RESET && event.topic === topic)
  }

  #published(position: Position): NewEvent {
    const event = this.#truth.history[position - 1]
    assert(event !== undefined, `${position} was never published`)
    return event
  }
}

function currentStates(history: History): Map<Topic, Position> {
  const states = new Map<Topic, Position>()
  for (const [at, { topic, isState, type }] of history.entries()) {
    if (type === RESET) states.delete(topic)
    if (isState === true) states.set(topic, at + 1)
  }
  return states
}
