// One `/feed` stream and its members: opened, changed while it is open, reopened from its cursor whenever it ends, and
// closed a moment after the last member has left.

import { Backoff, pause } from './backoff.ts'
import { Delivery } from './delivery.ts'
import { readEventStream, SilenceWatch } from './event-stream.ts'
import type { Member } from './member.ts'
import { clientError, MillraceError } from './millrace-error.ts'
import type { Status } from './options.ts'
import { isOffline } from './platform.ts'
import { keepTokenFresh, renewToken } from './renewal.ts'
import type { Requests } from './requests.ts'
import { fitsUrl, topicsOf, type Roster } from './roster.ts'

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
  readonly #options: FeedOptions
  readonly #host: FeedHost
  readonly #backoff = new Backoff()
  #abort = new AbortController()
  #open: OpenFeed | undefined
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

  readonly #delivery = new Delivery({
    onOpen: (name, topics) => this.#opened({ name, topics: new Set(topics) }),
    onTopics: topics => (this.#open!.topics = new Set(topics)),
    onBye: reason => (this.#bye = clientError('CLIENT_BYE', reason)),
    onBatchEnd: () => {
      this.#changed?.()
      this.#takeTurn()
    },
  })
  readonly #roster: Roster = this.#delivery.roster

  constructor(options: FeedOptions, host: FeedHost) {
    this.#options = options
    this.#host = host
  }

  /** Everything up to here was handed out to those on the stream. */
  get cursor(): string | undefined {
    return this.#delivery.cursor
  }

  /** The topics of those that have got to the cursor. */
  get topics(): ReadonlySet<string> {
    return topicsOf(this.#roster.onStream)
  }

  /** Whether the member has got to the cursor. */
  has(member: Member): boolean {
    return this.#roster.isOnStream(member)
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
      if (this.#isClosed) return
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
        onMessage: message => this.#delivery.take(message),
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
      this.#refuse(this.#delivery.batch, error)
      return undefined
    } finally {
      watch.stop()
      abort.abort(AGAIN)
      this.#ended()
    }
  }

  /** Whom to open the stream with, and where: those that were on it, else the first who wait. */
  #beginning(): string {
    const delivery = this.#delivery
    const before = this.#roster.onStream
    if (delivery.cursor === undefined || !fitsUrl(before)) this.#roster.unsettle(delivery.cursor)
    const resumed = this.#roster.onStream
    const batch = resumed.length > 0 ? resumed : this.#roster.nextBatch()
    const after = resumed.length > 0 ? delivery.cursor : batch[0]!.after
    delivery.begin(batch, true)
    delivery.cursor = after === 'earliest' ? undefined : after
    this.#bye = undefined
    const query = [...topicsOf(batch)].map(topic => `topic=${encodeURIComponent(topic)}`)
    if (after !== undefined) query.push(`after=${encodeURIComponent(after)}`)
    if (this.#options.withPresence === true) query.push('presence=true')
    return `/feed?${query.join('&')}`
  }

  #ended(): void {
    this.#stopRenewal?.()
    this.#open = undefined
    this.#delivery.endBatch()
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

  #opened(open: OpenFeed): void {
    this.#open = open
    this.#wasOpen = true
    this.#backoff.succeeded()
    this.#stopRenewal = keepTokenFresh(this.#options.requests, open.name)
    this.#setStatus({ state: 'open' })
  }

  /** Adds who waits and takes away what nobody wants any more, a batch at a time. */
  async #change(): Promise<void> {
    const open = this.#open
    if (open === undefined || this.#isChanging || this.#delivery.batch.length > 0) return
    const wanted = this.#roster.topics
    const remove = [...open.topics].filter(topic => !wanted.has(topic))
    const batch = this.#roster.nextBatch()
    if (batch.length + remove.length === 0 || wanted.size === 0) return
    this.#isChanging = true
    this.#delivery.begin(batch, false)
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
    this.#delivery.endBatch()
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
    const { requests } = this.#options
    if (!requests.canRenew || batch.every(member => this.#renewedFor.has(member))) return false
    for (const member of batch) this.#renewedFor.add(member)
    if (!(await renewToken(requests, this.#open!.name))) this.#abort.abort(AGAIN)
    return true
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
