// How a command fails: one line for whoever typed it, and an exit code for scripts.

import { MillraceError } from '../errors.ts'

/** An expected end of a command. The message is printed without a stack. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: number

  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** A command line that cannot mean anything. */
export function usageFailure(message: string): Failure {
  return new Failure(message, 2)
}

export function exitCodeOf(error: unknown): number {
  return error instanceof Failure ? error.exitCode : 1
}

export function explain(error: unknown): string {
  if (error instanceof MillraceError) return `${error.code}: ${error.message}`
  if (error instanceof Failure || isSystemError(error)) return error.message
  // Not foreseen: the stack is what a bug report needs.
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

// A port that needs root, an address that is not here, a file that is not there.
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && 'code' in error
}
