// The table that bench/fan-out.ts prints: medians of each server, and their ratio.

import { availableParallelism, cpus } from 'node:os'
import type { FanOutResult, PhaseResult } from '../load/fan-out-load.ts'
import { isPinned } from './server-process.ts'
import { median } from './statistics.ts'

type Results = ReadonlyMap<string, readonly FanOutResult[]>

export interface Shape {
  readonly connections: number
  readonly streams: number
  readonly bytes: number
  readonly rate: number
  readonly burst: number
}

type Figure = [label: string, of: (phase: PhaseResult) => number, digits: number]

const figures: Figure[] = [
  ['deliveries/s', phase => phase.deliveriesPerSecond, 0],
  ['server CPU, us a delivery', phase => phase.serverMicrosPerDelivery, 2],
  ['latency p50, ms', phase => phase.p50Ms, 1],
  ['latency p99, ms', phase => phase.p99Ms, 1],
  ['server waited for a core, %', phase => phase.serverWaited * 100, 0],
  ['load generator busy, %', phase => phase.loadBusy * 100, 0],
]

export function report(results: Results, shape: Shape): string {
  const names = [...results.keys()]
  const lines = [
    `${shape.streams} streams on ${shape.connections} connections (HTTP/2, TLS), 1 topic, ${shape.bytes} bytes, ` +
      `Node ${process.version}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}` +
      (isPinned ? '' : ', NOT PINNED'),
    row('', [...names, names.length > 1 ? 'ratio' : '']),
    row(
      'idle memory, KiB a stream',
      cells(results, run => run.memoryPerStreamKiB, 1),
    ),
    `paced: ${shape.rate} events/s`,
    ...figures.map(([label, of, digits]) =>
      row(
        label,
        cells(results, run => of(run.paced), digits),
      ),
    ),
    `bursts: ${shape.burst} events at once, ${shape.rate} times a second`,
    ...figures.map(([label, of, digits]) =>
      row(
        label,
        cells(results, run => of(run.burst), digits),
      ),
    ),
    ...warnings(results),
  ]
  return lines.join('\n')
}

/** Everything that makes a run void: one line each. */
export function faults(results: Results): string[] {
  return [...results].flatMap(([name, runs]) =>
    runs.flatMap((run, at) => runFaults(run).map(fault => `FAULT in run ${at + 1} of ${name}: ${fault}`)),
  )
}

function runFaults(run: FanOutResult): string[] {
  const counts = [
    ['lost', run.paced.lost + run.burst.lost],
    ['repeated', run.paced.repeated + run.burst.repeated],
    ['out of order', run.paced.outOfOrder + run.burst.outOfOrder],
    ['failed requests', run.failures],
  ] as const
  return counts.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`)
}

function warnings(results: Results): string[] {
  const phases = [...results.values()].flat().flatMap(run => [run.paced, run.burst])
  const found = faults(results)
  const lines = found.length === 0 ? ['no event lost, repeated or out of order on any stream'] : found
  if (phases.some(phase => phase.loadBusy > 0.9)) {
    lines.push(
      'CAUTION: the load generator was near its limit: rates and latencies say little about the server',
    )
  }
  if (phases.some(phase => phase.serverWaited > 0.05)) {
    lines.push(
      'CAUTION: other processes had the core of a server for a while: latencies are theirs too; run again',
    )
  }
  return lines
}

function cells(results: Results, of: (run: FanOutResult) => number, digits: number): string[] {
  const medians = [...results.values()].map(runs => median(runs.map(of)))
  const shown = medians.map(value =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  )
  if (medians.length < 2) return shown
  return [...shown, (medians[0]! / medians.at(-1)!).toFixed(2)]
}

function row(label: string, columns: string[]): string {
  return `  ${label.padEnd(28)}${columns.map(column => column.padStart(12)).join('')}`.trimEnd()
}
