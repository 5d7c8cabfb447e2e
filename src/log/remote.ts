// A log that another thread has, seen through a port: what workers have of the main thread's log (`share.ts`).

import type { MessagePort } from 'node:worker_threads'
import { MillraceError } from '../errors.ts'
import type { NewEvent, Position, StoredEvent, Topic } from '../event.ts'
import { Calls, errorOf, onNews, tellNews } from '../thread-calls.ts'
import type { Selector } from '../topic-pattern.ts'
import type { AppendKey } from './append-key.ts'
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
import { eventsOf, flatNewEvents, type Field } from './flat-events.ts'
import {
  sizeOf,
  type Delivered,
  type FlatAppend,
  type FlatPage,
  type LogHandle,
  type LogMethods,
} from './share.ts'
import { SharedFigures } from './shared-figures.ts'

// Half of what may be ahead is delivered before the log's thread is told: a message for every flush would cost more than
// it is worth.
const TOLD_AT = 0.5

interface PendingAppend extends FlatAppend {
  resolve(appended: Appended): void
  reject(error: Error): void
}

interface RemoteTail {
  readonly listener: TailListener
  delivered: Position
  /** How much more may be on its way to it. */
  ahead: number
}

export class RemoteLog implements EventLog {
  readonly epoch: string
  readonly #port: MessagePort
  readonly #calls: Calls<LogMethods>
  readonly #figures: SharedFigures
  readonly #tails = new Set<RemoteTail>()
  #handedOver: Position
  /** What was handed over and is not delivered by all, a message each. */
  #underWay: { readonly through: Position; readonly size: number }[] = []
  #unacknowledged = 0
  /** What the log's thread was last told of that. */
  #ahead: number
  readonly #maxAhead: number
  #appends: PendingAppend[] = []

  constructor({ port, epoch, figures, after, maxAheadSize }: LogHandle) {
    this.epoch = epoch
    this.#port = port
    this.#calls = new Calls(port)
    this.#figures = new SharedFigures(figures)
    this.#handedOver = after
    this.#ahead = this.#maxAhead = maxAheadSize
    onNews(port, (fields: readonly Field[]) => this.#take(eventsOf(fields)))
  }

  head(): Position {
    return this.#figures.head
  }

  usage(): LogUsage {
    return this.#figures.usage
  }

  append(events: readonly NewEvent[], key?: AppendKey): Promise<Appended> {
    return new Promise((resolve, reject) => {
      this.#appends.push({ fields: flatNewEvents(events), key, resolve, reject })
      // What else this turn of the event loop brings goes with it.
      if (this.#appends.length === 1) setImmediate(() => void this.#sendAppends())
    })
  }

  async read(after: Position, selector: Selector, limit: ReadLimit): Promise<ReadPage> {
    return pageOf(await this.#calls.call('read', after, selector.key, plain(limit)))
  }

  async readBack(before: Position, topic: Topic, { maxEvents, maxBytes }: PageLimit): Promise<BackPage> {
    const { fields, hasOlder } = await this.#calls.call('readBack', before, topic, { maxEvents, maxBytes })
    return { events: eventsOf(fields), hasOlder }
  }

  async readStates(
    after: Position,
    selector: Selector,
    limit: ReadLimit & { onlyGone: boolean },
  ): Promise<ReadPage> {
    const { onlyGone } = limit
    return pageOf(await this.#calls.call('readStates', after, selector.key, { ...plain(limit), onlyGone }))
  }

  lostThrough(selector: Selector): Promise<Position> {
    return this.#calls.call('lostThrough', selector.key)
  }

  topic(topic: Topic): Promise<TopicSummary | undefined> {
    return this.#calls.call('topic', topic)
  }

  topics(after: Topic, selector: Selector, limit: number): Promise<TopicSummary[]> {
    return this.#calls.call('topics', after, selector.key, limit)
  }

  tail(listener: TailListener): Tail {
    const after = this.#handedOver
    const tail: RemoteTail = { listener, delivered: after, ahead: this.#maxAhead }
    this.#tails.add(tail)
    return {
      after,
      delivered: (through, ahead) => {
        tail.delivered = through
        tail.ahead = ahead
        this.#acknowledge()
      },
      stop: () => {
        this.#tails.delete(tail)
        this.#acknowledge()
      },
    }
  }

  /** Leaves the log itself open. What was appended is stored or not: nobody is told any more. */
  async close(): Promise<void> {
    this.#tails.clear()
    const detail = 'The log is closed.'
    this.#calls.end(new MillraceError('MILLRACE_DRAINING', detail, { retryAfter: 1 }))
    this.#port.close()
  }

  async #sendAppends(): Promise<void> {
    const appends = this.#appends
    this.#appends = []
    try {
      const answers = await this.#calls.call(
        'append',
        appends.map(({ fields, key }) => ({ fields, key })),
      )
      for (const [at, append] of appends.entries()) {
        const answer = answers[at]!
        if ('error' in answer) append.reject(errorOf(answer.error))
        else append.resolve(answer)
      }
    } catch (error) {
      for (const append of appends) append.reject(error as Error)
    }
  }

  #take(events: readonly StoredEvent[]): void {
    this.#handedOver = events.at(-1)!.position
    let size = 0
    for (const event of events) size += sizeOf(event)
    this.#underWay.push({ through: this.#handedOver, size })
    for (const { listener } of this.#tails) listener(events)
    if (this.#tails.size === 0) this.#acknowledge()
  }

  #acknowledge(): void {
    let through = this.#handedOver
    let ahead = this.#maxAhead
    for (const tail of this.#tails) {
      through = Math.min(through, tail.delivered)
      ahead = Math.min(ahead, tail.ahead)
    }
    while (this.#underWay.length > 0 && this.#underWay[0]!.through <= through) {
      this.#unacknowledged += this.#underWay.shift()!.size
    }
    if (this.#unacknowledged === 0) return
    // By the smaller of the two: what the log's thread knows is what it waits for.
    if (this.#unacknowledged < TOLD_AT * Math.min(ahead, this.#ahead)) return
    tellNews(this.#port, { size: this.#unacknowledged, ahead } satisfies Delivered)
    this.#unacknowledged = 0
    this.#ahead = ahead
  }
}

function pageOf({ fields, ...page }: FlatPage): ReadPage {
  return { events: eventsOf(fields), ...page }
}

/** Without what else the object may hold, which need not be fit to be copied. */
function plain({ through, maxEvents, maxBytes }: ReadLimit): ReadLimit {
  return { through, maxEvents, maxBytes }
}
