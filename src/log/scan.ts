// Reads many topics, or patterns, in memory: everything that happened, filtered.

import type { Position, StoredEvent } from '../event.ts'
import type { Entry } from './entry.ts'
import type { ReadLimit, ReadPage } from './event-log.ts'
import type { Journal, JournalEntry } from './journal.ts'

// A read looks at no more entries than this before it lets others run.
const MAX_SCAN = 8192

export function scan(
  journal: Journal,
  after: Position,
  limit: ReadLimit,
  isWanted: (entry: JournalEntry) => boolean,
): Pick<ReadPage, 'events' | 'position'> {
  const events: StoredEvent[] = []
  let bytes = 0
  const stoppedAt = journal.scan(after, limit.through, MAX_SCAN, entry => {
    if (!isWanted(entry)) return true
    events.push(entry)
    // Journals hold entries that know their size.
    bytes += (entry as Entry).bytes
    return events.length < limit.maxEvents && bytes < limit.maxBytes
  })
  return { events, position: stoppedAt ?? Math.max(after, limit.through) }
}
