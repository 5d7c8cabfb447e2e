// Builds a log of a given size in a process of its own, for bench/resume.ts: what is left of the building (caches, a
// heap that has grown) ends with it. Takes its options as JSON in the first argument and sends a BuiltLog.

import type { NewEvent } from '../../src/event.ts'
import { SqliteLog } from '../../src/log/sqlite.ts'
import { BUSY_TOPICS, quietPlaces } from './quiet-topics.ts'
import { reportBack } from './report-back.ts'

export interface BuildOptions {
  readonly directory: string
  readonly events: number
  readonly eventBytes: number
}

export interface BuiltLog {
  readonly epoch: string
  readonly head: number
  readonly seconds: number
}

const BATCH = 2000
const BATCHES_UNDER_WAY = 4

await reportBack(build)

async function build({ directory, events, eventBytes }: BuildOptions): Promise<BuiltLog> {
  const start = performance.now()
  // As UNLIMITED has them for the hub: with other limits, its first start would look through all topics.
  const log = await SqliteLog.open({
    directory,
    cacheBytes: 2 ** 20,
    maxBytes: 1e12,
    maxTopicBytes: 1e12,
    maxTopicEvents: 1e9,
    maxAgeMs: 1e12,
    maxStateBytes: 1e9,
    maxIdempotencyKeys: 1000,
    idempotencyKeyAgeMs: 1e9,
  })
  const underWay: Promise<unknown>[] = []
  for (const batch of batches(events, eventBytes)) {
    if (underWay.length === BATCHES_UNDER_WAY) await underWay.shift()
    underWay.push(log.append(batch))
  }
  await Promise.all(underWay)
  const built = { epoch: log.epoch, head: log.head(), seconds: (performance.now() - start) / 1000 }
  await log.close()
  return built
}

function* batches(events: number, eventBytes: number): Generator<NewEvent[]> {
  const quiet = quietPlaces(events)
  const data = 'x'.repeat(eventBytes)
  for (let start = 1; start <= events; start += BATCH) {
    const count = Math.min(BATCH, events - start + 1)
    yield Array.from({ length: count }, (_, at) => {
      const position = start + at
      return { topic: quiet.get(position) ?? `busy/${position % BUSY_TOPICS}`, data }
    })
  }
}
