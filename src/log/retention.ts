// How much of a topic is kept: limits for all topics, and rules that set others for those that match a pattern.

import { LRUCache } from 'lru-cache'
import { patternFault, type Topic } from '../event.ts'
import { patternMatcher, type TopicPattern } from '../topic-pattern.ts'

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

const LIMITS = { events: 'maxEvents', bytes: 'maxBytes', ageMs: 'maxAgeMs' } as const

const MAX_REMEMBERED = 10_000

/** Of the rules that match a topic, the first one holds. */
export function retentionOf(rules: readonly RetentionRule[], defaults: Retention): RetentionOf {
  if (rules.length === 0) return () => defaults
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

/** Reads a rule such as `logs/** events=1000 ageMs=3600000`; returns what is wrong with it as a text. */
export function parseRetentionRule(text: string, maxPatternBytes: number): RetentionRule | string {
  const words = text.trim().split(' ')
  const limits: Partial<Record<keyof Retention, number>> = {}
  // From the end, for a topic name may hold spaces.
  while (words.length > 1) {
    const [, name, value] = /^(\w+)=(.*)$/.exec(words.at(-1)!) ?? []
    if (name === undefined || value === undefined) break
    if (!(name in LIMITS)) return `'${name}' is not one of ${Object.keys(LIMITS).join(', ')}`
    if (!/^[1-9]\d{0,14}$/.test(value)) return `'${name}' takes a whole number from 1, not '${value}'`
    limits[LIMITS[name as keyof typeof LIMITS]] = Number(value)
    words.pop()
  }
  const pattern = words.join(' ')
  const fault = patternFault(pattern, maxPatternBytes)
  if (fault !== undefined) return `the pattern '${pattern}' ${fault}`
  if (Object.keys(limits).length === 0) return 'it names no limit, such as events=1000'
  return { pattern, ...limits }
}
