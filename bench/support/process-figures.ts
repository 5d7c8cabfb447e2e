// What the kernel knows about another process: CPU time and memory (Linux).

import { readdir, readFile } from 'node:fs/promises'

export interface CpuTime {
  /** Spent running, milliseconds. */
  readonly usedMs: number
  /** Spent ready to run while others had the core, milliseconds; NaN where the kernel does not tell. */
  readonly waitedMs: number
}

/**
 * CPU time of all threads. From schedstat, to the nanosecond; where the kernel lacks it, utime and stime, which count
 * in hundredths of a second.
 */
export async function cpuTime(pid: number): Promise<CpuTime> {
  try {
    const threads = await readdir(`/proc/${pid}/task`)
    const files = threads.map(thread => readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'))
    const stats = (await Promise.all(files)).map(stat => stat.split(' ').map(Number))
    const total = (field: number) => stats.reduce((sum, stat) => sum + stat[field]!, 0) / 1e6
    return { usedMs: total(0), waitedMs: total(1) }
  } catch {
    return { usedMs: await ticksMs(pid), waitedMs: Number.NaN }
  }
}

async function ticksMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field is the name, which may contain spaces: count from its closing parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Proportional set size in KiB: what the process holds, its shared pages divided among those who share them. */
export async function memoryKiB(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1])
}

/** CPU time that threads have used, in milliseconds, by their names; those that share a name count together. */
export async function threadTimes(pid: number): Promise<Map<string, number>> {
  const times = new Map<string, number>()
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${thread}`
    const [name, stat] = await Promise.all([
      readFile(`${path}/comm`, 'utf8'),
      readFile(`${path}/schedstat`, 'utf8'),
    ]).catch(() => ['gone', '0'] as const)
    times.set(name.trim(), (times.get(name.trim()) ?? 0) + Number(stat.split(' ')[0]) / 1e6)
  }
  return times
}

/** Resident set size in KiB. */
export async function residentKiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
}
