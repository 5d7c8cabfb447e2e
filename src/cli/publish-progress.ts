// What `millrace publish` says on stderr while it runs and when it ends.

import type { Receipt } from './batch-sender.ts'

// Short inputs are done before this; they need no running count.
const QUIET_START_MS = 1000
const REDRAW_MS = 200

export class PublishProgress {
  readonly #isQuiet: boolean
  readonly #isLive: boolean
  readonly #startedAt = performance.now()
  #drawnAt = this.#startedAt + QUIET_START_MS
  #isDrawn = false
  #isTroubled = false
  #lines = 0
  #duplicates = 0
  #lastId: string | undefined

  constructor(isQuiet: boolean) {
    this.#isQuiet = isQuiet
    this.#isLive = !isQuiet && process.stderr.isTTY
  }

  kept(receipt: Receipt): void {
    this.#lines += receipt.published
    this.#duplicates += receipt.duplicates
    this.#lastId = receipt.id
    if (this.#isTroubled && !this.#isQuiet) this.#print('the hub answers again')
    this.#isTroubled = false
    if (performance.now() >= this.#drawnAt + REDRAW_MS)
      this.#draw(`${this.#count()} published, ${this.#rate()}/s`)
  }

  /** Lines of a batch that was refused further down. */
  keptLines(count: number): void {
    this.#lines += count
  }

  /** Said once an outage, however many tries it takes. */
  trouble(reason: string): void {
    if (!this.#isTroubled && !this.#isQuiet) this.#print(`${reason}; trying again...`)
    this.#isTroubled = true
  }

  finish(): void {
    if (!this.#isQuiet) this.#print(this.summary())
  }

  summary(): string {
    this.#erase()
    const again = this.#duplicates === 0 ? '' : `, ${this.#duplicates} of them earlier`
    const id = this.#lastId === undefined ? '' : `; last id ${this.#lastId}`
    return `${this.#count()} published${again}${id}`
  }

  #count(): string {
    return this.#lines === 1 ? '1 event' : `${this.#lines} events`
  }

  #rate(): number {
    return Math.round((this.#lines * 1000) / (performance.now() - this.#startedAt))
  }

  #draw(text: string): void {
    if (!this.#isLive) return
    this.#drawnAt = performance.now()
    this.#isDrawn = true
    process.stderr.write(`\r\u001b[K${text}`)
  }

  #erase(): void {
    if (this.#isDrawn) process.stderr.write('\r\u001b[K')
    this.#isDrawn = false
  }

  #print(text: string): void {
    this.#erase()
    process.stderr.write(`millrace: ${text}\n`)
  }
}
