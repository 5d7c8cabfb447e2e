// How long to wait before another try: full jitter, so that clients that were cut off together do not come back together.

import { onWake } from './platform.ts'

const FIRST_MS = 500
const MAX_MS = 30_000

export class Backoff {
  #failures = 0

  /** Counts a failure; somewhere between nothing and twice as long as the last time, in milliseconds. */
  next(): number {
    return Math.random() * Math.min(MAX_MS, FIRST_MS * 2 ** this.#failures++)
  }

  succeeded(): void {
    this.#failures = 0
  }
}

/**
 * Waits for what the hub asked for and some more. That more is cut short when the network comes back or somebody looks
 * at the page. Resolves early when the signal is aborted.
 */
export function pause(leastMs: number, moreMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted === true) return resolve()
    const leastUntil = Date.now() + leastMs
    const ended = new AbortController()
    const end = (): void => {
      clearTimeout(timer)
      ended.abort()
      resolve()
    }
    let timer = setTimeout(end, leastMs + moreMs)
    onWake(() => {
      clearTimeout(timer)
      timer = setTimeout(end, leastUntil - Date.now())
    }, ended.signal)
    signal?.addEventListener('abort', end, { signal: ended.signal })
  })
}
