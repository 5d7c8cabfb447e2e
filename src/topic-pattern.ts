// Topic patterns: `*` stands for one segment, `**` (only last) for any number of them, none included.
// Both matching and containment take time linear in the pattern; nothing here can backtrack for long.

import { isReservedTopic, type StoredEvent, type Topic } from './event.ts'

/** A topic name or a topic pattern; see `patternFault`. */
export type TopicPattern = string

export function isPattern(pattern: TopicPattern): boolean {
  return pattern.includes('*')
}

/** Compiles a pattern to a test of topic names. */
export function patternMatcher(pattern: TopicPattern): (topic: Topic) => boolean {
  if (!isPattern(pattern)) return topic => topic === pattern
  if (pattern === '**') return () => true
  const parent = pattern.endsWith('/**') ? pattern.slice(0, -3) : undefined
  if (parent !== undefined && !isPattern(parent)) {
    const prefix = `${parent}/`
    return topic => topic.startsWith(prefix) || topic === parent
  }
  const wanted = pattern.split('/')
  return topic => matchesSegments(wanted, topic)
}

// Along the topic's text: whoever catches up by a pattern has each event of the log looked at.
function matchesSegments(wanted: readonly string[], topic: Topic): boolean {
  let at = 0
  for (const segment of wanted) {
    if (segment === '**') return true
    if (at > topic.length) return false
    const slash = topic.indexOf('/', at)
    const end = slash < 0 ? topic.length : slash
    if (segment !== '*' && (end - at !== segment.length || !topic.startsWith(segment, at))) return false
    at = end + 1
  }
  return at > topic.length
}

/** Whether every topic that `inner` matches is matched by `outer` too. Both may be plain topics. */
export function patternCovers(outer: TopicPattern, inner: TopicPattern): boolean {
  if (outer === '**' || outer === inner) return true
  const outerSegments = outer.split('/')
  // No topic is without a segment, so `**` and `*/**` match the same.
  const innerSegments = inner === '**' ? ['*', '**'] : inner.split('/')
  for (let at = 0; at < outerSegments.length; at++) {
    if (outerSegments[at] === '**') return true
    const segment = innerSegments[at]
    if (segment === undefined || segment === '**') return false
    if (outerSegments[at] !== '*' && outerSegments[at] !== segment) return false
  }
  return innerSegments.length === outerSegments.length
}

/** Whether some topic is matched by both. Either may be a plain topic. */
export function patternsOverlap(one: TopicPattern, other: TopicPattern): boolean {
  const oneSegments = one.split('/')
  const otherSegments = other.split('/')
  for (let at = 0; at < Math.max(oneSegments.length, otherSegments.length); at++) {
    const [segment, beside] = [oneSegments[at], otherSegments[at]]
    if (segment === '**' || beside === '**') return true
    if (segment === undefined || beside === undefined) return false
    if (segment !== beside && segment !== '*' && beside !== '*') return false
  }
  return true
}

/** A set of topics and patterns: what one subscriber wants, in one fixed spelling. */
export interface Selector {
  /** Equal for equal sets, in whatever order they were named; `selectorOfKey` makes the same of it again. */
  readonly key: string
  readonly topics: readonly Topic[]
  readonly patterns: readonly TopicPattern[]
  /** Patterns do not match the hub's own topics (`isReservedTopic`). */
  matches(topic: Topic): boolean
  /** What of the log to read, where `wants` chooses among it. Absent: what this very selector matches. */
  readonly source?: Selector
  /** Whether an event of the source is wanted. Absent: all are. */
  wants?(event: StoredEvent): boolean
}

/** What both want. Its topics and patterns are those of the first: more than it matches. */
export function intersection(one: Selector, other: Selector): Selector {
  return {
    ...one,
    // No name is empty, so the key can be taken apart again.
    key: `${one.key}\n\n${other.key}`,
    matches: topic => one.matches(topic) && other.matches(topic),
  }
}

/** The selector that has this key. */
export function selectorOfKey(key: string): Selector {
  return key
    .split('\n\n')
    .map(names => selectorOf(names.split('\n')))
    .reduce(intersection)
}

/** Builds a selector from topics and patterns that were validated before. */
export function selectorOf(names: readonly (Topic | TopicPattern)[]): Selector {
  return new NameSelector(names.length === 1 ? names : [...new Set(names)].sort())
}

// Every subscriber has one, so it holds no more than it must.
class NameSelector implements Selector {
  readonly key: string
  readonly topics: readonly Topic[]
  readonly patterns: readonly TopicPattern[]
  /** Made when somebody asks: most subscribers are found by their names, in an index. */
  #test: ((topic: Topic) => boolean) | undefined

  constructor(names: readonly (Topic | TopicPattern)[]) {
    // Names hold no control characters, so this cannot run two of them together.
    this.key = names.join('\n')
    this.topics = compact(names.filter(name => !isPattern(name)))
    this.patterns = compact(names.filter(isPattern))
  }

  matches(topic: Topic): boolean {
    this.#test ??= testOf(this.topics, this.patterns)
    return this.#test(topic)
  }
}

const NONE: readonly string[] = []

/** An array that was built element by element has room for more. */
function compact(names: readonly string[]): readonly string[] {
  return names.length === 0 ? NONE : names.slice()
}

function testOf(topics: readonly Topic[], patterns: readonly TopicPattern[]): (topic: Topic) => boolean {
  const exact = new Set(topics)
  const matchers = patterns.map(patternMatcher)
  return topic => exact.has(topic) || (matchers.some(matches => matches(topic)) && !isReservedTopic(topic))
}
