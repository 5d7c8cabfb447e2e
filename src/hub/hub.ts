// The hub: publishers append to the log, and what the log's tail hands back is delivered to whoever wants it.
// Delivery happens only from the tail, so everybody sees the log's order and nobody sees what was not kept.

import { RESET, type NewEvent, type Position, type StoredEvent, type Topic } from '../event.ts'
import { COMPRESSION_RULE, type CompressionRule } from '../gzip/rule.ts'
import type { SharedChunk } from '../gzip/shared-text.ts'
import type { AppendKey } from '../log/append-key.ts'
import type { Appended, EventLog, Tail } from '../log/event-log.ts'
import type { Selector } from '../topic-pattern.ts'
import { Audience } from './audience.ts'
import { frameSize, type FrameEncoder, type Sink } from './frames.ts'
import { SILENT_OBSERVER, type HubObserver } from './observer.ts'
import { PAGE_LIMITS, PageCache } from './page-cache.ts'
import { ReadTurns } from './read-turns.ts'
import { Subscriber, type Start, type SubscriberHost } from './subscriber.ts'
import { TopicIndex } from './topic-index.ts'

// One flush carries at most about this much: what waits behind a write that is not taken stays small.
const MAX_FLUSH_SIZE = 64 * 1024

// To many readers it carries less, so that the next one, and whoever publishes, need not wait long: about this much for all
// of them together, in bytes,
const MAX_FLUSH_BYTES = 8 * 1024 * 1024
// but not less than this: below it, writing costs more than what is written.
const FULL_CHUNK_SIZE = 8 * 1024

// Where the log is in another thread, so many flushes may be on their way from there: while one is written, others come.
const FLUSHES_AHEAD = 4

// So many connections are written to in one turn of the event loop: what was written leaves while it is in the
// caches, and requests are answered in between.
const CONNECTIONS_PER_TURN = 16

/**
 * Finds the audiences that want an event. A protocol whose events are chosen by more than their topic brings one of its
 * own, for topics of its own.
 */
export interface AudienceIndex {
  add(audience: Audience): void
  remove(audience: Audience): void
  /** Calls `found` for each audience that wants the event, perhaps more than once. */
  match(event: StoredEvent, found: (audience: Audience) => void): void
}

interface Delivery {
  readonly audience: Audience
  readonly events: number
  readonly chunk: Buffer
  readonly shared: SharedChunk | undefined
}

export class Hub implements SubscriberHost {
  readonly log: EventLog
  readonly observer: HubObserver
  readonly pages: PageCache
  position: Position
  settled: Position
  readonly #compression: CompressionRule
  readonly #index = new TopicIndex<Audience>()
  /** By the topics whose events they find the audiences of. */
  readonly #ownIndexes = new Map<Topic, AudienceIndex>()
  readonly #audiences = new Map<string, Audience>()
  readonly #tail: Tail
  #pending: StoredEvent[] = []
  #pendingSize = 0
  /** What a flush carries when there is more than that. Publishers wait while as much is appended but not in a flush. */
  #flushSize = MAX_FLUSH_SIZE
  #isFlushing = false
  #publishersWaiting: (() => void)[] = []
  #turn = 0
  readonly #readTurns: ReadTurns<Subscriber>

