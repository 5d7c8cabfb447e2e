// Remembers which patterns match a topic. A pattern that comes or goes concerns the topics that have its last literal
// segment in the same place, so only those are looked up again: one subscriber who joins costs the others nothing.

import { LRUCache } from 'lru-cache'
import type { Topic } from '../event.ts'
import type { TopicPattern } from '../topic-pattern.ts'

interface Match<R> {
  readonly result: R
  /** What `#stampOf` said then. */
  readonly stamp: number
}

/** What all that is remembered may take together, about, in bytes. */
const MAX_BYTES = 32 * 1024 * 1024
// An entry, its key, and its place in the cache.
const ENTRY_BYTES = 200
const BYTES_PER_MATCH = 8

// A power of two. Segments that share a counter are looked up more often than they must, nothing else.
const COUNTERS = 2 ** 14

export class MatchMemo<R> {
  readonly #find: (topic: Topic) => readonly R[]
  readonly #matches = new LRUCache<Topic, Match<readonly R[]>>({ maxSize: MAX_BYTES })
  /** How often patterns came or went, by their last literal segment; the first counts those that have none. */
  readonly #changes = new Uint32Array(1 + COUNTERS)

  /** `find` looks up what belongs to the patterns that match a topic. */
  constructor(find: (topic: Topic) => readonly R[]) {
    this.#find = find
  }

  get(topic: Topic): readonly R[] {
    const stamp = this.#stampOf(topic)
    const known = this.#matches.get(topic)
    if (known?.stamp === stamp) return known.result
    const result = this.#find(topic)
    const size = ENTRY_BYTES + 2 * topic.length + BYTES_PER_MATCH * result.length
    this.#matches.set(topic, { result, stamp }, { size })
    return result
  }

  /** A pattern came or went. */
  noteChange(pattern: TopicPattern): void {
    this.#changes[counterOfPattern(pattern)]!++
  }

  clear(): void {
    this.#matches.clear()
  }

  /** The sum of the counters that concern the topic: none ever goes back, so it is the same only if all are. */
  #stampOf(topic: Topic): number {
    let stamp = this.#changes[0]!
    for (let from = 0, depth = 0; from <= topic.length; depth++) {
      const end = endOfSegment(topic, from)
      stamp += this.#changes[counterOf(topic, from, end, depth)]!
      from = end + 1
    }
    return stamp
  }
}

function counterOfPattern(pattern: TopicPattern): number {
  let counter = 0
  for (let from = 0, depth = 0; from <= pattern.length; depth++) {
    const end = endOfSegment(pattern, from)
    if (pattern[from] !== '*') counter = counterOf(pattern, from, end, depth)
    from = end + 1
  }
  return counter
}

/** FNV-1a of the segment between these characters, which stands at this depth. */
function counterOf(name: string, from: number, end: number, depth: number): number {
  let hash = Math.imul(0x811c9dc5 ^ depth, 0x01000193)
  for (let at = from; at < end; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  return 1 + ((hash ^ (hash >>> 16)) & (COUNTERS - 1))
}

function endOfSegment(name: string, from: number): number {
  const slash = name.indexOf('/', from)
  return slash < 0 ? name.length : slash
}
