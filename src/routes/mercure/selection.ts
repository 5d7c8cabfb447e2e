// What a subscription gets: the updates that one of its matchers matches and, of private ones, those that its token may read.

import type { StoredEvent, Topic } from '../../event.ts'
import { selectorOf, type Selector } from '../../topic-pattern.ts'
import type { Matcher } from './matcher.ts'
import { SUBSCRIPTION_EVENTS, subscriptionsPath, UPDATES } from './paths.ts'
import type { Draft } from './rights.ts'
import { updateOf, type Update } from './update.ts'

/** Of updates alone. */
export const HISTORY = selectorOf([UPDATES])
const WITH_SUBSCRIPTIONS = selectorOf([UPDATES, SUBSCRIPTION_EVENTS])

export class MercureSelector implements Selector {
  /** Equal for subscriptions that get the same. */
  readonly key: string
  readonly draft: Draft
  readonly matchers: readonly Matcher[]
  /** Of the hub, as the client sees it. */
  readonly url: string
  readonly source: Selector
  readonly #readable: readonly Matcher[]
  readonly #readableKey: string

  /** `readable`: the topics whose private updates its token may read. */
  constructor(draft: Draft, matchers: readonly Matcher[], readable: readonly Matcher[], url: string) {
    this.draft = draft
    this.matchers = matchers
    this.url = url
    this.#readable = readable
    this.#readableKey = readableKey(readable)
    this.key = `${keyOf(matchers)}\n\n${this.#readableKey}`
    // Events about subscriptions are private, and most subscriptions cannot name them.
    const path = subscriptionsPath(url)
    const mayWantThem = readable.length > 0 && matchers.some(matcher => mayMatchBelow(matcher, path))
    this.source = mayWantThem ? WITH_SUBSCRIPTIONS : HISTORY
  }

  /** What it was asked for, for whoever looks after the hub. */
  get topics(): readonly Topic[] {
    return this.matchers.map(({ value }) => value)
  }

  get patterns(): readonly string[] {
    return []
  }

  matches(topic: Topic): boolean {
    return this.source.matches(topic)
  }

  wants(event: StoredEvent): boolean {
    const update = updateOf(event)
    return update.topics.some(topic => matchesOne(this.matchers, topic)) && this.mayRead(update)
  }

  mayRead({ isPrivate, topics }: Update): boolean {
    return !isPrivate || topics.some(topic => matchesOne(this.#readable, topic))
  }

  /** Whether a token that may read these topics gets the same by it. */
  isReadableBy(readable: readonly Matcher[]): boolean {
    return this.#readableKey === readableKey(readable)
  }
}

function matchesOne(matchers: readonly Matcher[], topic: string): boolean {
  return matchers.some(matcher => matcher.matches(topic))
}

function keyOf(matchers: readonly Matcher[]): string {
  return [...new Set(matchers.map(({ key }) => JSON.stringify(key)))].sort().join('\n')
}

function readableKey(readable: readonly Matcher[]): string {
  return readable.some(({ isAny }) => isAny) ? '*' : keyOf(readable)
}

function mayMatchBelow({ isAny, topic }: Matcher, path: string): boolean {
  return isAny || topic === undefined || topic.startsWith(path)
}
