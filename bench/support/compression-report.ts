// The tables that bench/compression.ts prints: medians of each way to compress, and ratios to none.

import type { Ratio } from './benchmark.ts'
import type { CompressionPhase, CompressionResult } from '../load/compression-load.ts'
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
  const tables = shapes.flatMap(shape => [
    '',
    shape,
    shapeTable(cases.filter(each => shapeOf(each) === shape)),
  ])
  return ['events of about 155 bytes', ...tables, ...warnings(cases)].join('\n')
}

/** Of each way to compress, to none. */
export function ratios(cases: readonly CompressionCase[]): Ratio[] {
  return cases.flatMap(each => {
    const none = cases.find(other => shapeOf(other) === shapeOf(each) && other.way === 'none')
    if (none === undefined || none === each) return []
    return each.runs[0]!.phases.flatMap(({ burst }, at) =>
      FIGURES.map(([name, of]) => ({
        figure: `${shapeOf(each)}, ${burst} a chunk, ${each.way}: ${name}`,
        by: 'none',
        value: medianOf(each, at, of) / medianOf(none, at, of),
      })),
    )
  })
}

type Figure = (phase: CompressionPhase) => number

const FIGURES: readonly (readonly [name: string, of: Figure])[] = [
  ['bytes', phase => phase.bytesPerDelivery],
  ['server CPU, us a delivery', phase => phase.microsPerDelivery],
]

function medianOf({ runs }: CompressionCase, at: number, of: Figure): number {
  return median(runs.map(run => of(run.phases[at]!)))
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
      return [
        `${burst} a chunk, ${each.way}`,
        ...FIGURES.flatMap(([, of], which) => {
          const value = medianOf(each, at, of)
          return [figure(value, which), figure(value / medianOf(none, at, of), 2)]
        }),
        figure(median(each.runs.map(run => run.memoryPerStreamKiB)), 1),
      ]
    }),
  )
  return table(['', 'bytes', 'ratio', 'CPU us', 'ratio', 'KiB a stream'], rows)
}

function warnings(cases: readonly CompressionCase[]): string[] {
  const phases = cases.flatMap(({ runs }) => runs.flatMap(run => run.phases))
  const isSound = faults(cases).length === 0
  return [
    ...(isSound ? ['no event lost, repeated or out of order on the streams that were decoded'] : []),
    ...(phases.some(phase => phase.loadBusy > 0.9) ? ['CAUTION: the load generator was near its limit'] : []),
    ...(phases.some(phase => phase.serverWaited > 0.05)
      ? ['CAUTION: other processes had the core of a server for a while; run again']
      : []),
  ]
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
