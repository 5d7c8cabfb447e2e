// One `/feed` stream and its members: opened, changed while it is open, reopened from its cursor whenever it ends, and
// closed a moment after the last member has left.

import type { EventSourceMessage } from 'eventsource-parser'
import {
  BYE,
  GAP,
  OPEN,
  PRESENCE,
  RESET,
  TOPICS,
  type ByeData,
  type GapData,
  type OpenData,
  type PresenceData,
  type ResetData,
} from '../protocol/control-events.ts'
import { Backoff, pause } from './backoff.ts'
import { readEventStream, SilenceWatch } from './event-stream.ts'
import type { Member, Notice } from './member.ts'
import { clientError, MillraceError } from './millrace-error.ts'
import type { HubEvent, Status } from './options.ts'
import { isOffline } from './platform.ts'
import { keepTokenFresh, renewToken } from './renewal.ts'
import type { Requests } from './requests.ts'
import { fitsUrl, Roster, topicsOf } from './roster.ts'

export interface FeedOptions {
  readonly requests: Requests
  readonly silenceMs: number
  readonly lingerMs: number
  /** Who follows the topics is told. Such a stream cannot be changed. */
  readonly withPresence?: boolean
  /** It has one member, and is read no faster than that takes what it carries. */
  readonly isPaced?: boolean
}

export interface FeedHost {
  onStatus(): void
  /** A chunk was handed out. */
  onProgress?(feed: Feed): void
  /** The hub cannot add the member to this stream, but may open another one for it. */
  onOverflow?(member: Member, feed: Feed): void
}

/** As the hub knows it. */
interface OpenFeed {
  readonly name: string
  topics: ReadonlySet<string>
}

// The reason of an abort that is no error.
const AGAIN = new Error('again')

export class Feed {
  status: Status = { state: 'idle' }
  /** Everything up to here was handed out to those on the stream. */
  cursor: string | undefined
  readonly #options: FeedOptions
  readonly #host: FeedHost
  readonly #roster = new Roster()
  readonly #backoff = new Backoff()
  #abort = new AbortController()
  #open: OpenFeed | undefined
  /** Whom the stream is being opened with, or who is being added. What comes without an `id:` line is theirs. */
  #batch: readonly Member[] = []
  /** Since the change began, those on the stream were told of a gap, which has states without an `id:` line behind it. */
  #hasGap = false
  /** Where the batch has got to, on its way to the cursor. */
  #batchCursor: string | undefined
  #isOpening = false
  #isRunning = false
  #isChanging = false
  #isClosed = false
  #isTurnDue = false
  /** The stream was not there when it was to be changed. */
  #wasMissing = false
  #wasOpen = false
  readonly #renewedFor = new WeakSet<Member>()
  #retryMs = 0
  #bye: MillraceError | undefined
  #changed: (() => void) | undefined
  #linger: ReturnType<typeof setTimeout> | undefined
  #stopRenewal: (() => void) | undefined

  constructor(options: FeedOptions, host: FeedHost) {
    this.#options = options
    this.#host = host
  }

