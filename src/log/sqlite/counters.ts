// What the log holds in all, kept beside the file rather than counted in it each time.

import type { DatabaseSync } from 'node:sqlite'
import type { LogUsage } from '../event-log.ts'
import { metaValue } from './database.ts'

export class Counters {
  /** Topics that have events. */
  topics = 0
  events = 0
  bytes = 0
  stateBytes = 0
  keys = 0
  losses = 0

  /** Counts what is in the file. */
  load(database: DatabaseSync): void {
    const sums = database
      .prepare(
        `SELECT count(*) FILTER (WHERE events > 0) AS topics, coalesce(sum(events), 0) AS events,
           coalesce(sum(bytes), 0) AS bytes, coalesce(sum(state_bytes), 0) AS stateBytes
         FROM topics WHERE name IS NOT NULL`,
      )
      .get()
    const keys = database.prepare('SELECT count(*) AS keys FROM keys').get()
    Object.assign(this, sums, keys, { losses: Number(metaValue(database, 'losses')) })
  }

  copy(): Counters {
    return Object.assign(new Counters(), this)
  }

  usage(): LogUsage {
    const { topics, events, bytes, stateBytes } = this
    return { topics, events, bytes, stateBytes }
  }
}
