// Patterns as a trie by segment: finding those that match a topic takes as long as the topic has segments and matching
// beginnings, whatever else is there.

import type { Topic } from '../event.ts'
import type { TopicPattern } from '../topic-pattern.ts'
import { SmallSet } from './small-set.ts'

/** Most nodes have few of these, and an empty Map or Set is not small. */
interface Node<T> {
  /** By segment; `*` stands among them, for a topic cannot contain it. */
  children: Map<string, Node<T>> | undefined
  /** Those whose pattern ends here. */
  here: SmallSet<T> | undefined
  /** Those whose pattern ends with `**` here. */
  below: SmallSet<T> | undefined
}

export class PatternTrie<T> {
  readonly #root: Node<T> = newNode()

  get isEmpty(): boolean {
    return this.#root.children === undefined && this.#root.below === undefined
  }

  /** Returns whether the pattern is new. */
  add(pattern: TopicPattern, member: T): boolean {
    let node = this.#root
    for (const segment of pattern.split('/')) {
      if (segment === '**') return addMember((node.below ??= new SmallSet()), member)
      node.children ??= new Map()
      let child = node.children.get(segment)
      if (child === undefined) node.children.set(segment, (child = newNode()))
      node = child
    }
    return addMember((node.here ??= new SmallSet()), member)
  }

  /** Takes out who was added; returns whether that was the last with this pattern. */
  remove(pattern: TopicPattern, member: T): boolean {
    const segments = pattern.split('/')
    const path = [this.#root]
    for (const segment of segments) {
      const child = path.at(-1)!.children?.get(segment)
      if (child !== undefined) path.push(child)
    }
    const place = segments.at(-1) === '**' ? 'below' : 'here'
    const members = path.at(-1)![place]!
    members.delete(member)
    if (members.size > 0) return false
    path.at(-1)![place] = undefined
    prune(path, segments)
    return true
  }

  /** The members of each pattern that matches; the same sets as long as the same patterns are there. */
  match(topic: Topic): SmallSet<T>[] {
    const found: SmallSet<T>[] = []
    collect(this.#root, topic, 0, found)
    return found
  }
}

// Two branches a level at the most, and both must exist in the trie: it visits no more nodes than there are
// distinct pattern prefixes of the topic.
function collect<T>(node: Node<T>, topic: Topic, from: number, found: SmallSet<T>[]): void {
  if (node.below !== undefined) found.push(node.below)
  if (from > topic.length) {
    if (node.here !== undefined) found.push(node.here)
    return
  }
  if (node.children === undefined) return
  const slash = topic.indexOf('/', from)
  const end = slash < 0 ? topic.length : slash
  const exact = node.children.get(topic.slice(from, end))
  if (exact !== undefined) collect(exact, topic, end + 1, found)
  const any = node.children.get('*')
  if (any !== undefined) collect(any, topic, end + 1, found)
}

function addMember<T>(members: SmallSet<T>, member: T): boolean {
  members.add(member)
  return members.size === 1
}

function prune<T>(path: Node<T>[], segments: readonly string[]): void {
  for (let depth = path.length - 1; depth > 0 && isEmpty(path[depth]!); depth--) {
    const { children } = path[depth - 1]!
    children!.delete(segments[depth - 1]!)
    if (children!.size === 0) path[depth - 1]!.children = undefined
  }
}

function newNode<T>(): Node<T> {
  return { children: undefined, here: undefined, below: undefined }
}

function isEmpty<T>({ children, here, below }: Node<T>): boolean {
  return children === undefined && here === undefined && below === undefined
}
