// Finds the audiences of an update. Exact topics are one look-up; templates and patterns are tried once for each topic,
// and what they said is remembered.

import { LRUCache } from 'lru-cache'
import type { StoredEvent } from '../../event.ts'
import type { Audience } from '../../hub/audience.ts'
import type { AudienceIndex } from '../../hub/hub.ts'
import { SmallSet } from '../../hub/small-set.ts'
import type { Matcher } from './matcher.ts'
import type { MercureSelector } from './selection.ts'
import { updateOf } from './update.ts'

interface PatternMembers {
  readonly matcher: Matcher
  readonly members: SmallSet<Audience>
}

interface TriedPatterns {
  readonly matching: PatternMembers[]
  /** How many of `#patterns` were tried. */
  count: number
}

// With thousands of patterns that match everything, each has a list of all of them.
const MAX_TOPICS_REMEMBERED = 1000

export class UpdateIndex implements AudienceIndex {
  readonly #note: (event: StoredEvent) => void
  readonly #exact = new Map<string, SmallSet<Audience>>()
  readonly #byKey = new Map<string, PatternMembers>()
  /** In the order they came; those without members are left behind now and then. */
  #patterns: PatternMembers[] = []
  readonly #tried = new LRUCache<string, TriedPatterns>({ max: MAX_TOPICS_REMEMBERED })

  /** `note` is called with each event that is delivered. */
  constructor(note: (event: StoredEvent) => void) {
    this.#note = note
  }

  add(audience: Audience): void {
    for (const matcher of matchersOf(audience)) {
      if (matcher.topic === undefined) this.#addPattern(matcher, audience)
      else addTo(this.#exact, matcher.topic, audience)
    }
  }

  remove(audience: Audience): void {
    for (const matcher of matchersOf(audience)) {
      if (matcher.topic === undefined) this.#removePattern(matcher, audience)
      else removeFrom(this.#exact, matcher.topic, audience)
    }
  }

  match(event: StoredEvent, found: (audience: Audience) => void): void {
    this.#note(event)
    const update = updateOf(event)
    const offer = (audience: Audience): void => {
      if ((audience.selector as MercureSelector).mayRead(update)) found(audience)
    }
    for (const topic of update.topics) {
      this.#exact.get(topic)?.forEach(offer)
      if (this.#patterns.length === 0) continue
      for (const { members } of this.#matching(topic)) members.forEach(offer)
    }
  }

  /** Only the patterns that came since are tried. */
  #matching(topic: string): readonly PatternMembers[] {
    let tried = this.#tried.get(topic)
    if (tried === undefined) this.#tried.set(topic, (tried = { matching: [], count: 0 }))
    for (; tried.count < this.#patterns.length; tried.count++) {
      const pattern = this.#patterns[tried.count]!
      if (pattern.members.size > 0 && pattern.matcher.matches(topic)) tried.matching.push(pattern)
    }
    return tried.matching
  }

  #addPattern(matcher: Matcher, audience: Audience): void {
    let pattern = this.#byKey.get(matcher.key)
    if (pattern === undefined) {
      pattern = { matcher, members: new SmallSet() }
      this.#byKey.set(matcher.key, pattern)
      this.#patterns.push(pattern)
    }
    pattern.members.add(audience)
  }

  #removePattern({ key }: Matcher, audience: Audience): void {
    const pattern = this.#byKey.get(key)
    pattern?.members.delete(audience)
    if (pattern?.members.size !== 0) return
    this.#byKey.delete(key)
    if (this.#patterns.length < 2 * this.#byKey.size + 16) return
    this.#patterns = [...this.#byKey.values()]
    this.#tried.clear()
  }
}

function matchersOf({ selector }: Audience): readonly Matcher[] {
  return (selector as MercureSelector).matchers
}

function addTo(sets: Map<string, SmallSet<Audience>>, key: string, audience: Audience): void {
  let members = sets.get(key)
  if (members === undefined) sets.set(key, (members = new SmallSet()))
  members.add(audience)
}

function removeFrom(sets: Map<string, SmallSet<Audience>>, key: string, audience: Audience): void {
  const members = sets.get(key)
  members?.delete(audience)
  if (members?.size === 0) sets.delete(key)
}
