// What SQLite's result codes mean for us (sqlite.org/rescode.html).

import { MillraceError } from '../../errors.ts'

const BUSY = 5
const READ_ONLY = 8
const CORRUPT = 11
const FULL = 13
const CANNOT_OPEN = 14
const NOT_A_DATABASE = 26

/** A failure while the log runs, as publishers and readers are told. */
export function storageError(error: unknown): unknown {
  const code = resultCode(error)
  if (code === undefined) return error
  if (code === FULL) {
    const detail = 'The disk of the log is full. Nothing was stored; what is stored can be read.'
    return new MillraceError('MILLRACE_LOG_FULL', detail, { cause: error, retryAfter: 5 })
  }
  const what = code === CORRUPT || code === NOT_A_DATABASE ? 'is damaged' : 'cannot be used'
  const detail = `The log's file ${what}: ${(error as Error).message}.`
  return new MillraceError('MILLRACE_LOG_UNAVAILABLE', detail, { cause: error, retryAfter: 5 })
}

/** Runs it; a failure becomes one that an operator who starts the hub understands. Errors: MILLRACE_LOG_UNUSABLE. */
export function explainOpenError<T>(directory: string, open: () => T): T {
  try {
    return open()
  } catch (error) {
    if (error instanceof MillraceError) throw error
    const detail = `The log in ${directory} cannot be opened: ${openFault(error)}.`
    throw new MillraceError('MILLRACE_LOG_UNUSABLE', detail, { cause: error })
  }
}

/** The primary result code; undefined when it is no error of SQLite's. */
export function resultCode(error: unknown): number | undefined {
  const { code, errcode } = error as { code?: string; errcode?: number }
  return code === 'ERR_SQLITE_ERROR' && errcode !== undefined ? errcode & 0xff : undefined
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === BUSY
}

export function isFull(error: unknown): boolean {
  return resultCode(error) === FULL
}

function openFault(error: unknown): string {
  const { message } = error as Error
  switch (resultCode(error)) {
    case CORRUPT:
    case NOT_A_DATABASE:
      return `its file is damaged (${message}). Restore it from a backup; 'millrace doctor' tells more`
    case FULL:
      return 'its disk is full'
    case READ_ONLY:
    case CANNOT_OPEN:
      return `its file may not be written, or not be made (${message})`
    default:
      return message
  }
}
