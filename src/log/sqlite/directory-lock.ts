// Keeps a second hub off the directory: two writers, each with a head of its own, would give the same ids twice.

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MillraceError } from '../../errors.ts'
import { explainOpenError, isBusy } from './sqlite-error.ts'

/**
 * Locks the directory until the process ends, however it ends, or the returned function is called.
 * Errors: MILLRACE_LOG_IN_USE, MILLRACE_LOG_UNUSABLE.
 */
export function lockDirectory(directory: string): () => void {
  // Node has no file locks, and SQLite has: this one is a database that stays empty.
  const lock = explainOpenError(directory, () => new DatabaseSync(join(directory, 'lock'), { timeout: 0 }))
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    if (!isBusy(error))
      return explainOpenError(directory, () => {
        throw error
      })
    const detail = `Another process uses the log in ${directory}. Stop it, or choose another --log.`
    throw new MillraceError('MILLRACE_LOG_IN_USE', detail, { cause: error })
  }
  return () => lock.close()
}
