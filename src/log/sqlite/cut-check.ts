// Finds out before a log is used whether something was cut off it behind our back. A write-ahead log that lost its end after
// parts of it had gone into the file leaves a mixture of two times, which SQLite takes for a database and which may lack
// anything: such a log is examined as a whole, and refused unless it agrees with itself.

import type { DatabaseSync } from 'node:sqlite'
import { MillraceError } from '../../errors.ts'
import { headOf, isShort, openForReading, requireSound, walPages } from './database.ts'
import { faultsOf } from './examine.ts'
import { readMark } from './head-mark.ts'
import { explainOpenError } from './sqlite-error.ts'

/** Changes nothing. Errors: MILLRACE_LOG_UNUSABLE. */
export function requireConsistent(directory: string): void {
  requireSound(directory)
  // Before SQLite opens the file: see `requireFullSize`.
  const wasShort = isShort(directory)
  const database = openForReading(directory)
  try {
    const [fault] = explainOpenError(directory, () =>
      wasShort || isDoubtful(database, directory) ? faultsOf(database) : [],
    )
    if (fault !== undefined) throw new MillraceError('MILLRACE_LOG_UNUSABLE', damaged(directory, fault))
  } finally {
    database.close()
  }
}

function isDoubtful(database: DatabaseSync, directory: string): boolean {
  // Where it ends is read last: a mixture may not even tell.
  const mark = readMark(directory)
  if (mark === undefined) return false
  return walPages(database).log < mark.walPages || headOf(database) < mark.head
}

function damaged(directory: string, fault: string): string {
  return `The log in ${directory} was cut off, and what is left does not fit together (${fault}). Restore it from a backup.`
}
