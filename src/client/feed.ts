// One `/feed` stream and its members: opened, changed while it is open, reopened from its cursor whenever it ends, and
// closed a moment after the last member has left.

import type { EventSourceMessage } from 'eventsource-parser'
import {
  BYE,
  OPEN,
  TOPICS,
  type ByeData,
  type OpenData,
  type TopicsData,
} from '../protocol/control-events.ts'
import { Backoff, pause } from './backoff.ts'
import { Delivery } from './delivery.ts'
import { readEventStream, watchSilence } from './event-stream.ts'
import type { Member } from './member.ts'
import { clientError, MillraceError } from './millrace-error.ts'
import type { Status } from './options.ts'
import { isOffline } from './platform.ts'
import { queryOf } from './query.ts'
import { keepTokenFresh, renewToken } from './renewal.ts'
import type { Requests } from './requests.ts'
import { topicsOf, watchedBy } from './roster.ts'

export interface FeedOptions {
  readonly requests: Requests
  readonly silenceMs: number
  readonly lingerMs: number
}

export interface FeedHost {
  onStatus(): void
  /** A chunk was handed out. The next one is read when what this returns has resolved. */
  onProgress(feed: Feed): Promise<void> | undefined
  /** The hub cannot add the member to this stream, but may open another one for it. */
  onOverflow(member: Member, feed: Feed): void
}

// The reason of an abort that is no error.
const AGAIN = new Error('again')

export class Feed {
  status: Status = { state: 'idle' }
  readonly #options: FeedOptions
  readonly #host: FeedHost
  readonly #delivery = new Delivery(() => this.#takeTurn())
  readonly #backoff = new Backoff()
  #abort = new AbortController()
  /** The stream as the hub knows it. */
  #open: OpenData | undefined
  #isRunning = false
  #isTurnDue = false
  /** What the last change failed with, if it is tried again since that may be mended. */
  #mended: number | undefined
  #retryMs = 0
  #bye: MillraceError | undefined
  #linger: ReturnType<typeof setTimeout> | undefined

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
    return topicsOf(this.#delivery.roster.onStream)
  }

  /** Whether the member has got to the cursor. */
  has(member: Member): boolean {
    return this.#delivery.roster.isOnStream(member)
  }

  add(member: Member): void {
    this.#delivery.roster.add(member)
    this.#takeTurn()
  }

