// What this machine is doing right now: how busy its processors are, its memory, and its load.

import os from 'node:os'

export interface Vitals {
  readonly time: string
  /** Since the last time, of all processors together: from 0 to 1. */
  readonly cpu: { readonly user: number; readonly system: number }
  readonly memory: { readonly totalBytes: number; readonly usedBytes: number }
  /** Processes that run or want to; how many can at once is the number of processors. */
  readonly load: {
    readonly '1m': number
    readonly '5m': number
    readonly '15m': number
    readonly cpus: number
  }
}

interface CpuTimes {
  readonly user: number
  readonly system: number
  readonly total: number
}

let before = cpuTimes()

export function measureVitals(): Vitals {
  const [load1, load5, load15] = os.loadavg() as [number, number, number]
  const totalBytes = os.totalmem()
  return {
    time: new Date().toISOString(),
    cpu: cpuShares(),
    memory: { totalBytes, usedBytes: totalBytes - os.freemem() },
    load: { '1m': load1, '5m': load5, '15m': load15, cpus: os.cpus().length },
  }
}

function cpuShares(): Vitals['cpu'] {
  const now = cpuTimes()
  const total = Math.max(1, now.total - before.total)
  const shares = { user: (now.user - before.user) / total, system: (now.system - before.system) / total }
  before = now
  return shares
}

function cpuTimes(): CpuTimes {
  const times = os.cpus().map(cpu => cpu.times)
  const sum = (values: readonly number[]): number => values.reduce((one, other) => one + other, 0)
  return {
    user: sum(times.map(({ user, nice }) => user + nice)),
    system: sum(times.map(({ sys, irq }) => sys + irq)),
    total: sum(times.flatMap(time => Object.values(time))),
  }
}
