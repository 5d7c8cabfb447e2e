// The log's end of what other threads see of it (`remote.ts` is theirs): answers their calls, and hands every event to
// all of them. Nothing here may grow because one of them is slow.

import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { LRUCache } from 'lru-cache'
import type { Position, StoredEvent, Topic } from '../event.ts'
import { answerCalls, onNews, plainError, tellNews, type PlainError } from '../thread-calls.ts'
import { selectorOfKey, type Selector } from '../topic-pattern.ts'
import type { AppendKey } from './append-key.ts'
import type {
  Appended,
  BackPage,
  EventLog,
  PageLimit,
  ReadLimit,
  ReadPage,
  Tail,
  TopicSummary,
} from './event-log.ts'
import { flatEvents, newEventsOf, type Field } from './flat-events.ts'
import { SharedFigures } from './shared-figures.ts'

// Appends wait while a thread has more before it than it has asked for, or at the most this: its queue is in memory.
const MAX_AHEAD_SIZE = 4 * 1024 * 1024

// A thread that is so far behind, and delivers nothing for so long, does not work any more.
const STALL_MS = 30_000

// Large feeds take a while to compile, and are read page by page.
const KNOWN_SELECTORS = 256

export interface FlatAppend {
  readonly fields: readonly Field[]
  readonly key: AppendKey | undefined
}

export type AppendAnswer = Appended | { readonly error: PlainError }

export interface FlatPage extends Omit<ReadPage, 'events'> {
  readonly fields: readonly Field[]
}

export interface FlatBackPage extends Omit<BackPage, 'events'> {
  readonly fields: readonly Field[]
}

/** What a thread needs for a `RemoteLog`; `port` is to be transferred. */
export interface LogHandle {
  readonly port: MessagePort
  readonly epoch: string
  readonly figures: SharedArrayBuffer
  /** The first events that come are those behind this position. */
  readonly after: Position
  /** How much may be on its way at the most, as `sizeOf` counts. */
  readonly maxAheadSize: number
}

/** What a thread says now and then. */
export interface Delivered {
  /** How much it has delivered since it last said so. */
  readonly size: number
  /** How much may be on its way to it from here on: no more than `maxAheadSize`. */
  readonly ahead: number
}

interface Reader {
  readonly port: MessagePort
  /** What it has delivered, counted as `#sent` is. */
  delivered: number
  ahead: number
  /** Runs while it is too far behind. */
  stall: NodeJS.Timeout | undefined
  readonly onStall: () => void
}

export class LogShare {
  readonly #log: EventLog
  readonly #tail: Tail
  readonly #maxAheadSize: number
  readonly #stallMs: number
  readonly #figures = new SharedFigures()
  readonly #readers = new Set<Reader>()
  readonly #selectors = new LRUCache<string, Selector>({ max: KNOWN_SELECTORS })
  /** The size of all events so far. */
  #sent = 0
  #through: Position
  #batch: StoredEvent[] = []
  #flushed: PromiseWithResolvers<void> | undefined
  #appendsWaiting: (() => void)[] = []

  constructor(log: EventLog, { maxAheadSize = MAX_AHEAD_SIZE, stallMs = STALL_MS } = {}) {
    this.#log = log
    this.#maxAheadSize = maxAheadSize
    this.#stallMs = stallMs
    this.#tail = log.tail(events => this.#take(events))
    this.#through = this.#tail.after
    this.#figures.set(log.head(), log.usage())
  }

