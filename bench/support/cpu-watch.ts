// Who had the CPU during a measurement: each thread of the server, the load, and everybody else (Linux).

import { readFile } from 'node:fs/promises'
import { threadTimes } from './process-figures.ts'

export interface CpuShares {
  /** Of the server's threads, by name, in shares of one core. */
  readonly threads: Readonly<Record<string, number>>
  /** Of the process that watches: the load. */
  readonly load: number
  /** Of all other processes together, kernel threads included; far from 0, the machine was not quiet. */
  readonly others: number
}

interface Reading {
  readonly at: number
  readonly machineMs: number
  readonly loadMs: number
  readonly threads: ReadonlyMap<string, number>
}

export class CpuWatch {
  readonly #serverPid: number
  readonly #start: Reading

  static async start(serverPid: number): Promise<CpuWatch> {
    return new CpuWatch(serverPid, await reading(serverPid))
  }

  constructor(serverPid: number, start: Reading) {
    this.#serverPid = serverPid
    this.#start = start
  }

  async stop(): Promise<CpuShares> {
    const start = this.#start
    const end = await reading(this.#serverPid)
    const elapsedMs = end.at - start.at
    const threads: Record<string, number> = {}
    let serverMs = 0
    for (const [name, usedMs] of end.threads) {
      const spentMs = usedMs - (start.threads.get(name) ?? 0)
      threads[name] = spentMs / elapsedMs
      serverMs += spentMs
    }
    const loadMs = end.loadMs - start.loadMs
    const othersMs = end.machineMs - start.machineMs - loadMs - serverMs
    return { threads, load: loadMs / elapsedMs, others: Math.max(0, othersMs) / elapsedMs }
  }
}

async function reading(serverPid: number): Promise<Reading> {
  const threads = await threadTimes(serverPid)
  const { user, system } = process.cpuUsage()
  return {
    at: performance.now(),
    machineMs: (await cpuTimes()).busyMs,
    loadMs: (user + system) / 1000,
    threads,
  }
}

export interface CpuTimes {
  readonly busyMs: number
  /** Part of it: what the hypervisor gave to other machines. */
  readonly stolenMs: number
}

/** Of all cores together, since the machine was started. */
export async function cpuTimes(): Promise<CpuTimes> {
  const [line] = (await readFile('/proc/stat', 'utf8')).split('\n', 1)
  // In hundredths of a second; idle and waiting for a disk do not count.
  const [user, nice, system, , , irq, softirq, steal] = line!.split(/ +/).slice(1).map(Number)
  return { busyMs: (user! + nice! + system! + irq! + softirq! + steal!) * 10, stolenMs: steal! * 10 }
}
