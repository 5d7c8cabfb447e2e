// Everything that a hub holds, as its JSON history tells it.

import { Connection } from './connection.ts'
import type { FaultyHub } from './hub.ts'
import type { LaneData } from './lanes.ts'

export interface StoredLine {
  readonly id: string
  readonly topic: string
  readonly time: string
  readonly data: LaneData
}

export interface Stored {
  /** Of all topics, by id. */
  readonly events: readonly StoredLine[]
  /** By topic. */
  readonly states: ReadonlyMap<string, StoredLine>
}

interface Page {
  readonly state?: StoredLine
  readonly events: readonly StoredLine[]
  readonly cursor: string
  readonly gap?: unknown
}

const PAGE = 1000

export async function readStored(hub: FaultyHub): Promise<Stored> {
  const connection = new Connection(hub)
  const events: StoredLine[] = []
  const states = new Map<string, StoredLine>()
  try {
    for (const topic of await topicsOf(connection)) {
      let query = 'after=earliest'
      for (let count = PAGE; count > 0;) {
        const page = (await get(connection, `/topics/${topic}?limit=${PAGE}&${query}`)) as Page
        if (page.gap !== undefined) throw new Error(`${topic}: ${JSON.stringify(page.gap)}`)
        if (page.state !== undefined) states.set(topic, page.state)
        events.push(...page.events)
        count = page.events.length
        query = `after=${page.cursor}`
      }
    }
  } finally {
    connection.close()
  }
  return { events: events.toSorted((one, other) => (one.id < other.id ? -1 : 1)), states }
}

async function topicsOf(connection: Connection): Promise<string[]> {
  const { topics } = (await get(connection, '/topics?limit=1000')) as { topics: { topic: string }[] }
  return topics.map(({ topic }) => topic)
}

async function get(connection: Connection, path: string): Promise<unknown> {
  const { status, text } = await connection.send('GET', path, [], {})
  if (status !== 200) throw new Error(`${path}: ${status} ${text}`)
  return JSON.parse(text)
}
