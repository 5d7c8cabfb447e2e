// How much of a topic is kept: limits for all topics, and rules that set others for those that match a pattern.

import { LRUCache } from 'lru-cache'
import type { Topic } from '../event.ts'
import { isPattern, patternMatcher, type TopicPattern } from '../topic-pattern.ts'

export interface Retention {
  /** Beyond it the topic's oldest events go. */
  readonly maxEvents: number
  /** In bytes, as the log counts them. */
  readonly maxBytes: number
  /** In milliseconds. */
  readonly maxAgeMs: number
}

/** Limits of the topics that match; what a rule does not name is as for all topics. */
export interface RetentionRule extends Partial<Retention> {
  readonly pattern: TopicPattern
}

export type RetentionOf = (topic: Topic) => Retention

const MAX_REMEMBERED = 10_000

/** Of the rules that match a topic, the first one holds. */
export function retentionOf(rules: readonly RetentionRule[], defaults: Retention): RetentionOf {
  if (!rules.some(({ pattern }) => isPattern(pattern))) return retentionByName(rules, defaults)
  const compiled = rules.map(({ pattern, ...limits }) => ({
    matches: patternMatcher(pattern),
    retention: { ...defaults, ...limits },
  }))
  const remembered = new LRUCache<Topic, Retention>({ max: MAX_REMEMBERED })
  return topic => {
    let retention = remembered.get(topic)
    if (retention === undefined) {
      retention = compiled.find(rule => rule.matches(topic))?.retention ?? defaults
      remembered.set(topic, retention)
    }
    return retention
  }
}

function retentionByName(rules: readonly RetentionRule[], defaults: Retention): RetentionOf {
  const named = new Map<Topic, Retention>()
  for (const { pattern, ...limits } of rules) {
    if (!named.has(pattern)) named.set(pattern, { ...defaults, ...limits })
  }
  return topic => named.get(topic) ?? defaults
}
