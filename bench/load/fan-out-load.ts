// The load of bench/fan-out.ts, in a process of its own: subscribers, publisher, and the figures of one run.
// Takes its options as JSON in the first argument and sends a FanOutResult to its parent.

import { setTimeout as sleep } from 'node:timers/promises'
import { cpuTime, memoryKiB } from '../support/process-figures.ts'
import { LoopMeter } from './loop-meter.ts'
import { Publisher, type Lead } from './publisher.ts'
import { reportBack } from './report-back.ts'
import { Subscribers, type Account, type SubscribersTarget } from './subscribers.ts'

export type PhaseName = 'paced' | 'bursts' | 'saturated'

export interface FanOutOptions extends SubscribersTarget, Lead {
  readonly serverPid: number
  readonly connections: number
  readonly streams: number
  /** Streams beside them that read nothing, ten on a connection; nobody counts what they get. */
  readonly stalled: number
  readonly eventBytes: number
  readonly rate: number
  readonly burst: number
  readonly phases: readonly PhaseName[]
  readonly phaseMs: number
  readonly isSpinning: boolean
}

export interface PhaseResult extends Account {
  readonly deliveries: number
  readonly deliveriesPerSecond: number
  readonly serverMicrosPerDelivery: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** The share of time in which the server was ready to run and others had its core; summed over its threads. */
  readonly serverWaited: number
  /** The share of time in which the load generator had something to do. */
  readonly loadBusy: number
}

export interface FanOutResult {
  /** More than before the streams were opened, per stream: while they are idle, and just after the last phase. */
  readonly idleKiB: number
  readonly busyKiB: number
  readonly phases: Readonly<Partial<Record<PhaseName, PhaseResult>>>
  /** POSTs that were refused, and streams that ended by themselves. */
  readonly failures: number
}

const SETTLE_MS = 700
// What HTTP/2 gives to whoever asks for nothing else.
const LEAST_WINDOW = 65_535

let options: FanOutOptions
await reportBack(run)

async function run(given: FanOutOptions): Promise<FanOutResult> {
  options = given
  await warmUp()
  const { streams, serverPid } = options
  const publisher = await Publisher.open(options, options.eventBytes, streams)
  const subscribers = readersOf(publisher)
  const before = await settledKiB(serverPid)
  await subscribers.open(options, options.connections, streams, publisher.last)
  const idle = await settledKiB(serverPid)
  const stalled = await stall()
  // A server's code gets fast with use, and its buffers find their size.
  await publisher.publish(Math.ceil(ticks() / 10), 1, 1000 / options.rate)
  const phases: Partial<Record<PhaseName, PhaseResult>> = {}
  for (const phase of options.phases) phases[phase] = await measure(phase, publisher, subscribers)
  const busy = await memoryKiB(serverPid)
  const failures = publisher.refused + subscribers.failed
  await Promise.all([subscribers.close(), stalled.close()])
  publisher.close()
  return { idleKiB: (idle - before) / streams, busyKiB: (busy - before) / streams, phases, failures }
}

/** Another topic, so that what the server first loads and compiles is not charged to the streams. */
async function warmUp(): Promise<void> {
  const target = { ...options, path: `${options.path}-warm-up` }
  const publisher = await Publisher.open(target, options.eventBytes, 20)
  const subscribers = readersOf(publisher)
  await subscribers.open(target, options.isHttp1 ? 20 : 2, 20, 0)
  await publisher.publish(50, 1, 4)
  if (publisher.refused > 0) throw new Error(`${publisher.refused} of ${publisher.last} POSTs were refused`)
  await subscribers.close()
  publisher.close()
}

function readersOf({ arrivals }: Publisher): Subscribers {
  return new Subscribers(
    sequence => arrivals.add(sequence),
    () => arrivals.read(),
  )
}

async function stall(): Promise<Subscribers> {
  const stalled = new Subscribers(() => {})
  const connections = options.isHttp1 ? options.stalled : Math.ceil(options.stalled / 10)
  const target = { ...options, streamWindow: LEAST_WINDOW }
  if (connections > 0) await stalled.open(target, connections, options.stalled, 0)
  stalled.pause()
  return stalled
}

async function settledKiB(pid: number): Promise<number> {
  await sleep(SETTLE_MS)
  return memoryKiB(pid)
}

async function measure(
  phase: PhaseName,
  publisher: Publisher,
  subscribers: Subscribers,
): Promise<PhaseResult> {
  const { arrivals } = publisher
  if (phase === 'saturated') await publisher.saturate(options.phaseMs / 5, options)
  const meter = new LoopMeter(options.isSpinning)
  const before = subscribers.account(publisher.last)
  const cpuBefore = await cpuTime(options.serverPid)
  const start = performance.now()
  meter.start()
  await publishIn(phase, publisher)
  const loadBusy = meter.stop()
  const cpu = await cpuTime(options.serverPid)
  const windowMs = arrivals.lastAt - start
  const total = subscribers.account(publisher.last)
  return {
    deliveries: arrivals.count,
    deliveriesPerSecond: (arrivals.count * 1000) / windowMs,
    serverMicrosPerDelivery: ((cpu.usedMs - cpuBefore.usedMs) * 1000) / arrivals.count,
    serverWaited: (cpu.waitedMs - cpuBefore.waitedMs) / windowMs,
    p50Ms: arrivals.percentile(50),
    p99Ms: arrivals.percentile(99),
    loadBusy,
    lost: total.lost - before.lost,
    repeated: total.repeated - before.repeated,
    outOfOrder: total.outOfOrder - before.outOfOrder,
  }
}

function publishIn(phase: PhaseName, publisher: Publisher): Promise<void> {
  if (phase === 'saturated') return publisher.saturate(options.phaseMs, options)
  return publisher.publish(ticks(), phase === 'paced' ? 1 : options.burst, 1000 / options.rate)
}

function ticks(): number {
  return Math.max(1, Math.round((options.phaseMs * options.rate) / 1000))
}
