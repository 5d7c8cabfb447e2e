// What the hub tells its inspector: the bodies of `/inspector/api/`. Types only, for both ends.

import type { Topic } from '../event.ts'

/** A `stats` event, once a second. Of all threads together. */
export interface Stats {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly uptimeMs: number
  readonly version: string
  readonly threads: number
  /** What the rates are of: the time since they were taken last. */
  readonly intervalMs: number
  readonly rates: StatsRates
  readonly streams: number
  readonly connections: number
  /** Subscribers at the head of the log. */
  readonly live: number
  /** Subscribers that catch up, or do not read. */
  readonly behind: number
  /** In milliseconds, of the last second; undefined: nothing happened. */
  readonly latency: {
    readonly append: Quantiles | undefined
    readonly flush: Quantiles | undefined
    /** How late the event loop was: the worst thread. */
    readonly eventLoop: Quantiles | undefined
  }
  /** In bytes. */
  readonly memory: { readonly rss: number; readonly heapUsed: number; readonly external: number }
  /** Of one core: 1 is a core fully used. */
  readonly cpu: number
  readonly log: {
    readonly name: string
    readonly topics: number
    readonly events: number
    readonly bytes: number
    readonly stateBytes: number
    readonly head: string
  }
  /** The busiest since somebody looks, at most 100, by their rate. */
  readonly topics: readonly TopicStats[]
}

/** Per second. */
export interface StatsRates {
  readonly published: number
  readonly delivered: number
  readonly writes: number
  readonly bytesSent: number
  readonly gaps: number
  readonly fellBehind: number
}

export interface Quantiles {
  readonly p50: number
  readonly p99: number
}

export interface TopicStats {
  readonly topic: Topic
  /** Events a second, smoothed over some seconds. */
  readonly rate: number
  /** Events since somebody looks. */
  readonly events: number
  readonly lastId: string
  readonly lastTime: number
  /** The newest event's data, cut to 200 characters. */
  readonly lastData: string
  readonly lastType?: string
}

/** `GET /inspector/api/streams` */
export interface StreamList {
  /** Of all that are open, whether listed or not. */
  readonly total: number
  /** Of those that were asked for, whether listed or not. */
  readonly matching: number
  /** The furthest behind first. */
  readonly streams: readonly StreamInfo[]
}

export interface StreamInfo {
  readonly feed: string
  /** `topic`, `feed`, `mercure`. */
  readonly kind: string
  readonly address: string
  /** The `sub` of its token, or the name of its API key. */
  readonly name?: string
  /** At most 20; `topicCount` says how many there are. */
  readonly topics: readonly string[]
  readonly topicCount: number
  readonly phase: 'live' | 'catching-up' | 'behind'
  /** Positions of the log that it has still to read, whether they match or not. */
  readonly lag: number
  readonly bytesSent: number
  /** Written, and not yet taken by the client's connection. */
  readonly bufferedBytes: number
  readonly openedMs: number
  /** Milliseconds since 1970; absent: never. */
  readonly expiresAt?: number
  readonly isCompressed: boolean
  readonly protocol: 'h2' | 'http/1.1'
}

/** `POST /inspector/api/token`: what a token says, and whether this hub takes it. */
export interface TokenReport {
  readonly isGood: boolean
  /** Why not. */
  readonly problem?: { readonly code: string; readonly detail: string }
  readonly name?: string
  readonly expiresAt?: number
  /** Topics and patterns. */
  readonly publish: readonly string[]
  readonly receive: readonly string[]
  readonly presence: readonly string[]
  readonly isAdmin: boolean
  /** What it says, whether good or not; absent of API keys. */
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
}
