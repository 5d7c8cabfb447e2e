// A process that publishes, over one HTTP/2 connection with a request of each lane in flight, until it is told to stop.
// Its journal has each event before it is sent, and again when the hub has answered for it.

import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, type Answer } from './connection.ts'
import { Journal } from './journal.ts'
import { eventsPerRequest, laneEvent, LANES, type LaneEvent, type LaneKind } from './lanes.ts'

export interface PublisherOptions {
  readonly url: string
  readonly caFile: string
  readonly journal: string
  /** The longest texts, in characters. */
  readonly padding: number
}

export type PublisherLine =
  | ({ readonly kind: 'sent' } & LaneEvent)
  /** These events of the lane are stored, the last of them under this id. */
  | {
      readonly kind: 'acknowledged'
      readonly lane: number
      readonly first: number
      readonly last: number
      /** Missing where an error only said how many were stored. */
      readonly id?: string
    }
  /** The hub answered that it did not store these. */
  | {
      readonly kind: 'refused'
      readonly lane: number
      readonly first: number
      readonly last: number
      readonly code: string
      readonly retryAfter: string | undefined
      readonly mediaType: string | undefined
    }
  /** No answer came: they are stored or not. */
  | { readonly kind: 'unanswered'; readonly lane: number; readonly first: number; readonly last: number }

// What a refused publisher waits, whatever Retry-After says: the tests are in a hurry.
const REFUSED_MS = 50

const NDJSON = 'application/x-ndjson'

const options = JSON.parse(process.argv[2]!) as PublisherOptions
const connection = new Connection(options)
const journal = new Journal<PublisherLine>(options.journal)
const stopping = new AbortController()
let acknowledged = 0
let refused = 0

process.on('message', () => stopping.abort())
// The test is gone.
process.once('disconnect', () => process.exit())

await Promise.all(LANES.map((kind, lane) => runLane(kind, lane)))
connection.close()
process.disconnect()

async function runLane(kind: LaneKind, lane: number): Promise<void> {
  const count = eventsPerRequest(kind)
  for (let first = 0; !stopping.signal.aborted; first += count) {
    const events = Array.from({ length: count }, (_, at) => laneEvent(lane, first + at, options.padding))
    journal.add(...events.map(event => ({ kind: 'sent', ...event }) as const))
    while (!(await publish(kind, events)) && kind.startsWith('keyed'));
  }
}

/** Returns whether all of them are known to be stored. */
async function publish(kind: LaneKind, events: readonly LaneEvent[]): Promise<boolean> {
  const [{ lane, seq: first }, last] = [events[0]!, events.at(-1)!.seq]
  let answer: Answer
  try {
    answer = await request(kind, events)
  } catch {
    journal.add({ kind: 'unanswered', lane, first, last })
    return false
  }
  if (answer.status === 201) {
    note(lane, first, last, (JSON.parse(answer.text) as { id: string }).id)
    return true
  }
  await noteRefusal(answer, lane, first, last)
  return false
}

async function noteRefusal(answer: Answer, lane: number, first: number, last: number): Promise<void> {
  if (answer.status !== 503) throw new Error(`${answer.status} ${answer.text}`)
  const { code, published = 0 } = JSON.parse(answer.text) as { code: string; published?: number }
  if (published > 0) note(lane, first, first + published - 1)
  const { retryAfter, mediaType } = answer
  journal.add({ kind: 'refused', lane, first: first + published, last, code, retryAfter, mediaType })
  refused++
  tell()
  await sleep(REFUSED_MS)
}

function note(lane: number, first: number, last: number, id?: string): void {
  journal.add({ kind: 'acknowledged', lane, first, last, ...(id !== undefined && { id }) })
  acknowledged += last - first + 1
  tell()
}

function tell(): void {
  process.send?.({ acknowledged, refused })
}

function request(kind: LaneKind, events: readonly LaneEvent[]): Promise<Answer> {
  const [{ lane, seq, topic, data }] = events as [LaneEvent]
  const key = kind.startsWith('keyed') ? { 'idempotency-key': `lane-${lane}-${seq}` } : {}
  if (kind === 'lines') {
    const lines = events.map(event => ({ topic: event.topic, data: event.data }))
    return connection.send('POST', '/events', [linesOf(lines)], { 'content-type': NDJSON })
  }
  if (kind === 'keyed-lines') {
    const lines = events.map(event => event.data)
    // In two parts, so that a kill can come between them.
    const parts = [linesOf(lines.slice(0, 10)), linesOf(lines.slice(10))]
    return connection.send('POST', `/topics/${topic}`, parts, { 'content-type': NDJSON, ...key })
  }
  const headers = { 'content-type': 'application/json', ...key }
  return connection.send(
    kind === 'state' ? 'PUT' : 'POST',
    `/topics/${topic}`,
    [JSON.stringify(data)],
    headers,
  )
}

function linesOf(values: readonly object[]): string {
  return values.map(value => `${JSON.stringify(value)}\n`).join('')
}
