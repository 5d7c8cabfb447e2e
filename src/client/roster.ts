// The members of a stream: who is on it, and who waits to be added.

import type { Member } from './member.ts'

// Topics are named in a URL, and proxies commonly take lines of 8 KB.
const MAX_QUERY_LENGTH = 6000

export class Roster {
  readonly #onStream = new Set<Member>()
  readonly #waiting = new Set<Member>()
  readonly #byTopic = new Map<string, readonly Member[]>()
  /** How many are added at once: less after a refusal, until the one is found who is refused. */
  #batchSize = Infinity

  get size(): number {
    return this.#onStream.size + this.#waiting.size
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

  delete(member: Member): void {
    this.#waiting.delete(member)
    if (this.#onStream.delete(member)) this.#byTopic.clear()
  }

  /** Returns those that were not on the stream before. */
  settle(batch: readonly Member[]): readonly Member[] {
    const settled = batch.filter(member => this.#waiting.delete(member))
    for (const member of settled) this.#onStream.add(member)
    this.#byTopic.clear()
    this.#batchSize *= 2
    return settled
  }

  /** They are to be added anew, from where the stream got to. */
  unsettle(cursor: string | undefined): void {
    for (const member of this.#onStream) {
      if (cursor !== undefined) member.after = cursor
      this.#waiting.add(member)
    }
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
    const batch: Member[] = []
    let length = 0
    for (const member of this.#waiting) {
      if (member.after !== first!.after) continue
      length += queryLength([member])
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

  /** What all of them want, waiting or not. */
  get topics(): ReadonlySet<string> {
    return topicsOf([...this.#onStream, ...this.#waiting])
  }
}

export function topicsOf(members: readonly Member[]): ReadonlySet<string> {
  return new Set(members.flatMap(({ topics }) => topics))
}

export function fitsUrl(members: readonly Member[]): boolean {
  return queryLength(members) <= MAX_QUERY_LENGTH
}

function queryLength(members: readonly Member[]): number {
  return encodeURIComponent([...topicsOf(members)].join('&topic=')).length
}
