// The tabs of one origin share one stream. They elect a tab that has it (Web Locks: first come, first served), and that
// hands round what comes (BroadcastChannel). When it goes, the next in line opens a stream from where each tab is.

import type { FeedOptions } from './feed.ts'
import { Feeds, type Source, type SourceHost } from './feeds.ts'
import { matcherOf, type Member, type Notice } from './member.ts'
import { MillraceError, type ErrorFacts } from './millrace-error.ts'
import type { Status } from './options.ts'
import { locks, randomId } from './platform.ts'
import { topicsOf } from './roster.ts'

/** What is posted of an error: a copy loses what makes it ours. */
interface PostedError extends ErrorFacts {
  readonly code: string
  readonly detail: string
}

type PostedStatus = Omit<Status, 'reason'> & { readonly reason?: PostedError }

type Posted<Value> = Value extends { readonly error: MillraceError }
  ? { readonly kind: 'error'; readonly error: PostedError }
  : Value

type Key = string
type Channel = InstanceType<typeof BroadcastChannel>

type Message =
  /** To the leader. The key names the tab too. */
  | {
      readonly kind: 'add'
      readonly tab: string
      readonly key: Key
      readonly topics: readonly string[]
      readonly after: string | undefined
    }
  | { readonly kind: 'remove'; readonly key: Key }
  /** From the leader, who begins: whoever has members adds them now. */
  | { readonly kind: 'lead'; readonly leader: string }
  | Batch
  | { readonly kind: 'status'; readonly leader: string; readonly status: PostedStatus }

interface Batch {
  readonly kind: 'batch'
  readonly leader: string
  readonly notices: readonly (readonly [Key, Posted<Notice>])[]
  /** All that were told that they are ready have got here, but for those. */
  readonly cursor: string | undefined
  readonly except: readonly Key[]
}

export class SharedFeeds implements Source {
  readonly #tab = randomId()
  readonly #name: string
  readonly #options: FeedOptions
  readonly #host: SourceHost
  readonly #channel: Channel
  readonly #closing = new AbortController()
  /** Those of this tab. */
  readonly #members = new Map<Key, Member>()
  readonly #keys = new Map<Member, Key>()
  #added = 0
  #leader: string | undefined
  #leaderStatus: Status = { state: 'idle' }
  /** Members of this tab that go with the leader's cursor. */
  readonly #ready = new Set<Key>()
  /** This tab leads. */
  #leading: Leader | undefined
  /** Messages are worth something once the others can see whether this tab is alive. */
  #isAlive = false

  constructor(name: string, options: FeedOptions, host: SourceHost) {
    this.#name = `millrace:${name}`
    this.#options = options
    this.#host = host
    this.#channel = new BroadcastChannel(this.#name)
    this.#channel.onmessage = ({ data }: { readonly data: unknown }) => this.#receive(data as Message)
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
    this.#ready.delete(key)
    if (this.#leading !== undefined) this.#leading.feeds.remove(member)
    else this.#channel.postMessage({ kind: 'remove', key } satisfies Message)
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
    this.#leading = new Leader(this.#name, this.#tab, this.#channel, this.#closing.signal, host => {
      const onStatus = (): void => {
        host.onStatus()
        this.#host.onStatus()
      }
      const onProgress = (cursor: string): void => {
        host.onProgress(cursor)
        this.#host.onProgress(cursor, () => this.#topics(member => feeds.isAtCursor(member)))
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
      this.#ready.clear()
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
      if (notice.kind === 'ready') this.#ready.add(key)
      if (notice.kind === 'event') member.after = notice.event.id ?? member.after
      member.take(received(notice))
    }
    if (cursor === undefined) return
    const behind = new Set(except)
    for (const key of this.#ready) if (!behind.has(key)) this.#members.get(key)!.after = cursor
    this.#host.onProgress(cursor, () => this.#topics(member => this.#ready.has(this.#keys.get(member)!)))
  }

  #addAll(): void {
    for (const [key, member] of this.#members) this.#postAdd(key, member)
  }

  #postAdd(key: Key, { topics, after }: Member): void {
    this.#channel.postMessage({ kind: 'add', tab: this.#tab, key, topics, after } satisfies Message)
  }
}

type LeaderHost = Pick<SourceHost, 'onStatus'> & { onProgress(cursor: string): void }

/** What the tab does for the others that has the stream. */
class Leader {
  readonly feeds: Feeds
  readonly #name: string
  readonly #tab: string
  readonly #channel: Channel
  readonly #closing: AbortSignal
  readonly #others = new Map<Key, Member>()
  readonly #tabs = new Set<string>()
  #notices: [Key, Posted<Notice>][] = []
  #cursor: string | undefined
  #isDue = false

  constructor(
    name: string,
    tab: string,
    channel: Channel,
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

  #add({ tab, key, topics, after }: Extract<Message, { kind: 'add' }>): void {
    const take = (notice: Notice): void => {
      this.#notices.push([key, posted(notice)])
      this.#postSoon()
    }
    const member = { topics, matches: matcherOf(topics), after, take }
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
      this.#post({
        kind: 'batch',
        leader: this.#tab,
        notices: this.#notices.splice(0),
        cursor: this.#cursor,
        except: except.map(([key]) => key),
      })
    })
  }

  #postStatus(): void {
    const [status = { state: 'idle' as const }] = this.feeds.statuses
    const { reason, ...others } = status
    const error = reason === undefined ? {} : { reason: postedError(reason) }
    this.#post({ kind: 'status', leader: this.#tab, status: { ...others, ...error } })
  }

  #post(message: Message): void {
    if (!this.#closing.aborted) this.#channel.postMessage(message)
  }
}

function tabLock(name: string, tab: string): string {
  return `${name} ${tab}`
}

function posted(notice: Notice): Posted<Notice> {
  return notice.kind === 'error' ? { kind: 'error', error: postedError(notice.error) } : notice
}

function received(notice: Posted<Notice>): Notice {
  return notice.kind === 'error' ? { kind: 'error', error: receivedError(notice.error) } : notice
}

function postedError({ code, detail, status }: MillraceError): PostedError {
  return { code, detail, status }
}

function receivedError({ code, detail, status }: PostedError): MillraceError {
  return new MillraceError(code, detail, { status })
}
