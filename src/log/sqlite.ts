// The log on disk (`--log sqlite:DIR`): one SQLite file, written by one thread and read by another. Here, on the event loop,
// appends are gathered into batches, and a window in memory of what came last serves whoever is not far behind.

import { MillraceError } from '../errors.ts'
import type { NewEvent, Position, Topic } from '../event.ts'
import { errorOf } from '../thread-calls.ts'
import type { Selector } from '../topic-pattern.ts'
import type { AppendKey } from './append-key.ts'
import { entryOf, type Entry } from './entry.ts'
import type {
  Appended,
  BackPage,
  EventLog,
  LogUsage,
  PageLimit,
  ReadLimit,
  ReadPage,
  Tail,
  TailListener,
  TopicSummary,
} from './event-log.ts'
import { eventsOf, flatNewEvents } from './flat-events.ts'
import { Histories } from './histories.ts'
import { expiryInterval, type LogLimits } from './limits.ts'
import { AppendQueue, type PendingAppend } from './sqlite/append-queue.ts'
import type { AppendOutcome, BatchResult, Kept, Opened, RowPage } from './sqlite/messages.ts'
import type { ReaderMethods } from './sqlite/reader-thread.ts'
import { Thread } from './sqlite/thread.ts'
import type { WriterMethods } from './sqlite/writer-thread.ts'
import { startTail } from './tail.ts'

export interface SqliteLogOptions extends LogLimits {
  /** Where the file is, or is made. One process at a time. */
  readonly directory: string
  /** What of the newest events is kept in memory too, in bytes. */
  readonly cacheBytes: number
  /** Told when appending begins to fail, and, with undefined, when it works again. */
  readonly onTrouble?: (trouble: Error | undefined) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

// One busy topic leaves the rest of the window to others.
const TOPIC_SHARE = 1 / 2

// What of the window was dropped is known apart for so many topics: of others, more is read from disk than need be.
const WINDOW_LOSS_TOPICS = 1024

const MAX_LOSS_TOPICS = 200_000

export class SqliteLog implements EventLog {
  readonly epoch: string
  /** The file lacked events whose ids had been given out, so it got a new epoch; this says why. */
  readonly regression: string | undefined
  readonly #now: () => number
  readonly #writer: Thread<WriterMethods>
  readonly #reader: Thread<ReaderMethods>
  readonly #window: Histories
  readonly #listeners = new Set<TailListener>()
  readonly #onTrouble: (trouble: Error | undefined) => void
  #isTroubled = false
  readonly #ticks: NodeJS.Timeout
  readonly #queue = new AppendQueue(batch => this.#commit(batch))
  #head: Position
  #time: number
  #usage: LogUsage
  #losses: number
  #headWaiters: { position: Position; resolve(): void; reject(error: Error): void }[] = []
  #closed: Promise<void> | undefined

  /** Errors: MILLRACE_LOG_IN_USE, MILLRACE_LOG_UNUSABLE. */
  static async open(options: SqliteLogOptions): Promise<SqliteLog> {
    const { directory, maxBytes, maxStateBytes, maxIdempotencyKeys, idempotencyKeyAgeMs } = options
    const { maxTopicEvents: maxEvents, maxTopicBytes, maxAgeMs } = options
    const writer = new Thread<WriterMethods>('writer-thread')
    const reader = new Thread<ReaderMethods>('reader-thread')
    try {
      const opened = await writer.call('open', {
        directory,
        maxBytes,
        limits: { maxEvents, maxBytes: maxTopicBytes, maxAgeMs },
        retention: options.retention ?? [],
        maxStateBytes,
        maxIdempotencyKeys,
        idempotencyKeyAgeMs,
        maxLossTopics: options.maxLossTopics ?? MAX_LOSS_TOPICS,
        now: (options.now ?? Date.now)(),
      })
      await reader.call('open', directory)
      return new SqliteLog(options, opened, writer, reader)
    } catch (error) {
      await writer.call('close')
      await Promise.all([writer.close(), reader.close()])
      throw error
    }
  }

