// How fast one client may publish and open streams: token buckets that hold one second's worth, for its address and for
// its token.

import type { FastifyRequest } from 'fastify'
import { LRUCache } from 'lru-cache'
import { networkOf } from './network-of.ts'

export interface RateOptions {
  /** Events a second, not requests; 0: no limit. */
  readonly maxPublishRate: number
  /** Event streams a second; 0: no limit. */
  readonly maxStreamRate: number
}

export type Rate = 'publish' | 'stream'

/** What holds clients to their rates, here or in another thread. */
export interface RateLimits {
  /**
   * Takes so much out of each of these buckets, unless one is empty. Returns 0 when it was taken, else the
   * milliseconds until there is something to take. More than a bucket holds is taken on credit.
   */
  take(rate: Rate, who: readonly string[], amount: number): number | Promise<number>
}

/** Whose buckets a request takes from. */
export function clientsOf({ ip, grant }: FastifyRequest): readonly string[] {
  // Tokens of one holder are one client.
  const who = grant.holder ?? grant.token
  // A proxy may hand on any text as an address.
  const address = `address ${networkOf(ip)}`
  return who === undefined ? [address] : [address, `holder ${who}`]
}

/** What `take` returned, as `Retry-After` says it: whole seconds, and never 0, which would mean at once. */
export function secondsOf(waitMs: number): number {
  return Math.max(1, Math.ceil(waitMs / 1000))
}

interface Bucket {
  tokens: number
  filledAt: number
}

const MAX_CLIENTS = 100_000

export class Rates implements RateLimits {
  readonly #perSecond: Readonly<Record<Rate, number>>
  readonly #now: () => number
  readonly #buckets = {
    publish: new LRUCache<string, Bucket>({ max: MAX_CLIENTS }),
    stream: new LRUCache<string, Bucket>({ max: MAX_CLIENTS }),
  }

  /** `now` is in milliseconds. */
  constructor(options: RateOptions, now: () => number = () => performance.now()) {
    this.#perSecond = { publish: options.maxPublishRate, stream: options.maxStreamRate }
    this.#now = now
  }

  take(rate: Rate, who: readonly string[], amount: number): number {
    const perSecond = this.#perSecond[rate]
    if (perSecond === 0) return 0
    const buckets = who.map(client => this.#filled(rate, client))
    const least = Math.min(...buckets.map(({ tokens }) => tokens))
    if (least < 1) return ((1 - least) / perSecond) * 1000
    for (const bucket of buckets) bucket.tokens -= amount
    return 0
  }

  #filled(rate: Rate, client: string): Bucket {
    const perSecond = this.#perSecond[rate]
    const buckets = this.#buckets[rate]
    const now = this.#now()
    const bucket = buckets.get(client) ?? { tokens: perSecond, filledAt: now }
    const earned = ((now - bucket.filledAt) / 1000) * perSecond
    bucket.tokens = Math.min(perSecond, bucket.tokens + earned)
    bucket.filledAt = now
    buckets.set(client, bucket)
    return bucket
  }
}
