// Names that come from code need not be text, whatever the types say: JavaScript has none.

import { MillraceError, type ErrorCode } from '../errors.ts'

/** Errors: the one that is given. `what`: `A topic`. */
export function requireText(value: unknown, what: string, code: ErrorCode): void {
  if (typeof value === 'string') return
  throw new MillraceError(code, `${what} is text, not ${value === null ? 'null' : typeof value}.`)
}
