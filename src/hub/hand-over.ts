// What a stream is handed before it goes on from its own position: the states of the topics that it begins to follow, or
// what they had before.

import type { Position } from '../event.ts'
import { selectorOf, type Selector } from '../topic-pattern.ts'
import { audienceKey } from './audience.ts'
import type { FrameEncoder, Sink } from './frames.ts'
import { LogReader, type LogCursor, type LogReaderHost } from './log-reader.ts'
import type { ReadStep } from './read-turns.ts'

/** Where it begins: with the `states` of the topics, at 0, or with the events after a position, as in `Start`. */
export interface HandOverStart {
  readonly kind: 'states' | 'now' | 'earliest' | 'resume' | 'unknown'
  readonly position: Position
}

export interface HandOverParts {
  readonly selector: Selector
  /** Must not move the client's last id: that stays where the stream itself is. */
  readonly encoder: FrameEncoder
  readonly start: HandOverStart
  /** Where it ends: where the stream is. */
  readonly through: Position
  /** Written when all was handed over. */
  readonly last: Buffer
  /** Called then. */
  readonly handedOver?: (() => void) | undefined
}

export class HandOver implements LogCursor {
  readonly encoder: FrameEncoder
  readonly sink: Sink
  selector: Selector
  position: Position
  readonly #host: LogReaderHost
  readonly #parts: HandOverParts
  #reader: LogReader

  constructor(host: LogReaderHost, sink: Sink, parts: HandOverParts) {
    const { start } = parts
    this.#host = host
    this.#parts = parts
    this.sink = sink
    this.encoder = parts.encoder
    this.selector = parts.selector
    const isEmpty = parts.selector.key === ''
    this.position = isEmpty ? parts.through : start.position
    this.#reader = new LogReader(host, this, start.kind === 'earliest' || start.kind === 'unknown')
    if (start.kind === 'unknown' && !isEmpty) {
      this.#reader.announce({ reason: 'unknown', resumesAfter: 0, lostThrough: 0 })
    }
  }

  get audienceKey(): string {
    return audienceKey(this.selector, this.encoder)
  }

  get isDone(): boolean {
    return this.position >= this.#parts.through
  }

  /** Takes a step, of about a page; writes the last word when it is done. */
  readOn(): ReadStep {
    const step = this.isDone ? undefined : this.#read()
    if (step !== undefined) return step
    if (this.isDone) this.#finish()
    return 'again'
  }

  #finish(): void {
    const { last, handedOver } = this.#parts
    this.sink.write(last)
    handedOver?.()
  }

  #read(): ReadStep {
    const { start, through } = this.#parts
    return start.kind === 'states' ? this.#reader.readStates(through) : this.#reader.readEvents(through)
  }

  forget(): void {
    this.#reader.forget()
  }

  /** Leaves out what the stream does not follow any more. */
  keepOnly(names: ReadonlySet<string>): void {
    const { topics, patterns } = this.selector
    const all = [...topics, ...patterns]
    const kept = all.filter(name => names.has(name))
    if (kept.length === all.length) return
    this.selector = selectorOf(kept)
    this.#reader = new LogReader(this.#host, this, this.#reader.acceptsLoss)
    if (kept.length === 0) this.position = this.#parts.through
  }
}
