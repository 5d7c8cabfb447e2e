// The hub: publishers append to the log, and what the log's tail hands back is delivered to whoever wants it.
// Delivery happens only from the tail, so everybody sees the log's order and nobody sees what was not kept.

import { RESET, type NewEvent, type Position, type StoredEvent } from '../event.ts'
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

// Publishers wait while more than this is appended but not yet delivered: readers are not starved.
const MAX_PENDING_SIZE = 4 * 1024 * 1024

// So many connections are written to in one turn of the event loop: what was written leaves while it is in the
// caches, and requests are answered in between.
const CONNECTIONS_PER_TURN = 16

interface Delivery {
  readonly audience: Audience
  readonly events: number
  readonly chunk: Buffer
}

export class Hub implements SubscriberHost {
  readonly log: EventLog
  readonly observer: HubObserver
  readonly pages: PageCache
  position: Position
  readonly #index = new TopicIndex<Audience>()
  readonly #audiences = new Map<string, Audience>()
  readonly #tail: Tail
  #pending: StoredEvent[] = []
  #pendingSize = 0
  #isFlushing = false
  #publishersWaiting: (() => void)[] = []
  #turn = 0
  readonly #readTurns: ReadTurns<Subscriber>

  constructor(log: EventLog, observer: HubObserver = SILENT_OBSERVER, pageLimits = PAGE_LIMITS) {
    this.log = log
    this.observer = observer
    this.pages = new PageCache(log, observer, pageLimits)
    this.#readTurns = new ReadTurns(
      () => this.pages.hasLane,
      (subscriber, error) => this.#failReader(subscriber, error),
    )
    this.#tail = log.tail(events => this.#take(events))
    this.position = this.#tail.after
  }

  /**
   * Appends events to the log, all or none; resolves when the log has them. Waits first while delivery is far
   * behind. Errors: those of `EventLog.append`.
   */
  async publish(events: readonly NewEvent[], key?: AppendKey): Promise<Appended> {
    while (this.#pendingSize > MAX_PENDING_SIZE) {
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
      audience = new Audience(subscriber.selector, subscriber.encoder)
      this.#audiences.set(audience.key, audience)
      this.#index.add(audience.selector, audience)
    }
    audience.subscribers.add(subscriber)
  }

  leave(subscriber: Subscriber): void {
    const audience = this.#audiences.get(subscriber.audienceKey)
    if (audience === undefined) return
    audience.subscribers.delete(subscriber)
    if (audience.subscribers.size > 0) return
    this.#audiences.delete(audience.key)
    this.#index.remove(audience.selector, audience)
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
    const batch = this.#takeBatch()
    const after = this.position
    // From here on, whoever catches up reads as far as this flush goes, and joins behind it.
    this.position = batch.at(-1)!.position
    this.#write(this.#writes(this.#deliveries(batch), after, this.position), startedAt)
  }

  /** Writes to a few connections, and goes on in the next turn of the event loop. */
  #write(writes: Iterator<undefined, void>, startedAt: number): void {
    this.#turn++
    if (writes.next().done !== true) {
      setImmediate(() => this.#write(writes, startedAt))
      return
    }
    this.observer.flushed(performance.now() - startedAt)
    this.#tail.delivered(this.position)
    for (const resume of this.#publishersWaiting.splice(0)) resume()
    if (this.#pending.length > 0) setImmediate(() => this.#flush())
    else this.#isFlushing = false
  }

  /** Writes the chunks of the batch `(after, through]`; yields when the turn has had enough. */
  *#writes(deliveries: readonly Delivery[], after: Position, through: Position): Generator<undefined, void> {
    let connections = 0
    for (const { audience, events, chunk } of deliveries) {
      let written = 0
      for (const subscriber of audience.subscribers) {
        // Whoever joined during this flush has read the batch from the log.
        if (subscriber.position >= through) continue
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
        sink.write(chunk)
        subscriber.position = through
        written++
      }
      this.observer.delivered(events, written)
    }
  }

  #takeBatch(): StoredEvent[] {
    let count = 0
    let bytes = 0
    while (count < this.#pending.length && bytes < MAX_FLUSH_SIZE) {
      bytes += frameSize(this.#pending[count++]!)
    }
    this.#pendingSize -= bytes
    if (count < this.#pending.length) return this.#pending.splice(0, count)
    const batch = this.#pending
    this.#pending = []
    return batch
  }

  /** Encodes the batch, each event once for a format, and gathers each audience's chunk. */
  #deliveries(batch: readonly StoredEvent[]): Delivery[] {
    const addressed: Audience[] = []
    const frames = new Map<FrameEncoder, Buffer>()
    for (const event of batch) {
      frames.clear()
      this.#index.match(event.topic, audience => {
        // Several of its patterns match: once is enough.
        if (audience.newest === event.position) return
        if (audience.events === 0) addressed.push(audience)
        let frame = frames.get(audience.encoder)
        if (frame === undefined) frames.set(audience.encoder, (frame = audience.encoder.event(event)))
        audience.add(event.position, frame)
      })
    }
    return addressed.map(audience => ({ audience, events: audience.events, chunk: audience.takeChunk() }))
  }
}