  /** The topics of those that have got to the cursor. */
  get topics(): ReadonlySet<string> {
    return topicsOf(this.#roster.onStream)
  }

  add(member: Member): void {
    this.#roster.add(member)
    this.#takeTurn()
  }

  remove(member: Member): void {
    this.#roster.delete(member)
    this.#takeTurn()
  }

  close(): void {
    this.#isClosed = true
    this.#abort.abort(AGAIN)
  }

  /** Once for whatever comes and goes in one turn of the event loop. */
  #takeTurn(): void {
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    queueMicrotask(() => {
      this.#isTurnDue = false
      clearTimeout(this.#linger)
      if (this.#roster.size === 0) {
        this.#linger = setTimeout(() => this.#abort.abort(AGAIN), this.#options.lingerMs)
      } else if (this.#isRunning) void this.#change()
      else void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    this.#setStatus({ state: 'connecting' })
    while (this.#roster.size > 0 && !this.#isClosed) {
      this.#abort = new AbortController()
      const trouble = await this.#connection(this.#abort)
      if (trouble !== undefined) await this.#wait(trouble)
    }
    this.#isRunning = false
    this.#setStatus({ state: this.#isClosed ? 'closed' : 'idle' })
  }

  /** Resolves when the connection is over, with why; undefined: there is no need to wait. */
  async #connection(abort: AbortController): Promise<MillraceError | undefined> {
    const path = this.#beginning()
    const watch = new SilenceWatch(abort, this.#options.silenceMs)
    try {
      const init = { headers: { accept: 'text/event-stream' }, signal: abort.signal }
      const response = await this.#options.requests.send(path, init, { withFreshToken: true })
      await readEventStream(response, watch, {
        onMessage: message => this.#take(message),
        onRetry: retryMs => (this.#retryMs = retryMs),
        onChunk: () => {
          this.#host.onProgress?.(this)
          return this.#options.isPaced === true ? this.#roster.onStream[0]?.room?.() : undefined
        },
      })
      return this.#bye ?? clientError('CLIENT_CUT', 'The stream ended without a goodbye.')
    } catch (caught) {
      const error: unknown = abort.signal.aborted ? abort.signal.reason : caught
      if (error === AGAIN) return undefined
      if (!(error instanceof MillraceError)) {
        return clientError('CLIENT_CUT', 'The stream broke off.', { cause: error })
      }
      if (this.#open !== undefined || !error.isRefusal) return error
      this.#refuse(this.#batch, error)
      return undefined
    } finally {
      watch.stop()
      abort.abort(AGAIN)
      this.#ended()
    }
  }

  /** Whom to open the stream with, and where: those that were on it, else the first who wait. */
  #beginning(): string {
    const before = this.#roster.onStream
    if (this.cursor === undefined || !fitsUrl(before)) this.#roster.unsettle(this.cursor)
    const resumed = this.#roster.onStream
    this.#batch = resumed.length > 0 ? resumed : this.#roster.nextBatch()
    this.#isOpening = true
    this.#bye = undefined
    const after = resumed.length > 0 ? this.cursor : this.#batch[0]!.after
    this.cursor = after === 'earliest' ? undefined : after
    const query = [...topicsOf(this.#batch)].map(topic => `topic=${encodeURIComponent(topic)}`)
    if (after !== undefined) query.push(`after=${encodeURIComponent(after)}`)
    if (this.#options.withPresence === true) query.push('presence=true')
    return `/feed?${query.join('&')}`
  }

  #ended(): void {
    this.#stopRenewal?.()
    this.#open = undefined
    this.#endBatch()
  }

  async #wait(trouble: MillraceError): Promise<void> {
    const isExpired = trouble.code === 'CLIENT_BYE' && trouble.detail === 'expired'
    const leastMs = isExpired ? 0 : Math.max(this.#retryMs, trouble.retryAfterMs ?? 0)
    const moreMs = this.#backoff.next()
    // What is mended at the first try is no news.
    const state = isOffline() ? 'offline' : this.#wasOpen ? 'connecting' : 'waiting'
    this.#wasOpen = false
    this.#setStatus({ state, reason: trouble, retryAt: Date.now() + leastMs + moreMs })
    this.#abort = new AbortController()
    await pause(leastMs, moreMs, this.#abort.signal)
  }

  #setStatus(status: Status): void {
    this.status = status
    this.#host.onStatus()
  }

  #take({ id, event, data }: EventSourceMessage): void {
    const content: unknown = JSON.parse(data)
    if (event === OPEN) this.#opened(content as OpenData)
    // An id is where the stream stands: all that came before it, such as states, has been handed over.
    if (id !== undefined && (this.#isOpening || event === TOPICS)) this.#settle()
    if (event === undefined) this.#hand(content as HubEvent, id)
    else this.#control(event, content, id)
    if (id !== undefined) this.cursor = id
  }

  #opened({ feed, topics }: OpenData): void {
    this.#open = { name: feed, topics: new Set(topics) }
    this.#wasOpen = true
    this.#backoff.succeeded()
    this.#stopRenewal = keepTokenFresh(this.#options.requests, feed)
    this.#setStatus({ state: 'open' })
    // From the earliest on, there is no id before the first event, and no state.
    if (this.#batch[0]?.after === 'earliest') this.#settle()
  }

  #hand(event: HubEvent, id: string | undefined): void {
    const notice: Notice = { kind: 'event', event: id === undefined ? event : { id, ...event } }
    if (id === undefined && event.id !== undefined) this.#batchCursor = event.id
    this.#tell(id, notice, event.topic)
  }

  #control(type: string, content: unknown, id: string | undefined): void {
    if (type === GAP) {
      this.#tell(id, { kind: 'gap', gap: content as GapData })
      if (id !== undefined) this.#hasGap = true
    } else if (type === RESET) {
      const { topic } = content as ResetData
      this.#tell(id, { kind: 'reset', reset: { topic, ...(id !== undefined && { id }) } }, topic)
    } else if (type === PRESENCE) {
      for (const member of this.#roster.onStream) {
        member.take({ kind: 'presence', presence: content as PresenceData })
      }
    } else if (type === TOPICS) {
      this.#open!.topics = new Set((content as OpenData).topics)
    } else if (type === BYE) {
      this.#bye = clientError('CLIENT_BYE', (content as ByeData).reason)
    }
  }

  /** With an `id:` line it is for those on the stream, without one for those that are being added, if anybody is. */
  #tell(id: string | undefined, notice: Notice, topic?: string): void {
    const isForBatch = id === undefined && this.#batch.length > 0
    if (isForBatch) {
      for (const member of this.#batch) {
        if (this.#roster.has(member) && (topic === undefined || member.matches(topic))) member.take(notice)
      }
    }
    if (isForBatch && !this.#hasGap) return
    const { onStream } = this.#roster
    for (const member of topic === undefined ? onStream : this.#roster.of(topic)) {
      if (this.#roster.has(member)) member.take(notice)
    }
  }

  #settle(): void {
    const settled = this.#roster.settle(this.#batch)
    this.#batchCursor = undefined
    this.#endBatch()
    for (const member of settled) member.take({ kind: 'ready' })
    this.#takeTurn()
  }

  #endBatch(): void {
    // Whoever has not arrived goes on where it was.
    if (this.#batchCursor !== undefined) for (const member of this.#batch) member.after = this.#batchCursor
    this.#batchCursor = undefined
    this.#batch = []
    this.#isOpening = false
    this.#changed?.()
  }

  /** Adds who waits and takes away what nobody wants any more, a batch at a time. */
  async #change(): Promise<void> {
    const open = this.#open
    if (open === undefined || this.#isChanging || this.#batch.length > 0) return
    const wanted = this.#roster.topics
    const remove = [...open.topics].filter(topic => !wanted.has(topic))
    const batch = this.#roster.nextBatch()
    if (batch.length + remove.length === 0 || wanted.size === 0) return
    this.#isChanging = true
    this.#hasGap = false
    this.#batch = batch
    const changed = new Promise<void>(resolve => (this.#changed = resolve))
    try {
      await this.#options.requests.json(`/feed/${open.name}`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ add: [...topicsOf(batch)], remove, after: batch[0]?.after, again: true }),
        signal: this.#abort.signal,
      })
      this.#wasMissing = false
      await changed
    } catch (error) {
      if (this.#open === open) await this.#changeFailed(batch, error as MillraceError)
    } finally {
      this.#isChanging = false
      this.#takeTurn()
    }
  }

  async #changeFailed(batch: readonly Member[], error: MillraceError): Promise<void> {
    this.#endBatch()
    if (batch.length === 0) this.#open!.topics = new Set()
    if (error.status === 404 && !this.#wasMissing) {
      // It may have ended without our having heard of it.
      this.#wasMissing = true
      this.#abort.abort(AGAIN)
    } else if (cannotChange(error)) {
      for (const member of batch.filter(each => this.#roster.has(each))) {
        this.#roster.delete(member)
        this.#host.onOverflow?.(member, this)
      }
    } else if (error.status === 403 && (await this.#renewFor(batch))) return
    else if (error.isRefusal) this.#refuse(batch, error)
    else await pause(error.retryAfterMs ?? 0, this.#backoff.next(), this.#abort.signal)
  }

  /** The stream's token may be older than the right to what is added: tries a new one, once for each member. */
  async #renewFor(batch: readonly Member[]): Promise<boolean> {
    const isNews = batch.some(member => !this.#renewedFor.has(member))
    for (const member of batch) this.#renewedFor.add(member)
    return isNews && (await renewToken(this.#options.requests, this.#open!.name))
  }

  /** The hub has refused to open or change the stream for them: with one of them at least it always will. */
  #refuse(batch: readonly Member[], error: MillraceError): void {
    const refused = batch.filter(member => this.#roster.has(member))
    if (refused.length > 1 && error.status !== 401) {
      if (this.#open === undefined) this.#roster.unsettle(this.cursor)
      return this.#roster.narrow(refused.length)
    }
    for (const member of refused) {
      this.#roster.delete(member)
      member.take({ kind: 'error', error })
    }
  }
}

/** This very stream cannot take these topics: another one may. */
function cannotChange({ status, code }: MillraceError): boolean {
  return status === 404 || status === 405 || status === 409 || code === 'MILLRACE_TOO_MANY_PATTERNS'
}
