// Headers that a benchmark has its requests bring, such as tokens: the sets of a file take turns.

import { readFileSync } from 'node:fs'
import { sensitiveHeaders, type OutgoingHttpHeaders } from 'node:http2'
import type { Target } from './event-connection.ts'

export type HeaderSet = Readonly<Record<string, string>>

/** Those of the next request. */
export type NextHeaders = () => OutgoingHttpHeaders

const NONE: OutgoingHttpHeaders = {}

/** Of a target with a file of them, else none. */
export function headersOf({ headersFile }: Pick<Target, 'headersFile'>): NextHeaders {
  if (headersFile === undefined) return () => NONE
  const sets = (JSON.parse(readFileSync(headersFile, 'utf8')) as HeaderSet[]).map(asTokens)
  let next = 0
  return () => sets[next++ % sets.length]!
}

/** No table of the connection keeps them (RFC 7541, 6.2.3). Clients send tokens so, and what is compared must be. */
function asTokens(set: HeaderSet): OutgoingHttpHeaders {
  return { ...set, [sensitiveHeaders]: Object.keys(set) }
}
