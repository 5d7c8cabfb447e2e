// Opens the event log that the configuration names.

import type { EventLog } from './event-log.ts'
import { MemoryLog } from './memory.ts'
import type { RetentionRule } from './retention.ts'

export interface LogConfig {
  /** `memory:` or `sqlite:DIR`. */
  readonly log: string
  readonly logCacheBytes: number
  readonly logMaxBytes: number
  readonly logMaxTopicBytes: number
  readonly logMaxTopicEvents: number
  readonly logMaxAgeMs: number
  readonly retention: readonly RetentionRule[]
  readonly maxStateBytes: number
  readonly maxIdempotencyKeys: number
  readonly idempotencyKeyAgeMs: number
}

/** Takes what an operator should know. */
export interface LogReports {
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/** Errors: MILLRACE_LOG_IN_USE, MILLRACE_LOG_UNUSABLE. */
export async function openLog(config: LogConfig, reports: LogReports): Promise<EventLog> {
  const options = {
    maxBytes: config.logMaxBytes,
    maxTopicBytes: config.logMaxTopicBytes,
    maxTopicEvents: config.logMaxTopicEvents,
    maxAgeMs: config.logMaxAgeMs,
    retention: config.retention,
    maxStateBytes: config.maxStateBytes,
    maxIdempotencyKeys: config.maxIdempotencyKeys,
    idempotencyKeyAgeMs: config.idempotencyKeyAgeMs,
  }
  if (config.log === 'memory:') return new MemoryLog(options)
  const { SqliteLog } = await import('./sqlite.ts')
  const directory = config.log.slice('sqlite:'.length)
  const onTrouble = (trouble: Error | undefined): void => {
    if (trouble === undefined) reports.info('the log takes events again')
    else reports.error(`the log takes no events: ${trouble.message}`)
  }
  const log = await SqliteLog.open({ ...options, directory, cacheBytes: config.logCacheBytes, onTrouble })
  if (log.regression !== undefined) {
    reports.warn(
      `the log in ${directory} lost events that were stored (${log.regression}): it goes on under a new epoch`,
    )
  }
  return log
}
