// How many topics and patterns a feed may name, and what they cost.

import { MillraceError } from '../errors.ts'
import type { TopicsData } from '../protocol/control-events.ts'
import { isPattern } from '../topic-pattern.ts'
import type { RouteLimits } from './context.ts'

/** Errors: MILLRACE_TOO_MANY_PATTERNS. */
export function requireFewNames(names: readonly string[], { maxPatternsPerFeed }: RouteLimits): void {
  if (names.length <= maxPatternsPerFeed) return
  const detail = `A feed may name ${maxPatternsPerFeed} topics and patterns; this one names ${names.length}.`
  throw new MillraceError('MILLRACE_TOO_MANY_PATTERNS', detail)
}

/** About what the hub's index takes to find a stream by these names. */
export function feedBytes(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + bytesOf(name), 0)
}

/** A look-up, or a node for each segment. */
function bytesOf(name: string): number {
  return isPattern(name) ? 600 * name.split('/').length : 300
}

/** About what a change takes until the client has read it: its names as they are told to the client, and as texts. */
export function changeBytes({ topics, added, removed }: TopicsData): number {
  const names = [topics, added, removed].flat()
  return names.reduce((sum, name) => sum + 2 * Buffer.byteLength(name), 100 * added.length)
}
