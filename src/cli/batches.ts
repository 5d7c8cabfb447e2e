// Groups lines into batches: large ones when input is fast, a single line at once when it is slow.

import type { InputLine } from './split-lines.ts'

export interface Batch {
  readonly lines: readonly InputLine[]
  /** Counted from 0. */
  readonly number: number
}

export interface BatchLimits {
  readonly maxLines: number
  readonly maxBytes: number
  /** The least time between two batches that are not full; Infinity means that only full ones are sent. */
  readonly lingerMs: number
}

const LATE = Symbol('late')

/**
 * Yields batches in order. It reads one chunk ahead and holds no more than that and the batch, so a consumer
 * that is slow to ask slows the input.
 */
export async function* batchesOf(
  chunks: AsyncIterator<readonly InputLine[]>,
  limits: BatchLimits,
): AsyncGenerator<Batch> {
  const filling = new Filling(limits)
  let sentAt = -Infinity
  let arriving = chunks.next()
  for (;;) {
    const isPatient = filling.isEmpty || limits.lingerMs === Infinity
    const arrived = await (isPatient ? arriving : orLate(arriving, sentAt + limits.lingerMs))
    if (arrived === LATE) {
      sentAt = performance.now()
      yield filling.take()
      continue
    }
    if (arrived.done === true) break
    arriving = chunks.next()
    // Its failure is met by the next await; until then it must not count as unhandled.
    arriving.catch(() => {})
    for (const line of arrived.value) {
      if (!filling.isFullFor(line)) {
        filling.add(line)
        continue
      }
      sentAt = performance.now()
      yield filling.take()
      filling.add(line)
    }
  }
  if (!filling.isEmpty) yield filling.take()
}

async function orLate<T>(arriving: Promise<T>, deadline: number): Promise<T | typeof LATE> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<typeof LATE>(resolve => {
    timer = setTimeout(resolve, Math.max(0, deadline - performance.now()), LATE)
  })
  try {
    return await Promise.race([arriving, late])
  } finally {
    clearTimeout(timer)
  }
}

class Filling {
  readonly #limits: BatchLimits
  #lines: InputLine[] = []
  #bytes = 0
  #number = 0

  constructor(limits: BatchLimits) {
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0
  }

  isFullFor(line: InputLine): boolean {
    if (this.isEmpty) return false
    const { maxLines, maxBytes } = this.#limits
    return this.#lines.length >= maxLines || this.#bytes + Buffer.byteLength(line.text) > maxBytes
  }

  add(line: InputLine): void {
    this.#lines.push(line)
    this.#bytes += Buffer.byteLength(line.text) + 1
  }

  take(): Batch {
    const batch = { lines: this.#lines, number: this.#number++ }
    this.#lines = []
    this.#bytes = 0
    return batch
  }
}
