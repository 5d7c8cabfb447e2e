// Limits that a test does not reach unless it sets its own.

import type { LogLimits } from '../../src/log/limits.ts'

export const ROOMY: LogLimits = {
  maxBytes: 1e9,
  maxTopicBytes: 1e9,
  maxTopicEvents: 1e6,
  maxAgeMs: 1e9,
  maxStateBytes: 1e9,
  maxIdempotencyKeys: 1000,
  idempotencyKeyAgeMs: 1e9,
}
