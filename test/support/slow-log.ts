// A log in memory whose reads take a while, as those of disks, other threads and machines do.

import type { Position } from '../../src/event.ts'
import type { ReadLimit, ReadPage } from '../../src/log/event-log.ts'
import { MemoryLog, type MemoryLogOptions } from '../../src/log/memory.ts'
import type { Selector } from '../../src/topic-pattern.ts'

/** Reads that take some turns of the event loop, before they look and after. */
export class SlowLog extends MemoryLog {
  readonly #turns: readonly number[]
  #reads = 0

  constructor(options: MemoryLogOptions, readTurns: readonly number[]) {
    super(options)
    this.#turns = readTurns
  }

  override read(after: Position, selector: Selector, limit: ReadLimit): Promise<ReadPage> {
    return this.#slowly(() => super.read(after, selector, limit))
  }

  override readStates(
    after: Position,
    selector: Selector,
    limit: ReadLimit & { onlyGone: boolean },
  ): Promise<ReadPage> {
    return this.#slowly(() => super.readStates(after, selector, limit))
  }

  async #slowly(read: () => Promise<ReadPage>): Promise<ReadPage> {
    await this.#wait()
    const page = await read()
    await this.#wait()
    return page
  }

  async #wait(): Promise<void> {
    await turns(this.#turns[this.#reads++ % this.#turns.length] ?? 0)
  }
}

/** So many turns of the event loop. */
export function turns(count: number): Promise<void> {
  return new Promise(resolve => {
    const go = (left: number): void => void (left > 0 ? setImmediate(go, left - 1) : resolve())
    go(count)
  })
}