  constructor(
    log: EventLog,
    observer: HubObserver = SILENT_OBSERVER,
    pageLimits = PAGE_LIMITS,
    compression = COMPRESSION_RULE,
  ) {
    this.#compression = compression
    this.log = log
    this.observer = observer
    this.pages = new PageCache(log, observer, pageLimits, compression)
    this.#readTurns = new ReadTurns(
      () => this.pages.hasLane,
      (subscriber, error) => this.#failReader(subscriber, error),
    )
    this.#tail = log.tail(events => this.#take(events))
    this.position = this.settled = this.#tail.after
  }

  /**
   * Appends events to the log, all or none; resolves when the log has them. Waits first while delivery is a flush
   * behind. Errors: those of `EventLog.append`.
   */
  async publish(events: readonly NewEvent[], key?: AppendKey): Promise<Appended> {
    while (this.#pendingSize > this.#flushSize) {
      await new Promise<void>(resolve => this.#publishersWaiting.push(resolve))
    }
    const startedAt = performance.now()
    try {
      const appended = await this.log.append(events, key)
      const { added } = appended
      this.observer.published(added, events.length - added, performance.now() - startedAt)
      return appended
    } catch (error) {
      this.observer.appendFailed(error)
      throw error
    }
  }

  /** Where a subscription begins that comes with this cursor; undefined: an id that the log never issued. */
  startAt(cursor: 'now' | 'earliest' | { epoch: string; position: Position } | undefined): Start {
    if (cursor === 'now') {
      const hasStates = this.log.usage().stateBytes > 0
      return { kind: 'now', position: this.position, hasStates }
    }
    const isOurs = typeof cursor === 'object' && cursor.epoch === this.log.epoch
    if (isOurs && cursor.position <= this.log.head()) {
      return { kind: 'resume', position: cursor.position, hasStates: false }
    }
    return { kind: cursor === 'earliest' ? 'earliest' : 'unknown', position: 0, hasStates: false }
  }

  /** Starts a subscription; its owner calls `drained` when the sink has room again and `close` when it is gone. */
  subscribe(selector: Selector, encoder: FrameEncoder, sink: Sink, start: Start): Subscriber {
    const subscriber = new Subscriber(this, selector, encoder, sink, start)
    this.observer.subscribed()
    this.queueRead(subscriber)
    return subscriber
  }

  /** Has the audiences of this topic's events found by this index: those whose selectors have the topic in their source. */
  useIndex(topic: Topic, index: AudienceIndex): void {
    this.#ownIndexes.set(topic, index)
  }

  close(): void {
    this.#tail.stop()
    this.pages.clear()
  }

  // ---- for subscribers

  queueRead(subscriber: Subscriber): void {
    this.#readTurns.queue(subscriber)
  }

  join(subscriber: Subscriber): void {
    let audience = this.#audiences.get(subscriber.audienceKey)
    if (audience === undefined) {
      audience = new Audience(subscriber.selector, subscriber.encoder, this.#compression)
      this.#audiences.set(audience.key, audience)
      const ownIndexes = this.#ownIndexesOf(audience.selector)
      if (ownIndexes === undefined) this.#index.add(audience.selector, audience)
      else for (const index of ownIndexes) index.add(audience)
    }
    audience.join(subscriber)
  }

  leave(subscriber: Subscriber): void {
    const audience = this.#audiences.get(subscriber.audienceKey)
    if (audience === undefined) return
    audience.leave(subscriber)
    if (audience.subscribers.size > 0) return
    this.#audiences.delete(audience.key)
    const ownIndexes = this.#ownIndexesOf(audience.selector)
    if (ownIndexes === undefined) this.#index.remove(audience.selector, audience)
    else for (const index of ownIndexes) index.remove(audience)
  }

  /** Undefined: the hub's own index finds it. */
  #ownIndexesOf({ source }: Selector): AudienceIndex[] | undefined {
    return source?.topics.flatMap(topic => this.#ownIndexes.get(topic) ?? [])
  }

  #failReader(subscriber: Subscriber, error: unknown): void {
    this.observer.readFailed(error)
    subscriber.sink.end('error', error)
    subscriber.close('error')
  }

  // ---- delivery: what arrives while a flush runs leaves together in the next one

  #take(events: readonly StoredEvent[]): void {
    for (const event of events) {
      this.#pending.push(event)
      this.#pendingSize += frameSize(event)
      // Whoever deletes a topic does not want it handed out any more.
      if (event.type === RESET) this.pages.clear()
    }
    if (this.#isFlushing) return
    this.#isFlushing = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    const startedAt = performance.now()
    const after = this.position
    const deliveries = this.#takeBatch()
    this.#write(this.#writes(deliveries, after, this.position), startedAt)
  }

  /** Writes to a few connections, and goes on in the next turn of the event loop. */
  #write(writes: Iterator<undefined, void>, startedAt: number): void {
    this.#turn++
    if (writes.next().done !== true) {
      setImmediate(() => this.#write(writes, startedAt))
      return
    }
    this.settled = this.position
    this.observer.flushed(performance.now() - startedAt)
    this.#tail.delivered(this.position, FLUSHES_AHEAD * this.#flushSize)
    if (this.#pending.length > 0) setImmediate(() => this.#flush())
    else this.#isFlushing = false
  }

  /** Writes the chunks of the batch `(after, through]`; yields when the turn has had enough. */
  *#writes(deliveries: readonly Delivery[], after: Position, through: Position): Generator<undefined, void> {
    let connections = 0
    for (const { audience, events, chunk, shared } of deliveries) {
      let written = 0
      const readers = audience.readers()
      // Not by an iterator, which makes an object for each of them.
      for (let at = 0; at < readers.length; at++) {
        const subscriber = readers[at]!
        // Whoever joined during this flush has read the batch from the log.
        if (subscriber.phase !== 'live' || subscriber.position >= through) continue
        const { sink } = subscriber
        if (!sink.hasRoom) {
          subscriber.fallBehind(after)
          continue
        }
        if (sink.connection.turn !== this.#turn) {
          if (connections === CONNECTIONS_PER_TURN) {
            connections = 0
            yield
            if (subscriber.phase !== 'live') continue
          }
          connections++
          sink.connection.turn = this.#turn
        }
        sink.write(chunk, shared)
        subscriber.position = through
        written++
      }
      this.observer.delivered(events, written)
    }
  }

  /**
   * Encodes what a flush can carry, each event once for a format, and gathers each audience's chunk. From here on, whoever
   * catches up reads as far as this flush goes, and joins behind it.
   */
  #takeBatch(): Delivery[] {
    const addressed: Audience[] = []
    const batch = { count: 0, size: 0, bytes: 0 }
    while (batch.count < this.#pending.length && !isFull(batch)) {
      const first = this.#pending[batch.count]!
      const ownIndex = this.#ownIndexes.get(first.topic)
      const audiences = this.#audiencesOf(first, ownIndex)
      const run = this.#takeRun(batch, audiences, ownIndex === undefined)
      const chunks = new Map<FrameEncoder, Buffer>()
      for (const audience of audiences) {
        const { encoder } = audience
        let chunk = chunks.get(encoder)
        if (chunk === undefined) chunks.set(encoder, (chunk = encoder.events(run).chunk))
        if (audience.events === 0) addressed.push(audience)
        audience.add(run.length, chunk)
      }
    }
    const fullSize = (batch.size * MAX_FLUSH_BYTES) / batch.bytes
    this.#flushSize = Math.min(MAX_FLUSH_SIZE, Math.max(FULL_CHUNK_SIZE, fullSize))
    this.#pendingSize -= batch.size
    this.position = this.#pending[batch.count - 1]!.position
    this.#pending.splice(0, batch.count)
    for (const resume of this.#publishersWaiting.splice(0)) resume()
    return addressed.map(audience => {
      const { events } = audience
      const chunk = audience.takeChunk()
      return { audience, events, chunk, shared: audience.share(chunk) }
    })
  }

  /** Each once, even if several of its patterns match. */
  #audiencesOf(event: StoredEvent, ownIndex: AudienceIndex | undefined): Set<Audience> {
    const audiences = new Set<Audience>()
    const found = (audience: Audience): unknown => audiences.add(audience)
    if (ownIndex === undefined) this.#index.match(event.topic, found)
    else ownIndex.match(event, found)
    return audiences
  }

  /**
   * Events of one topic that follow each other, for these audiences: what they cost apart from their bytes, they cost once.
   * Where the topic alone decides who wants them, as many as there are, else one.
   */
  #takeRun(batch: Batch, audiences: ReadonlySet<Audience>, mayBeMany: boolean): StoredEvent[] {
    const pending = this.#pending
    const { topic } = pending[batch.count]!
    let readers = 0
    for (const audience of audiences) readers += audience.subscribers.size
    const from = batch.count
    const end = mayBeMany ? pending.length : from + 1
    do {
      const size = frameSize(pending[batch.count++]!)
      batch.size += size
      batch.bytes += size * readers
    } while (batch.count < end && pending[batch.count]!.topic === topic && !isFull(batch))
    return pending.slice(from, batch.count)
  }
}

/** What a flush has taken of what is pending. */
interface Batch {
  count: number
  size: number
  /** About what is written to all readers together. */
  bytes: number
}

function isFull({ size, bytes }: Batch): boolean {
  return size >= MAX_FLUSH_SIZE || (size >= FULL_CHUNK_SIZE && bytes >= MAX_FLUSH_BYTES)
}
