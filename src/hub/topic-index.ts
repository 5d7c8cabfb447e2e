// Finds the audiences that want a topic. Plain topics are one look-up, and so are the patterns that match a topic once
// it was seen: the cost follows the audiences found, not the number of topics or subscribers.

import type { Topic } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'
import { MatchMemo } from './match-memo.ts'
import { PatternTrie } from './pattern-trie.ts'
import { SmallSet } from './small-set.ts'

export class TopicIndex<T> {
  readonly #exact = new Map<Topic, SmallSet<T>>()
  readonly #patterns = new PatternTrie<T>()
  // Of sets that change with their members: it must learn only of patterns that come and go.
  readonly #memo = new MatchMemo<SmallSet<T>>(topic => this.#patterns.match(topic))

  add(selector: Selector, member: T): void {
    for (const topic of selector.topics) {
      let members = this.#exact.get(topic)
      if (members === undefined) this.#exact.set(topic, (members = new SmallSet()))
      members.add(member)
    }
    for (const pattern of selector.patterns) {
      if (this.#patterns.add(pattern, member)) this.#memo.noteChange(pattern)
    }
  }

  remove(selector: Selector, member: T): void {
    for (const topic of selector.topics) {
      const members = this.#exact.get(topic)
      members?.delete(member)
      if (members?.size === 0) this.#exact.delete(topic)
    }
    for (const pattern of selector.patterns) {
      if (this.#patterns.remove(pattern, member)) this.#memo.noteChange(pattern)
    }
    if (this.#patterns.isEmpty) this.#memo.clear()
  }

  /** Calls `found` for each member that wants the topic; more than once when several of its patterns match. */
  match(topic: Topic, found: (member: T) => void): void {
    this.#exact.get(topic)?.forEach(found)
    if (this.#patterns.isEmpty) return
    for (const members of this.#memo.get(topic)) members.forEach(found)
  }
}
