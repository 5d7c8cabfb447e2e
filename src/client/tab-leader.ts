// The tab that has the stream: it adds the members of the other tabs to it, and hands round what comes.

import { isNestedTooDeep } from '../nesting.ts'
import type { Feeds, SourceHost } from './feeds.ts'
import { matcherOf, type Member, type Notice } from './member.ts'
import { locks, report } from './platform.ts'
import {
  posted,
  postedError,
  tabLock,
  type Batch,
  type Key,
  type Message,
  type PostedNotice,
  type TabChannel,
} from './tab-messages.ts'

type LeaderHost = Pick<SourceHost, 'onStatus'> & { onProgress(cursor: string): void }

export class TabLeader {
  readonly feeds: Feeds
  readonly #name: string
  readonly #tab: string
  readonly #channel: TabChannel
  readonly #closing: AbortSignal
  readonly #others = new Map<Key, Member>()
  readonly #tabs = new Set<string>()
  #notices: [Key, PostedNotice][] = []
  #cursor: string | undefined
  #isDue = false

  constructor(
    name: string,
    tab: string,
    channel: TabChannel,
    closing: AbortSignal,
    open: (host: LeaderHost) => Feeds,
  ) {
    this.#name = name
    this.#tab = tab
    this.#channel = channel
    this.#closing = closing
    this.feeds = open({
      onStatus: () => this.#postStatus(),
      onProgress: cursor => {
        this.#cursor = cursor
        this.#postSoon()
      },
    })
    this.#post({ kind: 'lead', leader: tab })
  }

  receive(message: Message): void {
    if (message.kind === 'add' && !this.#others.has(message.key)) this.#add(message)
    else if (message.kind === 'remove') this.#remove(message.key)
  }

  #add({ tab, key, topics, watched, after }: Extract<Message, { kind: 'add' }>): void {
    const take = (notice: Notice): void => {
      this.#notices.push([key, posted(notice)])
      this.#postSoon()
    }
    const member = { topics, watched, matches: matcherOf(topics), after, take }
    this.#others.set(key, member)
    this.feeds.add(member)
    this.#postStatus()
    if (this.#tabs.has(tab)) return
    this.#tabs.add(tab)
    // The tab has this lock while it lives.
    const gone = locks()!.request(tabLock(this.#name, tab), { signal: this.#closing }, async () => {
      this.#tabs.delete(tab)
      for (const each of this.#others.keys()) if (each.startsWith(`${tab} `)) this.#remove(each)
    })
    gone.catch(() => {})
  }

  #remove(key: Key): void {
    const member = this.#others.get(key)
    if (member !== undefined) this.feeds.remove(member)
    this.#others.delete(key)
  }

  /** Once for all that a chunk of the stream brings; what several get is copied once. */
  #postSoon(): void {
    if (this.#isDue) return
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      const except = [...this.#others].filter(([, member]) => !this.feeds.isAtCursor(member))
      this.#postBatch({
        kind: 'batch',
        leader: this.#tab,
        notices: this.#notices.splice(0),
        cursor: this.#cursor,
        except: except.map(([key]) => key),
      })
    })
  }

  #postBatch(batch: Batch): void {
    try {
      this.#post(batch)
    } catch (error) {
      // What is nested too deep to be copied must not take the rest with it.
      report(error)
      const notices = batch.notices.filter(([, { value }]) => !isNestedTooDeep(value))
      this.#post({ ...batch, notices })
    }
  }

  #postStatus(): void {
    const [status = { state: 'idle' as const }] = this.feeds.statuses
    const { reason, ...others } = status
    const error = reason === undefined ? {} : { reason: postedError(reason) }
    this.#post({ kind: 'status', leader: this.#tab, status: { ...others, ...error } })
  }

  #post(message: Message): void {
    if (!this.#closing.aborted) this.#channel.post(message)
  }
}
