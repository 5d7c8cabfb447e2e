// Appends that wait for the disk, gathered into batches: what comes while one is committed leaves together in the next.

import type { NewEvent } from '../../event.ts'
import type { AppendKey } from '../append-key.ts'
import type { Appended } from '../event-log.ts'

export interface PendingAppend {
  readonly events: readonly NewEvent[]
  readonly key: AppendKey | undefined
  readonly characters: number
  resolve(appended: Appended): void
  reject(error: unknown): void
}

// While one batch is committed the next is prepared; what comes then is for the one after.
const MAX_BATCHES_UNDER_WAY = 2

const MAX_BATCH_EVENTS = 2000
const MAX_BATCH_CHARACTERS = 4 * 1024 * 1024

export class AppendQueue {
  readonly #commit: (batch: readonly PendingAppend[]) => Promise<void>
  #waiting: PendingAppend[] = []
  #batches = 0
  #willSend = false

  /** `commit` settles every append of its batch, and never rejects. */
  constructor(commit: (batch: readonly PendingAppend[]) => Promise<void>) {
    this.#commit = commit
  }

  push(events: readonly NewEvent[], key: AppendKey | undefined): Promise<Appended> {
    return new Promise((resolve, reject) => {
      let characters = 0
      for (const event of events) characters += event.data.length
      this.#waiting.push({ events, key, characters, resolve, reject })
      if (this.#willSend || this.#batches === MAX_BATCHES_UNDER_WAY) return
      // What else this turn of the event loop brings goes with it.
      this.#willSend = true
      setImmediate(() => {
        this.#willSend = false
        this.#send(MAX_BATCHES_UNDER_WAY)
      })
    })
  }

  /** Begins to commit all that waits. */
  flush(): void {
    this.#send(Infinity)
  }

  #send(mostBatches: number): void {
    while (this.#waiting.length > 0 && this.#batches < mostBatches) void this.#sendBatch()
  }

  async #sendBatch(): Promise<void> {
    this.#batches++
    await this.#commit(this.#takeBatch())
    this.#batches--
    this.#send(MAX_BATCHES_UNDER_WAY)
  }

  #takeBatch(): PendingAppend[] {
    let [count, events, characters] = [0, 0, 0]
    while (count < this.#waiting.length && events < MAX_BATCH_EVENTS && characters < MAX_BATCH_CHARACTERS) {
      const append = this.#waiting[count++]!
      events += append.events.length
      characters += append.characters
    }
    return this.#waiting.splice(0, count)
  }
}
