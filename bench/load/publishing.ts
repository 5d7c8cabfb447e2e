// Publishing as the benchmarks of it do: publishers in flight, at a pace, or uploading lines.

import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { post } from './post.ts'
import type { NextHeaders } from './request-headers.ts'
import { connectTo, type Target } from './subscribers.ts'
import { upload, type Block } from './upload.ts'

/**
 * - `in-flight`: so many publishers, each of whom sends its next event when the last one was answered
 * - `paced`: so many events a second, one at a time, whether or not the last one was answered
 * - `lines`: so many NDJSON uploads at once
 */
export interface Phase {
  readonly kind: 'in-flight' | 'paced' | 'lines'
  readonly count: number
  readonly bytes: number
}

export interface Outcome {
  /** Of single POSTs, milliseconds. */
  readonly latencies: number[]
  /** Answered as kept. */
  readonly events: number
  readonly failures: number
}

// On one connection, 256 requests at a time would wait for each other in it.
const IN_FLIGHT_PER_CONNECTION = 64
const BLOCK_BYTES = 64 * 1024

/** The connections that the phase needs. */
export function sessionsFor({ kind, count }: Phase, target: Target): Promise<ClientHttp2Session[]> {
  const connections = kind === 'in-flight' ? Math.ceil(count / IN_FLIGHT_PER_CONNECTION) : 1
  return Promise.all(Array.from({ length: kind === 'lines' ? count : connections }, () => connectTo(target)))
}

type Sessions = readonly ClientHttp2Session[]

/** `headers` of each request. Default: none. */
export function publish(
  sessions: Sessions,
  path: string,
  phase: Phase,
  forMs: number,
  headers: NextHeaders = () => ({}),
): Promise<Outcome> {
  if (phase.kind === 'in-flight') return publishInFlight(sessions, path, phase, forMs, headers)
  if (phase.kind === 'paced') return publishPaced(sessions, path, phase, forMs, headers)
  return publishLines(sessions, path, phase, forMs, headers)
}

async function publishInFlight(
  sessions: Sessions,
  path: string,
  { count, bytes }: Phase,
  forMs: number,
  headers: NextHeaders,
): Promise<Outcome> {
  const end = performance.now() + forMs
  const body = 'x'.repeat(bytes)
  const latencies: number[] = []
  let failures = 0
  const publisher = async (session: ClientHttp2Session): Promise<void> => {
    for (let sentAt = performance.now(); sentAt < end; sentAt = performance.now()) {
      if (!(await post(session, path, body, 'text/plain', headers()))) failures++
      latencies.push(performance.now() - sentAt)
    }
  }
  await Promise.all(Array.from({ length: count }, (_, at) => publisher(sessions[at % sessions.length]!)))
  return { latencies, events: latencies.length - failures, failures }
}

// Latency counts from when each was due: a server that stands still is charged for those that had to wait, too.
async function publishPaced(
  [session]: Sessions,
  path: string,
  { count, bytes }: Phase,
  forMs: number,
  headers: NextHeaders,
): Promise<Outcome> {
  const start = performance.now()
  const body = 'x'.repeat(bytes)
  const latencies: number[] = []
  const answers: Promise<void>[] = []
  let failures = 0
  const send = async (dueAt: number): Promise<void> => {
    if (!(await post(session!, path, body, 'text/plain', headers()))) failures++
    latencies.push(performance.now() - dueAt)
  }
  const total = Math.round((forMs * count) / 1000)
  for (let at = 0; at < total; at++) {
    const dueAt = start + (at * 1000) / count
    const waitMs = dueAt - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    answers.push(send(dueAt))
  }
  await Promise.all(answers)
  return { latencies, events: total - failures, failures }
}

async function publishLines(
  sessions: Sessions,
  path: string,
  { bytes }: Phase,
  forMs: number,
  headers: NextHeaders,
): Promise<Outcome> {
  const block = blockOf(bytes)
  const until = performance.now() + forMs
  const uploads = await Promise.all(
    sessions.map(session => upload(session, path, repeated(block, until), headers())),
  )
  const sent = uploads.reduce((sum, each) => sum + each.sent, 0)
  const events = uploads.reduce((sum, each) => sum + each.published, 0)
  return { latencies: [], events, failures: sent - events }
}

/** Lines whose data has this size: JSON strings. */
function blockOf(bytes: number): Block {
  const line = `"${'x'.repeat(Math.max(0, bytes - 2))}"\n`
  const lines = Math.ceil(BLOCK_BYTES / line.length)
  return { text: Buffer.from(line.repeat(lines)), lines }
}

function* repeated(block: Block, until: number): Generator<Block> {
  do yield block
  while (performance.now() < until)
}
