// How fast one address may publish: a token bucket that counts events, not requests, and holds one second's worth.

import { LRUCache } from 'lru-cache'

interface Bucket {
  tokens: number
  filledAt: number
}

/** What holds publishers to a rate, here or in another thread. */
export interface PublishLimit {
  /**
   * Takes events out of the address's bucket, unless it is empty. Returns 0 when they were taken, else the
   * milliseconds until there is something to take. A larger batch than the bucket holds is taken on credit.
   */
  take(address: string, events: number): number | Promise<number>
}

const MAX_ADDRESSES = 100_000

export class PublishRate implements PublishLimit {
  readonly #perSecond: number
  readonly #now: () => number
  readonly #buckets = new LRUCache<string, Bucket>({ max: MAX_ADDRESSES })

  /** 0 events a second: no limit. `now` is in milliseconds. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond
    this.#now = now
  }

  take(address: string, events: number): number {
    if (this.#perSecond === 0) return 0
    const bucket = this.#filled(address)
    if (bucket.tokens < 1) return ((1 - bucket.tokens) / this.#perSecond) * 1000
    bucket.tokens -= events
    return 0
  }

  #filled(address: string): Bucket {
    const now = this.#now()
    const bucket = this.#buckets.get(address) ?? { tokens: this.#perSecond, filledAt: now }
    const earned = ((now - bucket.filledAt) / 1000) * this.#perSecond
    bucket.tokens = Math.min(this.#perSecond, bucket.tokens + earned)
    bucket.filledAt = now
    this.#buckets.set(address, bucket)
    return bucket
  }
}
