// The members of a stream: who is on it, and who waits to be added.

import type { Member } from './member.ts'
import { queryOf } from './query.ts'

// Topics are named in a URL, and proxies commonly take lines of 8 KB.
const MAX_QUERY_LENGTH = 6000

export class Roster {
  readonly #onStream = new Set<Member>()
  #waiting = new Set<Member>()
  readonly #byTopic = new Map<string, readonly Member[]>()
  /** How many are added at once: less after a refusal, until the one is found who is refused. */
  #batchSize = Infinity

  get size(): number {
    return this.#onStream.size + this.#waiting.size
  }

  get all(): readonly Member[] {
    return [...this.#onStream, ...this.#waiting]
  }

  get onStream(): readonly Member[] {
    return [...this.#onStream]
  }

  has(member: Member): boolean {
    return this.#onStream.has(member) || this.#waiting.has(member)
  }

  isOnStream(member: Member): boolean {
    return this.#onStream.has(member)
  }

  add(member: Member): void {
    this.#waiting.add(member)
  }

  /** Whether it was one. */
  delete(member: Member): boolean {
    this.#byTopic.clear()
    return this.#onStream.delete(member) || this.#waiting.delete(member)
  }

  clear(): void {
    for (const member of this.all) this.delete(member)
  }

  /** Returns those that were not on the stream before. */
  settle(batch: readonly Member[]): readonly Member[] {
    const settled = batch.filter(member => this.#waiting.delete(member))
    for (const member of settled) this.#onStream.add(member)
    this.#byTopic.clear()
    this.#batchSize *= 2
    return settled
  }

  /** All are to be added anew, first those that were on the stream, from where it got to. */
  unsettle(cursor: string | undefined): void {
    for (const member of this.#onStream) member.after = cursor ?? member.after
    this.#waiting = new Set(this.all)
    this.#onStream.clear()
    this.#byTopic.clear()
  }

  /** One of so many was refused. */
  narrow(size: number): void {
    this.#batchSize = Math.ceil(size / 2)
  }

  /** Who is to be added next: some that wait, and go on from the same place. */
  nextBatch(): readonly Member[] {
    const [first] = this.#waiting
    const named = new Set<string>()
    const batch: Member[] = []
    let length = 0
    for (const member of this.#waiting) {
      if (member.after !== first!.after) continue
      const topic = member.topics.filter(each => !named.has(each))
      for (const each of topic) named.add(each)
      length += queryOf({ topic, presence: member.watched }).length
      if (batch.length > 0 && (batch.length >= this.#batchSize || length > MAX_QUERY_LENGTH)) break
      batch.push(member)
    }
    return batch
  }

  /** Those on the stream that want the topic's events. */
  of(topic: string): readonly Member[] {
    const known = this.#byTopic.get(topic)
    if (known !== undefined) return known
    const members = this.onStream.filter(({ matches }) => matches(topic))
    // Behind a pattern there may be any number of topics.
    if (this.#byTopic.size >= 1000) this.#byTopic.clear()
    this.#byTopic.set(topic, members)
    return members
  }
}

export function topicsOf(members: readonly Member[]): ReadonlySet<string> {
  return new Set(members.flatMap(({ topics }) => topics))
}

export function watchedBy(members: readonly Member[]): ReadonlySet<string> {
  return new Set(members.flatMap(({ watched }) => watched))
}