  private constructor(
    options: SqliteLogOptions,
    { epoch, head, time, kept, regression }: Opened,
    writer: Thread<WriterMethods>,
    reader: Thread<ReaderMethods>,
  ) {
    const { cacheBytes, onTrouble = () => {}, now = Date.now } = options
    this.epoch = epoch
    this.regression = regression
    this.#now = now
    this.#onTrouble = onTrouble
    this.#writer = writer
    this.#reader = reader
    this.#head = head
    this.#time = time
    this.#usage = kept.usage
    this.#losses = kept.losses
    const limits = { maxEvents: Infinity, maxBytes: cacheBytes * TOPIC_SHARE, maxAgeMs: Infinity }
    this.#window = new Histories({
      // The cache knows no size of 0; in 1 byte there is no room for an event either.
      maxBytes: Math.max(1, cacheBytes),
      retentionOf: () => limits,
      maxLossTopics: WINDOW_LOSS_TOPICS,
      missingThrough: head,
    })
    writer.onNews = (news: Kept) => this.#take(news)
    this.#ticks = setInterval(() => this.#tick(), expiryInterval(options)).unref()
    this.#tick()
  }

  head(): Position {
    return this.#head
  }

  append(events: readonly NewEvent[], key?: AppendKey): Promise<Appended> {
    if (this.#closed !== undefined) return Promise.reject(closing())
    return this.#queue.push(events, key)
  }

  async read(after: Position, selector: Selector, limit: ReadLimit): Promise<ReadPage> {
    const page = this.#window.read(after, selector, limit)
    // Nothing that matches was dropped from the window: there is no more on disk.
    if (page.lostThrough === 0) return { ...page, losses: this.#losses }
    return pageOf(await this.#openReader().call('read', after, selector.key, plain(limit)))
  }

  async readBack(before: Position, topic: Topic, limit: PageLimit): Promise<BackPage> {
    const page = this.#window.readBack(before, topic, limit)
    // It ends within what the window has of the topic, which is the newest that there is.
    if (page.hasOlder) return page
    const { maxEvents, maxBytes } = limit
    const { fields, hasOlder } = await this.#openReader().call('readBack', before, topic, {
      maxEvents,
      maxBytes,
    })
    return { events: eventsOf(fields).toReversed(), hasOlder }
  }

  async readStates(
    after: Position,
    selector: Selector,
    limit: ReadLimit & { onlyGone: boolean },
  ): Promise<ReadPage> {
    return pageOf(
      await this.#openReader().call('readStates', after, selector.key, {
        ...plain(limit),
        onlyGone: limit.onlyGone,
      }),
    )
  }

  async lostThrough(selector: Selector): Promise<Position> {
    return this.#openReader().call('lostThrough', selector.key)
  }

  async topic(topic: Topic): Promise<TopicSummary | undefined> {
    const summary = await this.#openReader().call('topic', topic)
    await this.#reach(newestOf(summary))
    return summary
  }

  async topics(after: Topic, selector: Selector, limit: number): Promise<TopicSummary[]> {
    const summaries = await this.#openReader().call('topics', after, selector.key, limit)
    await this.#reach(Math.max(0, ...summaries.map(newestOf)))
    return summaries
  }

  tail(listener: TailListener): Tail {
    return startTail(this.#listeners, listener, this.#head)
  }

  usage(): LogUsage {
    return this.#usage
  }

  /** Commits what was appended, and frees the directory. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    clearInterval(this.#ticks)
    this.#queue.flush()
    // Calls are answered in order: whatever is under way comes first.
    // The reader first: only the last one to close can move the write-ahead log into the file, and the reader may not write.
    await this.#reader.call('close').catch(() => {})
    await this.#writer.call('close').catch(() => {})
    for (const waiter of this.#headWaiters.splice(0)) waiter.reject(closing())
    this.#listeners.clear()
    await Promise.all([this.#writer.close(), this.#reader.close()])
  }

  #openReader(): Thread<ReaderMethods> {
    if (this.#closed !== undefined) throw closing()
    return this.#reader
  }

  /** Tells the writer the time, and lets it trim what has to go; what it does then comes as news. */
  #tick(): void {
    this.#writer.call('tick', this.#now()).catch(() => {})
  }

  // ---- appending

  async #commit(batch: readonly PendingAppend[]): Promise<void> {
    const time = (this.#time = Math.max(this.#time, this.#now()))
    try {
      const appends = batch.map(({ events, key }) => ({ fields: flatNewEvents(events), key }))
      this.#publish(batch, await this.#writer.call('append', { appends, time }), time)
      this.#noteTrouble(undefined)
    } catch (error) {
      for (const append of batch) append.reject(error)
      this.#noteTrouble(error as Error)
    }
  }

  #noteTrouble(trouble: Error | undefined): void {
    const isTroubled = trouble !== undefined
    if (isTroubled !== this.#isTroubled) this.#onTrouble(trouble)
    this.#isTroubled = isTroubled
  }

  /** The batch is on disk: hands it to whoever follows the log, then answers the publishers. */
  #publish(batch: readonly PendingAppend[], { outcomes, head, kept }: BatchResult, time: number): void {
    const entries: Entry[] = []
    for (const [at, { events }] of batch.entries()) {
      const added = addedOf(outcomes[at]!)
      for (const event of events.slice(events.length - added)) {
        entries.push(entryOf(event, this.#head + 1 + entries.length, time))
      }
    }
    this.#window.add(entries)
    this.#head = head
    this.#take(kept)
    if (entries.length > 0) for (const listener of this.#listeners) listener(entries)
    for (const [at, append] of batch.entries()) {
      const outcome = outcomes[at]!
      if ('error' in outcome) append.reject(errorOf(outcome.error))
      else append.resolve(outcome)
    }
    for (const waiter of this.#headWaiters) if (waiter.position <= head) waiter.resolve()
    this.#headWaiters = this.#headWaiters.filter(({ position }) => position > head)
  }

  #take({ usage, losses, trimmed }: Kept): void {
    this.#usage = usage
    this.#losses = losses
    for (const [topic, position] of trimmed) this.#window.dropThrough(topic, position)
  }

  /** What is read from disk may be ahead of the tail by a moment; nobody is told of it before the tail was. */
  async #reach(position: Position): Promise<void> {
    if (position <= this.#head) return
    await new Promise<void>((resolve, reject) => this.#headWaiters.push({ position, resolve, reject }))
  }
}

function addedOf(outcome: AppendOutcome): number {
  return 'error' in outcome ? 0 : outcome.added
}

function pageOf({ fields, ...page }: RowPage): ReadPage {
  return { events: eventsOf(fields), ...page }
}

/** Without what else the object may hold, which need not be fit to be copied. */
function plain({ through, maxEvents, maxBytes }: ReadLimit): ReadLimit {
  return { through, maxEvents, maxBytes }
}

function newestOf(summary: TopicSummary | undefined): Position {
  return Math.max(summary?.last ?? 0, summary?.state ?? 0)
}

function closing(): MillraceError {
  return new MillraceError('MILLRACE_DRAINING', 'The log is closed.', { retryAfter: 1 })
}
