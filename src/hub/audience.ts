// The live subscribers that want the same events in the same format. An audience turns what a flush brings it into
// one chunk of bytes, whatever the number of its subscribers.

import { pays, type CompressionRule } from '../gzip/rule.ts'
import { SharedChunk, SharedText } from '../gzip/shared-text.ts'
import type { Selector } from '../topic-pattern.ts'
import type { FrameEncoder } from './frames.ts'
import { SmallSet } from './small-set.ts'
import type { Subscriber } from './subscriber.ts'

export class Audience {
  readonly key: string
  readonly selector: Selector
  readonly encoder: FrameEncoder
  readonly subscribers = new SmallSet<Subscriber>()
  /** The same, to be walked without an object for each step; made anew when somebody has come or gone. */
  #readers: readonly Subscriber[] | undefined
  /** How many events the chunk holds so far. */
  events = 0
  // Nothing between flushes: of a hundred thousand audiences, what they kept would be moved about by each collection.
  #first: Buffer | undefined
  #others: Buffer[] | undefined
  readonly #rule: CompressionRule
  #compressing = 0
  /** What those who compress have in common; kept only where it pays, for it takes 4 KiB. */
  #text: SharedText | undefined

  constructor(selector: Selector, encoder: FrameEncoder, rule: CompressionRule) {
    this.key = audienceKey(selector, encoder)
    this.selector = selector
    this.encoder = encoder
    this.#rule = rule
  }

  join(subscriber: Subscriber): void {
    this.#readers = undefined
    this.subscribers.add(subscriber)
    if (subscriber.sink.isCompressing) this.#compressing++
  }

  leave(subscriber: Subscriber): void {
    this.#readers = undefined
    if (this.subscribers.delete(subscriber) && subscriber.sink.isCompressing) this.#compressing--
  }

  /** The subscribers as they are now. Whoever leaves later is in it still, and not live any more. */
  readers(): readonly Subscriber[] {
    const readers = this.#readers ?? [...this.subscribers]
    if (readers.length > 1) this.#readers = readers
    return readers
  }

  add(events: number, frames: Buffer): void {
    this.events += events
    if (this.#first === undefined) this.#first = frames
    else (this.#others ??= []).push(frames)
  }

  /** The chunk of the flush; the next one starts empty. */
  takeChunk(): Buffer {
    const chunk = this.#others === undefined ? this.#first! : Buffer.concat([this.#first!, ...this.#others])
    this.#first = undefined
    this.#others = undefined
    this.events = 0
    return chunk
  }

  /** The chunk for those who compress, if there are any. */
  share(chunk: Buffer): SharedChunk | undefined {
    const readers = this.#compressing
    if (readers < this.#rule.minReaders) this.#text = undefined
    if (readers === 0) return undefined
    const isWorthIt = (): boolean => pays(this.#rule, chunk.length, readers)
    if (readers < this.#rule.minReaders) return new SharedChunk(chunk, isWorthIt)
    this.#text ??= new SharedText()
    return this.#text.next(chunk, isWorthIt)
  }
}

export function audienceKey(selector: Selector, encoder: FrameEncoder): string {
  return `${encoder.name}\n${selector.key}`
}
