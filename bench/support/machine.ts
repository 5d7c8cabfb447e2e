// Which machine a benchmark ran on, and what else had its CPU meanwhile (Linux).

import { readFile } from 'node:fs/promises'
import { availableParallelism, cpus, release } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuTimes } from './cpu-watch.ts'
import { isPinned } from './server-process.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly node: string
  readonly kernel: string
  /** Whether the servers had a core of their own, and the load another. */
  readonly isPinned: boolean
  /** What the hypervisor gave to others, in shares of all cores. */
  readonly stolen: number
  /** How long a limit of the control group held processes back, milliseconds; NaN where it does not tell. */
  readonly throttledMs: number
  /** What other processes used just before or just after, whichever was more, in shares of one core. */
  readonly others: number
}

const LOOK_MS = 1000

/** Runs the benchmark and tells what the machine was like. */
export async function onMachine<Result>(run: () => Promise<Result>): Promise<[Result, Machine]> {
  const before = await busyShare()
  const startedAt = performance.now()
  const [{ stolenMs }, throttledMs] = [await cpuTimes(), await throttled()]
  const result = await run()
  const cores = availableParallelism()
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores,
    node: process.version,
    kernel: release(),
    isPinned,
    stolen: ((await cpuTimes()).stolenMs - stolenMs) / (performance.now() - startedAt) / cores,
    throttledMs: (await throttled()) - throttledMs,
    others: Math.max(before, await busyShare()),
  }
  return [result, machine]
}

export function machineLine({ cpu, cores, node, kernel, isPinned: pinned }: Machine): string {
  return `${cores} x ${cpu}, Linux ${kernel}, Node ${node}${pinned ? '' : ', NOT PINNED'}`
}

export function machineWarnings({ stolen, throttledMs, others }: Machine): string[] {
  const warnings = []
  if (stolen > 0.02) warnings.push(`CAUTION: other machines took ${(stolen * 100).toFixed(0)}% of the CPU`)
  if (throttledMs > 100)
    warnings.push(`CAUTION: a limit held processes back for ${throttledMs.toFixed(0)} ms`)
  if (others > 0.15) {
    warnings.push(
      'CAUTION: other processes had much of the CPU before or after the run: run again when it is quiet',
    )
  }
  return warnings
}

/** What is used while nothing of ours runs, in shares of one core. */
async function busyShare(): Promise<number> {
  const [start, { busyMs }] = [performance.now(), await cpuTimes()]
  await sleep(LOOK_MS)
  return ((await cpuTimes()).busyMs - busyMs) / (performance.now() - start)
}

async function throttled(): Promise<number> {
  try {
    const group = /^0::(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8'))?.[1] ?? ''
    const stat = await readFile(`/sys/fs/cgroup${group}/cpu.stat`, 'utf8')
    return Number(/^throttled_usec (\d+)$/m.exec(stat)?.[1]) / 1000
  } catch {
    return Number.NaN
  }
}
