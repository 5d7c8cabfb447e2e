// What a token says of itself, whether it is true or not: for whoever looks why one does not work.

import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose'
import { isNestedTooDeep } from '../nesting.ts'

export interface UnverifiedToken {
  readonly header: ProtectedHeaderParameters
  readonly claims: JWTPayload
}

/** The token in a text that was copied from a header, a file or a terminal. */
export function tokenIn(text: string): string {
  return text.trim().replace(/^(authorization: *)?bearer +/i, '')
}

/** Undefined: it is no JWT, or one that says more than can be shown. */
export function readUnverified(token: string): UnverifiedToken | undefined {
  try {
    const said = { header: decodeProtectedHeader(token), claims: decodeJwt(token) }
    return isNestedTooDeep(said) ? undefined : said
  } catch {
    return undefined
  }
}
