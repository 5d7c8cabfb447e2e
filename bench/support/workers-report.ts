// The table of bench/workers.ts, and what it predicts.

import { availableParallelism, cpus } from 'node:os'
import type { FanOutResult, PhaseResult } from '../load/fan-out-load.ts'
import { median } from './statistics.ts'
import { figure, percent, table } from './table.ts'

export interface WorkersResult {
  readonly load: FanOutResult
  /** CPU of the hub's threads by name, in shares of a core. */
  readonly threads: Readonly<Record<string, number>>
  /** Connections of each worker. */
  readonly spread: readonly number[]
  readonly streams: number
}

type Results = ReadonlyMap<number, readonly WorkersResult[]>

const PREDICTED_CORES = 8

export function workersReport(results: Results): string {
  const [base] = [...results.values()]
  const costs = (runs: readonly WorkersResult[], phase: 'paced' | 'burst'): number =>
    median(runs.map(({ load }) => load[phase].serverMicrosPerDelivery))
  const rows = [...results].map(([workers, runs]) => {
    const figures = (['paced', 'burst'] as const).flatMap(phase => [
      figure(costs(runs, phase), 2),
      figure(1e6 / costs(runs, phase)),
      figure(costs(base!, phase) / costs(runs, phase), 2),
    ])
    if (workers > 1) {
      figures.push(
        percent(median(runs.map(mainShare)), 1),
        runs.map(each => each.spread.join('+')).join(', '),
      )
    }
    return [figure(workers)].concat(figures)
  })
  const head = ['workers', 'us a delivery', 'a CPU s', 'by the first']
  return [
    `Node ${process.version}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}`,
    table([...head, 'bursts: us', 'a CPU s', 'by the first', 'main thread', 'connections by worker'], rows),
    prediction(results),
    ...faults(results),
  ].join('\n')
}

/** Of all the server's CPU. */
function mainShare({ threads }: WorkersResult): number {
  const total = Object.values(threads).reduce((sum, share) => sum + share, 0)
  return (threads['MainThread'] ?? threads['node'] ?? Number.NaN) / total
}

function prediction(results: Results): string {
  const [workers, runs] = [...results].at(-1)!
  const micros = median(runs.map(({ load }) => load.burst.serverMicrosPerDelivery))
  const streams = runs[0]!.streams
  const mainMicros = median(
    runs.map(run => mainShare(run) * run.load.burst.serverMicrosPerDelivery * streams),
  )
  const deliveries = (PREDICTED_CORES * 1e6) / micros
  const grown = (mainMicros * PREDICTED_CORES) / workers
  return (
    `${PREDICTED_CORES} cores, ${PREDICTED_CORES} workers, ${figure(streams)} streams: ${figure(deliveries)} deliveries/s; ` +
    `the main thread would be busy for ${percent(((deliveries / streams) * grown) / 1e6, 1)} of a core`
  )
}

function faults(results: Results): string[] {
  const phases = [...results.values()].flat().flatMap(({ load }) => [load.paced, load.burst])
  const wrong = (phase: PhaseResult): boolean => phase.lost + phase.repeated + phase.outOfOrder > 0
  const lines = phases.some(wrong) ? ['FAULT: events were lost, repeated or out of order'] : []
  if (phases.some(({ loadBusy }) => loadBusy > 0.9)) lines.push('CAUTION: the load was near its limit')
  return lines
}
