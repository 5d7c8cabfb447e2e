// Prints this machine's vitals as a line of JSON, now and then once a second: load, memory, CPU time, from /proc.
// With a number as argument it stops after so many lines.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const most = Number(process.argv[2] ?? Infinity)

for (let line = 0; line < most; line++) {
  if (line > 0) await sleep(1000)
  process.stdout.write(`${JSON.stringify(vitals())}\n`)
}

function vitals(): object {
  const [load1, load5, load15] = read('/proc/loadavg').split(' ').map(Number)
  return {
    time: new Date().toISOString(),
    load: { '1m': load1, '5m': load5, '15m': load15 },
    memoryKiB: memory(),
    cpuTicks: cpuTicks(),
  }
}

function memory(): Record<string, number> {
  const lines = read('/proc/meminfo').split('\n')
  const fields = lines.map(line => /^(MemTotal|MemAvailable|SwapFree):\s+(\d+) kB/.exec(line))
  return Object.fromEntries(fields.flatMap(field => (field ? [[field[1]!, Number(field[2])]] : [])))
}

function cpuTicks(): object {
  const [user, nice, system, idle] = read('/proc/stat').split('\n')[0]!.split(/\s+/).slice(1).map(Number)
  return { user, nice, system, idle }
}

function read(path: string): string {
  return readFileSync(path, 'utf8')
}