  remove(member: Member): void {
    if (this.#delivery.roster.delete(member)) this.#takeTurn()
  }

  close(): void {
    this.#delivery.roster.clear()
    this.#abort.abort(AGAIN)
  }

  /** Once for whatever comes and goes in one turn of the event loop. */
  #takeTurn(): void {
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    queueMicrotask(() => {
      this.#isTurnDue = false
      clearTimeout(this.#linger)
      const isWanted = this.#delivery.roster.size > 0
      if (isWanted && this.#isRunning) void this.#change()
      else if (isWanted) void this.#run()
      else if (this.#isRunning)
        this.#linger = setTimeout(() => this.#abort.abort(AGAIN), this.#options.lingerMs)
    })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    this.#setStatus({ state: 'connecting' })
    while (this.#delivery.roster.size > 0) {
      this.#abort = new AbortController()
      const trouble = await this.#connection(this.#abort)
      const wasOpen = this.#open !== undefined
      this.#open = undefined
      this.#delivery.endBatch()
      if (trouble !== undefined) await this.#wait(trouble, wasOpen)
    }
    this.#isRunning = false
    clearTimeout(this.#linger)
    this.#setStatus({ state: 'idle' })
  }

  /** Resolves when the connection is over, with why; undefined: there is no need to wait. */
  async #connection(abort: AbortController): Promise<MillraceError | undefined> {
    const batch = this.#delivery.beginOpening()
    const heard = watchSilence(abort, this.#options.silenceMs)
    this.#bye = undefined
    try {
      const { after } = batch[0]!
      const query = queryOf({ topic: [...topicsOf(batch)], presence: [...watchedBy(batch)], after })
      const init = { headers: { accept: 'text/event-stream' }, signal: abort.signal }
      const response = await this.#options.requests.send(`/feed${query}`, init, {
        withFreshToken: true,
      })
      await readEventStream(response, heard, {
        onMessage: message => this.#take(message),
        onRetry: retryMs => (this.#retryMs = retryMs),
        onChunk: () => this.#host.onProgress(this),
      })
      return this.#bye ?? clientError('CLIENT_CUT', 'The stream ended.')
    } catch (caught) {
      const error: unknown = abort.signal.aborted ? abort.signal.reason : caught
      if (error === AGAIN) return undefined
      if (!(error instanceof MillraceError)) {
        return clientError('CLIENT_CUT', 'The stream broke off.', { cause: error })
      }
      if (this.#open !== undefined || !error.isRefusal) return error
      this.#refuse(batch, error)
      return undefined
    } finally {
      abort.abort(AGAIN)
    }
  }

  #take({ event, data, id }: EventSourceMessage): void {
    const content: unknown = JSON.parse(data)
    if (event === OPEN) this.#opened(content as OpenData)
    else if (event === TOPICS) this.#follows((content as TopicsData).topics)
    else if (event === BYE) this.#bye = clientError('CLIENT_BYE', (content as ByeData).reason)
    this.#delivery.take(event, content, id)
  }

  #follows(topics: readonly string[]): void {
    this.#open = { ...this.#open!, topics }
  }

  #opened(open: OpenData): void {
    this.#open = open
    this.#backoff.succeeded()
    keepTokenFresh(this.#options.requests, open.feed, this.#abort.signal)
    this.#setStatus({ state: 'open' })
  }

  async #wait(trouble: MillraceError, wasOpen: boolean): Promise<void> {
    const isExpired = trouble.code === 'CLIENT_BYE' && trouble.detail === 'expired'
    const leastMs = isExpired ? 0 : Math.max(this.#retryMs, trouble.retryAfterMs ?? 0)
    const moreMs = this.#backoff.next()
    // What is mended at the first try is no news.
    const state = isOffline() ? 'offline' : wasOpen ? 'connecting' : 'waiting'
    this.#setStatus({ state, reason: trouble, retryAt: Date.now() + leastMs + moreMs })
    this.#abort = new AbortController()
    await pause(leastMs, moreMs, this.#abort.signal)
  }

  #setStatus(status: Status): void {
    this.status = status
    this.#host.onStatus()
  }

  /** Adds who waits and takes away what nobody wants any more, a batch at a time. */
  async #change(): Promise<void> {
    const { roster, batch: before } = this.#delivery
    const open = this.#open
    if (open === undefined || before !== undefined) return
    const wanted = topicsOf(roster.all)
    const remove = open.topics.filter(topic => !wanted.has(topic))
    const batch = roster.nextBatch()
    if (batch.length + remove.length === 0) return
    const change = {
      add: [...topicsOf(batch)],
      remove,
      after: batch[0]?.after,
      again: true,
      presence: [...watchedBy([...roster.onStream, ...batch])],
    }
    this.#delivery.batch = batch
    try {
      await this.#options.requests.json(`/feed/${open.feed}`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(change),
        signal: this.#abort.signal,
      })
      this.#mended = undefined
    } catch (error) {
      // The stream may have ended, or even have told that the change is done.
      if (this.#delivery.batch !== batch) return
      await this.#changeFailed(batch, error as MillraceError)
      if (this.#delivery.batch === batch) this.#delivery.endBatch()
    }
  }

  async #changeFailed(batch: readonly Member[], error: MillraceError): Promise<void> {
    const { roster } = this.#delivery
    if (batch.length === 0) this.#follows([])
    if (error.status !== this.#mended && (await this.#mend(error))) this.#mended = error.status
    else if (cannotChange(error)) {
      for (const member of batch) if (roster.delete(member)) this.#host.onOverflow(member, this)
    } else if (error.isRefusal) {
      this.#mended = undefined
      this.#refuse(batch, error)
    } else await pause(error.retryAfterMs ?? 0, this.#backoff.next(), this.#abort.signal)
  }

  /** Whether there is hope: another stream, or another token. */
  async #mend({ status }: MillraceError): Promise<boolean> {
    const { requests } = this.#options
    // The stream may have ended without our having heard of it.
    const isMissing = status === 404
    // The stream's token may be older than the right to what is added.
    const isOld = status === 403 && requests.canRenew
    if (isMissing || (isOld && !(await renewToken(requests, this.#open!.feed)))) this.#abort.abort(AGAIN)
    return isMissing || isOld
  }

  /** The hub has refused to open or change the stream for them: with one of them at least it always will. */
  #refuse(batch: readonly Member[], error: MillraceError): void {
    const { roster } = this.#delivery
    const refused = batch.filter(member => roster.has(member))
    if (refused.length > 1 && error.status !== 401) return roster.narrow(refused.length)
    for (const member of refused) {
      roster.delete(member)
      member.take({ to: 'onError', value: error })
    }
  }
}

/** This very stream cannot take these topics: another one may. */
function cannotChange({ status, code }: MillraceError): boolean {
  return status === 404 || status === 405 || status === 409 || code === 'MILLRACE_TOO_MANY_PATTERNS'
}
