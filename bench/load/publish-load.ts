// The load of bench/durable.ts, in a process of its own: publishers in flight, at a pace, or uploading lines.
// Takes its options as JSON in the first argument and sends a PublishResult to its parent.

import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { CpuWatch, type CpuShares } from '../support/cpu-watch.ts'
import { readMetrics } from '../support/hub.ts'
import { percentile } from '../support/statistics.ts'
import { post } from './post.ts'
import { reportBack } from './report-back.ts'
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

export interface PublishOptions extends Target {
  readonly serverPid: number
  readonly phases: readonly Phase[]
  readonly phaseMs: number
}

export interface PhaseResult extends CpuShares {
  readonly phase: Phase
  readonly events: number
  readonly perSecond: number
  /** Of single POSTs; NaN for uploads. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** Events that were not answered as kept. */
  readonly failures: number
}

export interface PublishResult {
  readonly phases: readonly PhaseResult[]
  /** The difference between what the hub counted and what was answered as kept. */
  readonly unaccounted: number
}

interface Outcome {
  readonly latencies: number[]
  readonly events: number
  readonly failures: number
}

// On one connection, 256 requests at a time would wait for each other in it.
const IN_FLIGHT_PER_CONNECTION = 64
const BLOCK_BYTES = 64 * 1024
// The server's code gets fast with use.
const WARM_UP_MS = 500

let answered = 0
await reportBack(run)

async function run(options: PublishOptions): Promise<PublishResult> {
  const phases: PhaseResult[] = []
  for (const phase of options.phases) phases.push(await measure(options, phase))
  const session = await connectTo(options)
  const counted = (await readMetrics(session)).get('millrace_published_events_total')!
  session.destroy()
  return { phases, unaccounted: Math.abs(counted - answered) }
}

async function measure(options: PublishOptions, phase: Phase): Promise<PhaseResult> {
  const connections = phase.kind === 'in-flight' ? Math.ceil(phase.count / IN_FLIGHT_PER_CONNECTION) : 1
  const sessions = await Promise.all(
    Array.from({ length: phase.kind === 'lines' ? phase.count : connections }, () => connectTo(options)),
  )
  answered += (await publish(sessions, options.path, phase, WARM_UP_MS)).events
  const watch = await CpuWatch.start(options.serverPid)
  const start = performance.now()
  const { latencies, events, failures } = await publish(sessions, options.path, phase, options.phaseMs)
  const elapsedMs = performance.now() - start
  const shares = await watch.stop()
  answered += events
  for (const session of sessions) session.destroy()
  latencies.sort((a, b) => a - b)
  return {
    ...shares,
    phase,
    events,
    failures,
    perSecond: (events * 1000) / elapsedMs,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    maxMs: latencies.at(-1) ?? Number.NaN,
  }
}

type Sessions = readonly ClientHttp2Session[]

function publish(sessions: Sessions, path: string, phase: Phase, forMs: number): Promise<Outcome> {
  if (phase.kind === 'in-flight') return publishInFlight(sessions, path, phase, forMs)
  if (phase.kind === 'paced') return publishPaced(sessions, path, phase, forMs)
  return publishLines(sessions, path, phase, forMs)
}

async function publishInFlight(
  sessions: Sessions,
  path: string,
  { count, bytes }: Phase,
  forMs: number,
): Promise<Outcome> {
  const end = performance.now() + forMs
  const body = 'x'.repeat(bytes)
  const latencies: number[] = []
  let failures = 0
  const publisher = async (session: ClientHttp2Session): Promise<void> => {
    for (let sentAt = performance.now(); sentAt < end; sentAt = performance.now()) {
      if (!(await post(session, path, body))) failures++
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
): Promise<Outcome> {
  const start = performance.now()
  const body = 'x'.repeat(bytes)
  const latencies: number[] = []
  const answers: Promise<void>[] = []
  let failures = 0
  const send = async (dueAt: number): Promise<void> => {
    if (!(await post(session!, path, body))) failures++
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
): Promise<Outcome> {
  const block = blockOf(bytes)
  const until = performance.now() + forMs
  const uploads = await Promise.all(sessions.map(session => upload(session, path, repeated(block, until))))
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
