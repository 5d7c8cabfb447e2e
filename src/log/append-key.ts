// Makes a repeated publish harmless: the events of one request, numbered and digested, under the key that its client chose.

import { hash } from 'node:crypto'
import type { NewEvent } from '../event.ts'

/** What tells a log which of the events it has stored before. */
export interface AppendKey {
  readonly value: string
  /** The number of the first event within its request, from 0. */
  readonly offset: number
  /** For each event a digest of the request from its beginning up to that event. */
  readonly digests: readonly string[]
}

/** The key of one request, which may append its events in several calls. */
export class RequestKey {
  readonly #value: string
  #offset = 0
  #digest = ''

  constructor(value: string) {
    this.#value = value
  }

  /** For the next call, which appends these events. */
  next(events: readonly NewEvent[]): AppendKey {
    const offset = this.#offset
    this.#offset += events.length
    return { value: this.#value, offset, digests: events.map(event => this.#extend(event)) }
  }

  #extend({ topic, type, isState, isJson, data }: NewEvent): string {
    const identity = JSON.stringify([
      this.#digest,
      topic,
      type ?? '',
      isState === true,
      isJson === true,
      data,
    ])
    return (this.#digest = hash('sha256', identity, 'base64url'))
  }
}
