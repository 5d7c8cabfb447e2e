// The load of bench/fan-out.ts, in a process of its own: subscribers, publisher, and the figures of one run.
// Takes its options as JSON in the first argument and sends a FanOutResult to its parent.

import { setTimeout as sleep } from 'node:timers/promises'
import { cpuTime, memoryKiB } from '../support/process-figures.ts'
import { percentile } from '../support/statistics.ts'
import { Arrivals } from './arrivals.ts'
import { LoopMeter } from './loop-meter.ts'
import { Publisher } from './publisher.ts'
import { reportBack } from './report-back.ts'
import { Subscribers, type Account, type Target } from './subscribers.ts'

export interface FanOutOptions extends Target {
  readonly serverPid: number
  readonly connections: number
  readonly streams: number
  readonly eventBytes: number
  readonly rate: number
  readonly burst: number
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
  readonly memoryPerStreamKiB: number
  readonly paced: PhaseResult
  readonly burst: PhaseResult
  /** POSTs without 201, and streams that ended by themselves. */
  readonly failures: number
}

const SETTLE_MS = 700
// Deliveries that are still missing after this long are lost.
const DEADLINE_MS = 10_000

let options: FanOutOptions
await reportBack(run)

async function run(given: FanOutOptions): Promise<FanOutResult> {
  options = given
  await warmUp()
  const publisher = await Publisher.open(options, options.eventBytes)
  const arrivals = new Arrivals(publisher.sentAt)
  const subscribers = new Subscribers(sequence => arrivals.add(sequence))
  await sleep(SETTLE_MS)
  const before = await memoryKiB(options.serverPid)
  await subscribers.open(options, options.connections, options.streams, publisher.last)
  await sleep(SETTLE_MS)
  const after = await memoryKiB(options.serverPid)

  const ticks = Math.max(1, Math.round((options.phaseMs * options.rate) / 1000))
  const phase = (count: number, burst: number) => measure(publisher, subscribers, arrivals, count, burst)
  // A server's code gets fast with use, and its buffers find their size: a tenth is played in advance.
  await phase(Math.ceil(ticks / 10), 1)
  const paced = await phase(ticks, 1)
  const burst = await phase(ticks, options.burst)
  const failures = publisher.refused + subscribers.failed
  await subscribers.close()
  publisher.close()
  return { memoryPerStreamKiB: (after - before) / options.streams, paced, burst, failures }
}

/** Another topic, so that what the server first loads and compiles is not charged to the streams. */
async function warmUp(): Promise<void> {
  const target = { ...options, path: `${options.path}-warm-up` }
  const publisher = await Publisher.open(target, options.eventBytes)
  const subscribers = new Subscribers(() => {})
  await subscribers.open(target, 2, 20, 0)
  await publisher.publish(50, 1, 4)
  await subscribers.close()
  publisher.close()
}

async function measure(
  publisher: Publisher,
  subscribers: Subscribers,
  arrivals: Arrivals,
  ticks: number,
  burst: number,
): Promise<PhaseResult> {
  const meter = new LoopMeter(options.isSpinning)
  const before = subscribers.account(publisher.last)
  const cpuBefore = await cpuTime(options.serverPid)
  const start = performance.now()
  const arrived = arrivals.expect(ticks * burst * options.streams)
  meter.start()
  await publisher.publish(ticks, burst, 1000 / options.rate)
  await Promise.race([arrived, sleep(DEADLINE_MS, undefined, { ref: false })])
  const loadBusy = meter.stop()
  const cpu = await cpuTime(options.serverPid)
  const windowMs = arrivals.lastAt - start
  const latencies = arrivals.latencies()
  const total = subscribers.account(publisher.last)
  return {
    deliveries: latencies.length,
    deliveriesPerSecond: (latencies.length * 1000) / windowMs,
    serverMicrosPerDelivery: ((cpu.usedMs - cpuBefore.usedMs) * 1000) / latencies.length,
    serverWaited: (cpu.waitedMs - cpuBefore.waitedMs) / windowMs,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    loadBusy,
    lost: total.lost - before.lost,
    repeated: total.repeated - before.repeated,
    outOfOrder: total.outOfOrder - before.outOfOrder,
  }
}
