// A real log whose reads wait until the test lets them go, as those of a disk or another thread wait.

import type { Position } from '../../src/event.ts'
import type { ReadLimit, ReadPage } from '../../src/log/event-log.ts'
import { MemoryLog, type MemoryLogOptions } from '../../src/log/memory.ts'
import type { Selector } from '../../src/topic-pattern.ts'
import { ROOMY } from './roomy.ts'

export class HeldLog extends MemoryLog {
  /** Reads that were begun. */
  reads = 0
  /** How many of them were under way at the same time, at most. */
  mostAtOnce = 0
  isHolding = false
  #held: (() => void)[] = []
  #underWay = 0

  constructor(options: Partial<MemoryLogOptions> = {}) {
    super({ ...ROOMY, ...options })
  }

  get held(): number {
    return this.#held.length
  }

  /** Lets the reads that wait go on, and with `isHolding` false those that come later as well. */
  release(): void {
    for (const go of this.#held.splice(0)) go()
  }

  override async read(after: Position, selector: Selector, limit: ReadLimit): Promise<ReadPage> {
    this.reads++
    const page = super.read(after, selector, limit)
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#underWay)
    if (this.isHolding) await new Promise<void>(resolve => this.#held.push(resolve))
    this.#underWay--
    return page
  }
}
