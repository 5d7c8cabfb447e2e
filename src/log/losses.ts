// What a bounded log no longer has: for each topic, the newest position at which it lost an event. Bounded itself:
// what falls out of it counts against every topic from then on, so it may announce too much but never too little.

import { LRUCache } from 'lru-cache'
import type { Position, Topic } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'

const MAX_TOPICS = 200_000

export class Losses {
  /** The newest position lost of any topic. */
  newest: Position
  /** How many events were lost. */
  count = 0
  #anyTopic: Position
  readonly #byTopic: LRUCache<Topic, Position>

  /** `anyTopic`: what counts against every topic from the beginning. */
  constructor(maxTopics = MAX_TOPICS, anyTopic: Position = 0) {
    this.newest = anyTopic
    this.#anyTopic = anyTopic
    this.#byTopic = new LRUCache({
      max: maxTopics,
      dispose: (position, _topic, reason) => {
        if (reason === 'evict') this.#anyTopic = Math.max(this.#anyTopic, position)
      },
    })
  }

  /** A topic loses its events in order, so each call for one topic has a larger position than the last. */
  add(topic: Topic, position: Position): void {
    this.count++
    this.#byTopic.set(topic, position)
    if (position > this.newest) this.newest = position
  }

  /** The newest position lost among the topics that match; 0 when nothing was. */
  through(selector: Selector): Position {
    let newest = this.#anyTopic
    for (const topic of selector.topics) newest = Math.max(newest, this.#byTopic.peek(topic) ?? 0)
    if (selector.patterns.length === 0) return newest
    for (const [topic, position] of this.#byTopic.entries()) {
      if (position > newest && selector.matches(topic)) newest = position
    }
    return newest
  }
}
