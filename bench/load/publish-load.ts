// The load of bench/durable.ts, in a process of its own: publishers in flight, at a pace, or uploading lines.
// Takes its options as JSON in the first argument and sends a PublishResult to its parent.

import { CpuWatch, type CpuShares } from '../support/cpu-watch.ts'
import { publishedEvents } from '../support/hub.ts'
import { percentile } from '../support/statistics.ts'
import { publish, sessionsFor, type Phase } from './publishing.ts'
import { reportBack } from './report-back.ts'
import { connectTo, type Target } from './subscribers.ts'

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

// The server's code gets fast with use.
const WARM_UP_MS = 500

let answered = 0
await reportBack(run)

async function run(options: PublishOptions): Promise<PublishResult> {
  const phases: PhaseResult[] = []
  for (const phase of options.phases) phases.push(await measure(options, phase))
  const session = await connectTo(options)
  const counted = await publishedEvents(session)
  session.destroy()
  return { phases, unaccounted: Math.abs(counted - answered) }
}

async function measure(options: PublishOptions, phase: Phase): Promise<PhaseResult> {
  const sessions = await sessionsFor(phase, options)
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
