// The tables that bench/compression.ts prints: medians of each way to compress, and ratios to none.

import { availableParallelism, cpus } from 'node:os'
import type { CompressionPhase, CompressionResult } from '../load/compression-load.ts'
import { isPinned } from './server-process.ts'
import { median } from './statistics.ts'
import { figure, table } from './table.ts'

export interface CompressionCase {
  readonly way: string
  readonly connections: number
  readonly streams: number
  readonly runs: readonly CompressionResult[]
}

export function compressionReport(cases: readonly CompressionCase[]): string {
  const shapes = [...new Set(cases.map(shapeOf))]
  return [
    `events of about 170 bytes, Node ${process.version}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}${isPinned ? '' : ', NOT PINNED'}`,
    ...shapes.flatMap(shape => ['', shape, shapeTable(cases.filter(each => shapeOf(each) === shape))]),
    ...warnings(cases),
  ].join('\n')
}

/** Everything that makes a run void: one line each. */
export function faults(cases: readonly CompressionCase[]): string[] {
  return cases
    .map(
      each =>
        [
          shapeOf(each),
          each.way,
          sum(each.runs.flatMap(run => run.phases.map(phase => phase.faults))),
        ] as const,
    )
    .filter(([, , count]) => count > 0)
    .map(([shape, way, count]) => `FAULT: ${way}, ${shape}: ${count} lost, repeated or out of order`)
}

function shapeOf({ streams, connections }: CompressionCase): string {
  return `${streams} streams on ${connections} connections`
}

function shapeTable(cases: readonly CompressionCase[]): string {
  const [none] = cases as [CompressionCase]
  const bursts = none.runs[0]!.phases.map(({ burst }) => burst)
  const rows = bursts.flatMap((burst, at) =>
    cases.map(each => {
      const of = (value: (phase: CompressionPhase) => number): number =>
        median(each.runs.map(run => value(run.phases[at]!)))
      const ofNone = (value: (phase: CompressionPhase) => number): number =>
        median(none.runs.map(run => value(run.phases[at]!)))
      const bytes = (phase: CompressionPhase): number => phase.bytesPerDelivery
      const micros = (phase: CompressionPhase): number => phase.microsPerDelivery
      return [
        `${burst} a chunk, ${each.way}`,
        figure(of(bytes)),
        figure(of(bytes) / ofNone(bytes), 2),
        figure(of(micros), 1),
        figure(of(micros) / ofNone(micros), 2),
        figure(median(each.runs.map(run => run.memoryPerStreamKiB)), 1),
      ]
    }),
  )
  return table(['', 'bytes', 'ratio', 'CPU us', 'ratio', 'KiB a stream'], rows)
}

function warnings(cases: readonly CompressionCase[]): string[] {
  const phases = cases.flatMap(({ runs }) => runs.flatMap(run => run.phases))
  const lines = faults(cases)
  if (lines.length === 0)
    lines.push('no event lost, repeated or out of order on the streams that were decoded')
  if (phases.some(phase => phase.loadBusy > 0.9)) lines.push('CAUTION: the load generator was near its limit')
  if (phases.some(phase => phase.serverWaited > 0.05)) {
    lines.push('CAUTION: other processes had the core of a server for a while; run again')
  }
  return lines
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