  /** `onStall` is called when the thread at the other end has delivered nothing for too long. */
  connect(onStall: () => void): { handle: LogHandle; disconnect: () => void } {
    const { port1: port, port2 } = new MessageChannel()
    const reader: Reader = {
      port,
      delivered: this.#sent,
      ahead: this.#maxAheadSize,
      stall: undefined,
      onStall,
    }
    // What waits in the batch comes to this reader too.
    for (const event of this.#batch) reader.delivered -= sizeOf(event)
    this.#readers.add(reader)
    answerCalls(
      port,
      logMethods(this.#log, this.#selectors, appends => this.#append(appends)),
    )
    onNews(port, (delivered: Delivered) => this.#noteDelivered(reader, delivered))
    // Whoever holds the log decides how long the process lives.
    port.unref()
    const handle = {
      port: port2,
      epoch: this.#log.epoch,
      figures: this.#figures.memory,
      after: this.#through,
      maxAheadSize: this.#maxAheadSize,
    }
    return { handle, disconnect: () => this.#remove(reader) }
  }

  /** The log itself is left open. */
  close(): void {
    this.#tail.stop()
    for (const reader of this.#readers) this.#remove(reader)
  }

  #remove(reader: Reader): void {
    this.#readers.delete(reader)
    clearTimeout(reader.stall)
    reader.port.close()
    this.#resumeAppends()
  }

  // ---- out: what comes in a turn of the event loop goes to each thread in one message

  #take(events: readonly StoredEvent[]): void {
    // At once: the append may be answered to one reader before another one has the events.
    this.#figures.set(this.#log.head(), this.#log.usage())
    for (const event of events) {
      this.#batch.push(event)
      this.#sent += sizeOf(event)
    }
    this.#watchReaders()
    void this.#nextFlush()
  }

  #nextFlush(): Promise<void> {
    if (this.#flushed === undefined) {
      this.#flushed = Promise.withResolvers()
      setImmediate(() => this.#flush())
    }
    return this.#flushed.promise
  }

  #flush(): void {
    const batch = this.#batch
    if (batch.length > 0) {
      this.#batch = []
      this.#through = batch.at(-1)!.position
      const fields = flatEvents(batch)
      for (const { port } of this.#readers) tellNews(port, fields)
      this.#tail.delivered(this.#through, this.#maxAheadSize)
    }
    this.#flushed!.resolve()
    this.#flushed = undefined
  }

  // ---- in

  async #append(appends: readonly FlatAppend[]): Promise<AppendAnswer[]> {
    while (this.#isHeld) await new Promise<void>(resolve => this.#appendsWaiting.push(resolve))
    const answers = await Promise.all(
      appends.map(async ({ fields, key }) => {
        try {
          return await this.#log.append(newEventsOf(fields), key)
        } catch (error) {
          return { error: plainError(error) }
        }
      }),
    )
    // With the answers of others, and behind the events that they are about.
    await this.#nextFlush()
    return answers
  }

  get #isHeld(): boolean {
    for (const reader of this.#readers) if (this.#isBehind(reader)) return true
    return false
  }

  #isBehind({ delivered, ahead }: Reader): boolean {
    return this.#sent - delivered > ahead
  }

  #noteDelivered(reader: Reader, { size, ahead }: Delivered): void {
    reader.delivered += size
    reader.ahead = ahead
    if (this.#isBehind(reader)) reader.stall?.refresh()
    else {
      clearTimeout(reader.stall)
      reader.stall = undefined
    }
    this.#resumeAppends()
  }

  #watchReaders(): void {
    for (const reader of this.#readers) {
      if (this.#isBehind(reader)) reader.stall ??= setTimeout(reader.onStall, this.#stallMs).unref()
    }
  }

  #resumeAppends(): void {
    if (this.#isHeld) return
    for (const resume of this.#appendsWaiting.splice(0)) resume()
  }
}

export type LogMethods = ReturnType<typeof logMethods>

function logMethods(
  log: EventLog,
  selectors: LRUCache<string, Selector>,
  append: (appends: readonly FlatAppend[]) => Promise<AppendAnswer[]>,
) {
  const selectorOf = (key: string): Selector => {
    const selector = selectors.get(key) ?? selectorOfKey(key)
    selectors.set(key, selector)
    return selector
  }
  return {
    append,
    read: async (after: Position, key: string, limit: ReadLimit): Promise<FlatPage> =>
      flatPage(await log.read(after, selectorOf(key), limit)),
    readBack: async (before: Position, topic: Topic, limit: PageLimit): Promise<FlatBackPage> => {
      const { events, hasOlder } = await log.readBack(before, topic, limit)
      return { fields: flatEvents(events), hasOlder }
    },
    readStates: async (
      after: Position,
      key: string,
      limit: ReadLimit & { onlyGone: boolean },
    ): Promise<FlatPage> => flatPage(await log.readStates(after, selectorOf(key), limit)),
    lostThrough: (key: string): Promise<Position> => log.lostThrough(selectorOf(key)),
    topic: (topic: Topic): Promise<TopicSummary | undefined> => log.topic(topic),
    topics: (after: Topic, key: string, limit: number): Promise<TopicSummary[]> =>
      log.topics(after, selectorOf(key), limit),
  }
}

function flatPage({ events, position, lostThrough, losses }: ReadPage): FlatPage {
  return { fields: flatEvents(events), position, lostThrough, losses }
}

/** About what an event takes while it is on its way, in characters. None is free. */
export function sizeOf({ data }: StoredEvent): number {
  return data.length + 64
}
