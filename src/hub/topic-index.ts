// Finds the audiences that want a topic: a trie by segment, so the cost follows the topic's depth and the audiences
// found, not the number of topics or subscribers.

import type { Topic } from '../event.ts'
import type { Selector, TopicPattern } from '../topic-pattern.ts'

interface Node<T> {
  /** By segment; `*` stands among them, for a topic cannot contain it. */
  readonly children: Map<string, Node<T>>
  /** Those whose pattern ends here. */
  readonly here: Set<T>
  /** Those whose pattern ends with `**` here. */
  readonly below: Set<T>
}

export class TopicIndex<T> {
  // Plain topics are most of what is asked for: one look-up each.
  readonly #exact = new Map<Topic, Set<T>>()
  readonly #root: Node<T> = newNode()
  #patterns = 0

  add(selector: Selector, member: T): void {
    for (const topic of selector.topics) {
      const members = this.#exact.get(topic)
      if (members === undefined) this.#exact.set(topic, new Set([member]))
      else members.add(member)
    }
    for (const pattern of selector.patterns) this.#addPattern(pattern, member)
  }

  remove(selector: Selector, member: T): void {
    for (const topic of selector.topics) {
      const members = this.#exact.get(topic)
      members?.delete(member)
      if (members?.size === 0) this.#exact.delete(topic)
    }
    for (const pattern of selector.patterns) this.#removePattern(pattern, member)
  }

  /** Calls `found` for each member that wants the topic; more than once when several of its patterns match. */
  match(topic: Topic, found: (member: T) => void): void {
    this.#exact.get(topic)?.forEach(found)
    if (this.#patterns > 0) matchBelow(this.#root, topic.split('/'), 0, found)
  }

  #addPattern(pattern: TopicPattern, member: T): void {
    this.#patterns++
    let node = this.#root
    for (const segment of pattern.split('/')) {
      if (segment === '**') {
        node.below.add(member)
        return
      }
      let child = node.children.get(segment)
      if (child === undefined) node.children.set(segment, (child = newNode()))
      node = child
    }
    node.here.add(member)
  }

  #removePattern(pattern: TopicPattern, member: T): void {
    this.#patterns--
    const segments = pattern.split('/')
    const path = [this.#root]
    for (const segment of segments) {
      const child = path.at(-1)!.children.get(segment)
      if (child !== undefined) path.push(child)
    }
    if (segments.at(-1) === '**') path.at(-1)!.below.delete(member)
    else path.at(-1)!.here.delete(member)
    for (let depth = path.length - 1; depth > 0 && isEmpty(path[depth]!); depth--) {
      path[depth - 1]!.children.delete(segments[depth - 1]!)
    }
  }
}

// Two branches a level at the most, and both must exist in the trie: it visits no more nodes than there are
// distinct pattern prefixes of the topic.
function matchBelow<T>(
  node: Node<T>,
  segments: readonly string[],
  depth: number,
  found: (member: T) => void,
): void {
  node.below.forEach(found)
  if (depth === segments.length) {
    node.here.forEach(found)
    return
  }
  const exact = node.children.get(segments[depth]!)
  if (exact !== undefined) matchBelow(exact, segments, depth + 1, found)
  const any = node.children.get('*')
  if (any !== undefined) matchBelow(any, segments, depth + 1, found)
}

function newNode<T>(): Node<T> {
  return { children: new Map(), here: new Set(), below: new Set() }
}

function isEmpty<T>(node: Node<T>): boolean {
  return node.children.size === 0 && node.here.size === 0 && node.below.size === 0
}
