// The live subscribers that want the same events in the same format. An audience turns what a flush brings it into
// one chunk of bytes, whatever the number of its subscribers.

import type { Selector } from '../topic-pattern.ts'
import type { FrameEncoder } from './frames.ts'
import type { Subscriber } from './subscriber.ts'

export class Audience {
  readonly key: string
  readonly selector: Selector
  readonly encoder: FrameEncoder
  readonly subscribers = new Set<Subscriber>()
  /** How many events the chunk holds so far. */
  events = 0
  #frames: Buffer[] = []

  constructor(selector: Selector, encoder: FrameEncoder) {
    this.key = audienceKey(selector, encoder)
    this.selector = selector
    this.encoder = encoder
  }

  add(events: number, frames: Buffer): void {
    this.events += events
    this.#frames.push(frames)
  }

  /** The chunk of the flush; the next one starts empty. */
  takeChunk(): Buffer {
    const chunk = this.#frames.length === 1 ? this.#frames[0]! : Buffer.concat(this.#frames)
    this.#frames = []
    this.events = 0
    return chunk
  }
}

export function audienceKey(selector: Selector, encoder: FrameEncoder): string {
  return `${encoder.name}\n${selector.key}`
}
