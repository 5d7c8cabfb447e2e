// A page of the topics that a search finds: by a pattern in the hub, by a part of their names here.

import type { TopicSummary } from '../client/options.ts'
import { listTopics } from './hub.ts'

export const PAGE_TOPICS = 50

// The hub finds patterns; a part of a name it does not, so names are read until a page is full, or so many were read.
const READ_TOPICS = 1000
const MAX_READ_TOPICS = 20_000

export interface TopicPage {
  readonly topics: readonly TopicSummary[]
  /** Where the next page begins; undefined: this is the last. */
  readonly next: string | undefined
  /** There may be more of them behind `next`: the search has not read so far. */
  readonly isUnfinished: boolean
}

export async function findTopics(search: string, after: string, signal: AbortSignal): Promise<TopicPage> {
  if (search === '' || search.includes('*')) {
    const topics = await listTopics(after, PAGE_TOPICS, search === '' ? '**' : search, { signal })
    return {
      topics,
      next: topics.length < PAGE_TOPICS ? undefined : topics.at(-1)!.topic,
      isUnfinished: false,
    }
  }
  const topics: TopicSummary[] = []
  let from = after
  for (let read = 0; read < MAX_READ_TOPICS; read += READ_TOPICS) {
    const page = await listTopics(from, READ_TOPICS, '**', { signal })
    topics.push(...page.filter(({ topic }) => isFound(topic, search)))
    if (topics.length > PAGE_TOPICS) {
      const shown = topics.slice(0, PAGE_TOPICS)
      return { topics: shown, next: shown.at(-1)!.topic, isUnfinished: false }
    }
    // A hub may have a smaller limit.
    if (page.length === 0) return { topics, next: undefined, isUnfinished: false }
    from = page.at(-1)!.topic
  }
  return { topics, next: from, isUnfinished: true }
}

export function isFound(topic: string, search: string): boolean {
  return topic.toLowerCase().includes(search.toLowerCase())
}
