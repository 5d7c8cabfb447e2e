// What a log is told to keep, wherever it keeps it.

import type { RetentionRule } from './retention.ts'

export interface LogLimits {
  /**
   * What all topics' histories may take together, in bytes. Beyond it, the least recently used topics go from memory,
   * and from a disk the oldest events.
   */
  readonly maxBytes: number
  /** What one topic's history may take, in bytes; beyond it its oldest events go. */
  readonly maxTopicBytes: number
  /** How many events of one topic are kept. */
  readonly maxTopicEvents: number
  /** How long an event is kept, in milliseconds. */
  readonly maxAgeMs: number
  /** Other limits for topics that match a pattern. Default: none. */
  readonly retention?: readonly RetentionRule[]
  /** What all topics' states may take together, in bytes; beyond it a new state is refused. */
  readonly maxStateBytes: number
  /** How many idempotency keys are remembered; beyond it the least recently used go. */
  readonly maxIdempotencyKeys: number
  /** How long an idempotency key is remembered, in milliseconds. */
  readonly idempotencyKeyAgeMs: number
  /** Of how many topics it is known apart what they lost; losses of others count against all. Default: 200,000. */
  readonly maxLossTopics?: number
}

const MAX_EXPIRY_INTERVAL_MS = 10_000

/** How often to look for events that are too old, in milliseconds. */
export function expiryInterval({ maxAgeMs, retention = [] }: LogLimits): number {
  return Math.min(MAX_EXPIRY_INTERVAL_MS, maxAgeMs, ...retention.map(rule => rule.maxAgeMs ?? maxAgeMs))
}
