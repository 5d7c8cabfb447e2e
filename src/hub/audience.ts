// The live subscribers that want the same events in the same format. An audience turns what a flush brings it into
// one chunk of bytes, whatever the number of its subscribers.

import type { Position } from '../event.ts'
import type { Selector } from '../topic-pattern.ts'
import type { FrameEncoder } from './frames.ts'
import { SmallSet } from './small-set.ts'
import type { Subscriber } from './subscriber.ts'

export class Audience {
  readonly key: string
  readonly selector: Selector
  readonly encoder: FrameEncoder
  readonly subscribers = new SmallSet<Subscriber>()
  /** How many events the chunk holds so far. */
  events = 0
  /** The last event that was added. */
  newest: Position = 0
  // Nothing between flushes: of a hundred thousand audiences, what they kept would be moved about by each collection.
  #first: Buffer | undefined
  #others: Buffer[] | undefined

  constructor(selector: Selector, encoder: FrameEncoder) {
    this.key = audienceKey(selector, encoder)
    this.selector = selector
    this.encoder = encoder
  }

  add(position: Position, frame: Buffer): void {
    this.newest = position
    this.events++
    if (this.#first === undefined) this.#first = frame
    else (this.#others ??= []).push(frame)
  }

  /** The chunk of the flush; the next one starts empty. */
  takeChunk(): Buffer {
    const chunk = this.#others === undefined ? this.#first! : Buffer.concat([this.#first!, ...this.#others])
    this.#first = undefined
    this.#others = undefined
    this.events = 0
    return chunk
  }
}

export function audienceKey(selector: Selector, encoder: FrameEncoder): string {
  return `${encoder.name}\n${selector.key}`
}
