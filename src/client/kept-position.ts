// Where a page was before it was reloaded: the cursor, and the topics that had got to it.

import type { KeyValueStore } from './options.ts'
import { report } from './platform.ts'

const PREFIX = 'millrace:'
const idShape = /^[0-9a-z]{11}-[0-9a-z]{11}$/

export class KeptPosition {
  readonly #store: KeyValueStore
  readonly #key: string
  readonly #cursor: string | undefined
  /** Followed before the reload, and not yet again. */
  readonly #topics: Set<string>

  constructor(store: KeyValueStore, key: string) {
    this.#store = store
    this.#key = PREFIX + key
    const [cursor = '', ...topics] = (store.getItem(this.#key) ?? '').split('\n')
    this.#cursor = idShape.test(cursor) ? cursor : undefined
    this.#topics = new Set(topics)
  }

  /** Where a subscription goes on that the page had before; undefined: it is new. */
  of(topics: readonly string[]): string | undefined {
    return topics.every(topic => this.#topics.has(topic)) ? this.#cursor : undefined
  }

  /** From here on they are subscribed to as anywhere else: a second subscription begins anew. */
  settled(topics: readonly string[]): void {
    for (const topic of topics) this.#topics.delete(topic)
  }

  keep(cursor: string, topics: ReadonlySet<string>): undefined {
    try {
      this.#store.setItem(this.#key, [cursor, ...topics].join('\n'))
    } catch (error) {
      // A full store: without it, the next page goes on from an older position.
      report(error)
    }
  }
}
