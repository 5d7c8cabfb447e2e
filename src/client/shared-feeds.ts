// The tabs of one origin share one stream. They elect a tab that has it (Web Locks: first come, first served), and that
// hands round what comes (BroadcastChannel). When it goes, the next in line opens a stream from where each tab is.

import type { FeedOptions } from './feed.ts'
import { Feeds, type Source, type SourceHost } from './feeds.ts'
import type { Member } from './member.ts'
import type { Status } from './options.ts'
import { locks, randomId } from './platform.ts'
import { topicsOf } from './roster.ts'
import { TabLeader } from './tab-leader.ts'
import {
  received,
  receivedError,
  tabLock,
  TabChannel,
  type Batch,
  type Key,
  type Message,
} from './tab-messages.ts'

export class SharedFeeds implements Source {
  readonly #tab = randomId()
  readonly #name: string
  readonly #options: FeedOptions
  readonly #host: SourceHost
  readonly #channel: TabChannel
  readonly #closing = new AbortController()
  /** Those of this tab. */
  readonly #members = new Map<Key, Member>()
  readonly #keys = new Map<Member, Key>()
  #added = 0
  #leader: string | undefined
  #leaderStatus: Status = { state: 'idle' }
  /** Members of this tab that go with the leader's cursor. */
  readonly #joined = new Set<Key>()
  /** This tab leads. */
  #leading: TabLeader | undefined
  /** Messages are worth something once the others can see whether this tab is alive. */
  #isAlive = false

  constructor(name: string, options: FeedOptions, host: SourceHost) {
    this.#name = `millrace:${name}`
    this.#options = options
    this.#host = host
    this.#channel = new TabChannel(this.#name, message => this.#receive(message))
    this.#hold(tabLock(this.#name, this.#tab), () => {
      this.#isAlive = true
      this.#addAll()
      this.#hold(this.#name, () => this.#lead())
    })
  }

  get statuses(): readonly Status[] {
    if (this.#leading !== undefined) return this.#leading.feeds.statuses
    return this.#members.size > 0 ? [this.#leaderStatus] : []
  }

  add(member: Member): void {
    const key = `${this.#tab} ${this.#added++}`
    this.#members.set(key, member)
    this.#keys.set(member, key)
    if (this.#leading !== undefined) this.#leading.feeds.add(member)
    else if (this.#isAlive) this.#postAdd(key, member)
  }

  remove(member: Member): void {
    const key = this.#keys.get(member)
    if (key === undefined) return
    this.#keys.delete(member)
    this.#members.delete(key)
    this.#joined.delete(key)
    if (this.#leading !== undefined) this.#leading.feeds.remove(member)
    else this.#channel.post({ kind: 'remove', key })
  }

  close(): void {
    this.#closing.abort()
    this.#leading?.feeds.close()
    this.#channel.close()
  }

  /** Calls back when this tab has the lock, which it keeps until it closes. */
  #hold(name: string, begin: () => void): void {
    const { signal } = this.#closing
    const held = locks()!.request(name, { signal }, () => {
      begin()
      return new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
    })
    // It was closed while it waited.
    held.catch(() => {})
  }

  #lead(): void {
    if (this.#closing.signal.aborted) return
    this.#leader = this.#tab
    this.#leading = new TabLeader(this.#name, this.#tab, this.#channel, this.#closing.signal, host => {
      const onStatus = (): void => {
        host.onStatus()
        this.#host.onStatus()
      }
      const onProgress = (cursor: string): Promise<void> | undefined => {
        host.onProgress(cursor)
        return this.#host.onProgress(cursor, () => this.#topics(member => feeds.isAtCursor(member)))
      }
      const feeds = new Feeds(this.#options, { onStatus, onProgress })
      return feeds
    })
    for (const member of this.#members.values()) this.#leading.feeds.add(member)
  }

  #topics(isThere: (member: Member) => boolean): ReadonlySet<string> {
    return topicsOf([...this.#members.values()].filter(isThere))
  }

  #receive(message: Message): void {
    if (this.#leading !== undefined) return this.#leading.receive(message)
    if (message.kind === 'lead') {
      this.#leader = message.leader
      this.#joined.clear()
      this.#addAll()
    } else if (message.kind === 'batch' || message.kind === 'status') {
      this.#leader ??= message.leader
      // What comes late from one who led before is repeated by the one who leads now.
      if (message.leader !== this.#leader) return
      if (message.kind === 'batch') return this.#take(message)
      const { reason, ...others } = message.status
      this.#leaderStatus = { ...others, ...(reason !== undefined && { reason: receivedError(reason) }) }
      this.#host.onStatus()
    }
  }

  #take({ notices, cursor, except }: Batch): void {
    for (const [key, notice] of notices) {
      const member = this.#members.get(key)
      if (member === undefined) continue
      if (notice.to === 'onJoined') this.#joined.add(key)
      if (notice.to === 'onEvent') member.after = notice.value.id ?? member.after
      member.take(received(notice))
    }
    if (cursor === undefined) return
    const behind = new Set(except)
    for (const key of this.#joined) if (!behind.has(key)) this.#members.get(key)!.after = cursor
    void this.#host.onProgress(cursor, () =>
      this.#topics(member => this.#joined.has(this.#keys.get(member)!)),
    )
  }

  #addAll(): void {
    for (const [key, member] of this.#members) this.#postAdd(key, member)
  }

  #postAdd(key: Key, { topics, watched, after }: Member): void {
    this.#channel.post({ kind: 'add', tab: this.#tab, key, topics, watched, after })
  }
}
