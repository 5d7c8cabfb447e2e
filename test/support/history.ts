// What a hub keeps of a topic, as its JSON history tells it.

import type { TestHub } from './hub.ts'

export interface HistoryEvent {
  readonly id: string
  readonly topic: string
  readonly type?: string
  readonly time: string
  readonly data: unknown
}

export interface Page {
  readonly topic: string
  readonly state?: HistoryEvent
  readonly events: HistoryEvent[]
  readonly cursor: string
  readonly before?: string
  readonly gap?: { reason: string; resumesAfter: string; lostThrough?: string }
}

export async function pageOf(hub: TestHub, topic: string, query = 'limit=1000'): Promise<Page> {
  const response = await hub.fetch(`/topics/${topic}?${query}`)
  if (response.status !== 200) throw new Error(`${topic}: ${response.status} ${await response.text()}`)
  return (await response.json()) as Page
}

export async function dataOf(hub: TestHub, topic: string): Promise<unknown[]> {
  return (await pageOf(hub, topic)).events.map(event => event.data)
}
