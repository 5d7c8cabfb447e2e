// A process that follows a stream and goes on from the last id that its journal has, whatever happens to the hub or to
// itself.

import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection } from './connection.ts'
import { Journal, readJournal } from './journal.ts'
import type { LaneData } from './lanes.ts'

export interface SubscriberOptions {
  readonly url: string
  readonly caFile: string
  readonly journal: string
  /** Of a topic or a feed, with its query. */
  readonly path: string
  readonly isEarliest?: boolean
  readonly windowBytes?: number
  /** Waits so long after each piece that it reads. */
  readonly pauseMs?: number
}

export type SubscriberLine =
  | { readonly kind: 'open'; readonly id?: string; readonly sentId?: string }
  | { readonly kind: 'event'; readonly id: string; readonly topic?: string; readonly data: LaneData }
  | { readonly kind: 'state'; readonly data: unknown }
  | { readonly kind: 'ready'; readonly id: string }
  | { readonly kind: 'gap'; readonly id: string; readonly reason: string }
  | { readonly kind: 'bye' }

const RETRY_MS = 20

const options = JSON.parse(process.argv[2]!) as SubscriberOptions
const isFeed = options.path.startsWith('/feed')
const connection = new Connection(options)
let lastId = readJournal<SubscriberLine>(options.journal).reduce(idAfter, undefined)
const journal = new Journal<SubscriberLine>(options.journal)

// The test is gone.
process.once('disconnect', () => process.exit())

for (;;) {
  await follow().catch(() => {})
  await sleep(RETRY_MS)
}

async function follow(): Promise<void> {
  const isEarliest = lastId === undefined && options.isEarliest === true
  const path = isEarliest ? `${options.path}${isFeed ? '&' : '?'}after=earliest` : options.path
  const { status, stream } = await connection.open(path, {
    accept: 'text/event-stream',
    ...(lastId !== undefined && { 'last-event-id': lastId }),
  })
  if (status !== 200) {
    stream.close()
    if (status === 503) return
    process.exit(1)
  }
  await read(stream.setEncoding('utf8'))
}

async function read(stream: AsyncIterable<string>): Promise<void> {
  let lines: SubscriberLine[] = []
  const parser = createParser({ onEvent: message => lines.push(lineOf(message)) })
  for await (const text of stream) {
    parser.feed(text)
    if (lines.length > 0) journal.add(...lines)
    lastId = lines.reduce(idAfter, lastId)
    if (lines.length > 0) process.send?.({ lastId })
    lines = []
    if (options.pauseMs !== undefined) await sleep(options.pauseMs)
  }
}

/** What a client resumes from: whatever came last with an id. */
function idAfter(id: string | undefined, line: SubscriberLine): string | undefined {
  return 'id' in line ? line.id : id
}

function lineOf({ event, id, data: text }: EventSourceMessage): SubscriberLine {
  const data = JSON.parse(text) as Record<string, unknown>
  switch (event) {
    case 'millrace:open':
      return {
        kind: 'open',
        ...(id !== undefined && { id }),
        ...(lastId !== undefined && { sentId: lastId }),
      }
    case 'millrace:ready':
      return { kind: 'ready', id: id! }
    case 'millrace:gap':
      return { kind: 'gap', id: id!, reason: String(data['reason']) }
    case 'millrace:bye':
      return { kind: 'bye' }
    default:
      if (id === undefined) return { kind: 'state', data }
      if (!isFeed) return { kind: 'event', id, data: data as unknown as LaneData }
      return { kind: 'event', id, topic: String(data['topic']), data: data['data'] as LaneData }
  }
}
