// The streams of one client. One is enough, as long as the hub can add all topics to it: those that it cannot are on the
// next one.

import { Feed, type FeedHost, type FeedOptions } from './feed.ts'
import type { Member } from './member.ts'
import type { Status } from './options.ts'

/** Where members are added: streams of this client's own, or those of another tab. */
export interface Source {
  readonly statuses: readonly Status[]
  add(member: Member): void
  remove(member: Member): void
  close(): void
}

export interface SourceHost {
  onStatus(): void
  /**
   * Events up to this id were handed out, to those who follow these topics. Of the first stream only, which is read on when
   * what this returns has resolved.
   */
  onProgress(cursor: string, topics: () => ReadonlySet<string>): Promise<void> | undefined
}

export class Feeds implements Source, FeedHost {
  readonly #options: FeedOptions
  readonly #host: SourceHost
  readonly #feeds: Feed[] = []

  constructor(options: FeedOptions, host: SourceHost) {
    this.#options = options
    this.#host = host
  }

  get statuses(): readonly Status[] {
    return this.#feeds.map(({ status }) => status)
  }

  add(member: Member): void {
    this.#addTo(0, member)
  }

  remove(member: Member): void {
    for (const feed of this.#feeds) feed.remove(member)
  }

  /** Whether it has got to the cursor that `onProgress` tells. */
  isAtCursor(member: Member): boolean {
    return this.#feeds[0]?.has(member) === true
  }

  close(): void {
    for (const feed of this.#feeds) feed.close()
  }

  onStatus(): void {
    this.#host.onStatus()
  }

  onProgress(feed: Feed): Promise<void> | undefined {
    const { cursor } = feed
    if (feed !== this.#feeds[0] || cursor === undefined) return undefined
    return this.#host.onProgress(cursor, () => feed.topics)
  }

  onOverflow(member: Member, feed: Feed): void {
    this.#addTo(this.#feeds.indexOf(feed) + 1, member)
  }

  #addTo(at: number, member: Member): void {
    this.#feeds[at] ??= new Feed(this.#options, this)
    this.#feeds[at].add(member)
  }
}
