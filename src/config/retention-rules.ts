// The rules of `--retention`: which topics are kept for longer or shorter than the others.

import { patternFault } from '../event.ts'
import type { RetentionRule } from '../log/retention.ts'
import type { Config } from './schema.ts'

const LIMITS = new Map([
  ['events', 'maxEvents'],
  ['bytes', 'maxBytes'],
  ['ageMs', 'maxAgeMs'],
])

/** Reads a rule such as `logs/** events=1000 ageMs=3600000`. A text says what is wrong with it. */
export function parseRetentionRule(text: string, maxPatternBytes: number): RetentionRule | string {
  const words = text.trim().split(' ')
  const limits: Record<string, number> = {}
  // From the end, for a topic name may hold spaces.
  for (let limit; (limit = /^(\w+)=(.*)$/.exec(words.at(-1)!)) !== null; words.pop()) {
    const [, name, value] = limit as unknown as [string, string, string]
    const option = LIMITS.get(name)
    if (option === undefined) return `has '${name}=', but a limit is one of ${[...LIMITS.keys()].join(', ')}`
    if (!/^[1-9]\d{0,14}$/.test(value)) return `has '${name}=${value}', but a limit is a whole number from 1`
    limits[option] = Number(value)
  }
  const pattern = words.join(' ')
  const fault = patternFault(pattern, maxPatternBytes)
  if (fault !== undefined) return `has the pattern ${JSON.stringify(pattern)}, which ${fault}`
  if (Object.keys(limits).length === 0) return 'names no limit, such as events=1000'
  return { pattern, ...limits }
}

/** The configuration was checked: each rule can be read. Ours comes last, so that another one can take its place. */
export function retentionRules({
  retention,
  maxTopicNameBytes,
}: Pick<Config, 'retention' | 'maxTopicNameBytes'>): RetentionRule[] {
  const given = retention.map(text => parseRetentionRule(text, maxTopicNameBytes) as RetentionRule)
  return [...given, SUBSCRIPTION_EVENTS_RULE]
}

/** Whoever may subscribe makes events by it: what they take must not push out what was published. */
const SUBSCRIPTION_EVENTS_RULE: RetentionRule = {
  pattern: '.well-known/mercure/subscriptions',
  maxEvents: 10_000,
  maxBytes: 8 * 1024 * 1024,
}
