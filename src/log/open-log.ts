// Opens the event log that the configuration names.

import type { EventLog } from './event-log.ts'
import { MemoryLog } from './memory.ts'

export interface LogConfig {
  readonly logMaxBytes: number
  readonly logMaxTopicBytes: number
  readonly logMaxTopicEvents: number
  readonly logMaxAgeMs: number
  readonly maxStateBytes: number
  readonly maxIdempotencyKeys: number
  readonly idempotencyKeyAgeMs: number
}

/** The configuration was checked: the one log that there is so far is `memory:`. */
export function openLog(config: LogConfig): EventLog {
  return new MemoryLog({
    maxBytes: config.logMaxBytes,
    maxTopicBytes: config.logMaxTopicBytes,
    maxTopicEvents: config.logMaxTopicEvents,
    maxAgeMs: config.logMaxAgeMs,
    maxStateBytes: config.maxStateBytes,
    maxIdempotencyKeys: config.maxIdempotencyKeys,
    idempotencyKeyAgeMs: config.idempotencyKeyAgeMs,
  })
}
