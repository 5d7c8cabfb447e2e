// What each thread tells of itself when the inspector asks: what it has counted, its memory, and how late its event loop is.

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { threadId } from 'node:worker_threads'
import type { Question } from '../../http/thread-questions.ts'
import type { HubFigures } from '../../hub/figures.ts'
import type { Quantiles } from '../../protocol/inspector.ts'
import type { InspectorContext } from './context.ts'

export interface ThreadFigures extends HubFigures {
  readonly thread: number
  readonly bytesSent: number
  readonly heapUsed: number
  readonly external: number
  /** Undefined: it was not measured yet. */
  readonly eventLoop: Quantiles | undefined
}

export const THREAD_FIGURES: Question<undefined, Promise<ThreadFigures>> = { name: 'inspector figures' }

export function answerFigures({ questions, streams, options }: InspectorContext): void {
  const eventLoop = new EventLoopWatch()
  questions.answerWith(THREAD_FIGURES, async () => {
    const { heapUsed, external } = process.memoryUsage()
    const { bytesSent } = streams
    return {
      ...(await options.readFigures()),
      thread: threadId,
      bytesSent,
      heapUsed,
      external,
      eventLoop: eventLoop.read(),
    }
  })
}

type IntervalHistogram = ReturnType<typeof monitorEventLoopDelay>

const RESOLUTION_MS = 20

// What other pages have asked for just now is the same.
const MIN_SPAN_MS = 900

// Nobody looks any more.
const LEASE_MS = 5000

/** Measures how late timers are, while somebody asks for it. */
class EventLoopWatch {
  #histogram: IntervalHistogram | undefined
  #since = 0
  #last: Quantiles | undefined
  #lease: NodeJS.Timeout | undefined

  read(): Quantiles | undefined {
    this.#lease ??= setTimeout(() => this.#stop(), LEASE_MS).unref()
    this.#lease.refresh()
    if (this.#histogram === undefined) this.#start()
    else if (performance.now() - this.#since >= MIN_SPAN_MS) this.#take(this.#histogram)
    return this.#last
  }

  #start(): void {
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.#histogram.enable()
    this.#since = performance.now()
  }

  #take(histogram: IntervalHistogram): void {
    if (histogram.count > 0) this.#last = { p50: lateness(histogram, 50), p99: lateness(histogram, 99) }
    histogram.reset()
    this.#since = performance.now()
  }

  #stop(): void {
    this.#histogram?.disable()
    this.#histogram = undefined
    this.#last = undefined
    this.#lease = undefined
  }
}

/** Node measures from one timer to the next, in nanoseconds. */
function lateness(histogram: IntervalHistogram, percentile: number): number {
  return Math.max(0, histogram.percentile(percentile) / 1e6 - RESOLUTION_MS)
}
