// The tables that bench/fan-out.ts prints: medians of each server, and Millrace's by theirs.

import type { FanOutOptions, FanOutResult, PhaseName, PhaseResult } from '../load/fan-out-load.ts'
import type { Ratio } from './benchmark.ts'
import { median } from './statistics.ts'
import { figure, table } from './table.ts'

type Results = ReadonlyMap<string, readonly FanOutResult[]>

export type Shape = Pick<
  FanOutOptions,
  | 'connections'
  | 'streams'
  | 'eventBytes'
  | 'isHttp1'
  | 'stalled'
  | 'rate'
  | 'burst'
  | 'inFlight'
  | 'undelivered'
>

export function report(results: Results, shape: Shape): string {
  const names = [...results.keys()]
  const figures = figuresOf(results)
  const lines = figures.map(({ name, medians, digits }) => {
    return [name, medians.map(value => figure(value, digits))].flat()
  })
  const compared = figures.filter(each => each.isCompared)
  const comparisons = compared.map(({ name, medians: [first, ...others] }) => {
    return [name, '', others.map(other => (first! / other).toFixed(2))].flat()
  })
  const comparison = ['', table([`${names[0]} by`, '', ...names.slice(1)], comparisons)]
  return [
    describe(shape),
    table(['medians', ...names], lines),
    ...(names.length > 1 ? comparison : []),
    ...remarks(results),
  ].join('\n')
}

/** The first server's figures by each of the others'. */
export function ratios(results: Results): Ratio[] {
  const others = [...results.keys()].slice(1)
  return figuresOf(results)
    .filter(({ isCompared }) => isCompared)
    .flatMap(({ name, medians: [first, ...rest] }) =>
      rest.map((other, at) => ({ figure: name, by: others[at]!, value: first! / other })),
    )
}

/** Everything that makes a run void: one line each. */
export function faults(results: Results): string[] {
  return [...results].flatMap(([name, runs]) =>
    runs.flatMap((run, at) => runFaults(run).map(fault => `FAULT in run ${at + 1} of ${name}: ${fault}`)),
  )
}

function describe(shape: Shape): string {
  const { streams, connections, stalled, eventBytes, rate, burst, inFlight, undelivered } = shape
  return [
    `${figure(streams)} streams on ${figure(connections)} connections (HTTP/${shape.isHttp1 ? '1.1' : '2'}, TLS), 1 topic, ${figure(eventBytes)} bytes`,
    ...(stalled > 0 ? [`${stalled} more that read nothing`] : []),
    `paced: ${rate} times a second`,
    ...(burst > 1 ? [`bursts: ${burst} at once, as often`] : []),
    `as fast as it goes: ${inFlight} POSTs in flight, ${undelivered} events undelivered`,
  ].join('; ')
}

const titles: Readonly<Record<PhaseName, string>> = {
  paced: 'paced',
  bursts: 'bursts',
  saturated: 'as fast as it goes',
}

interface Figure {
  readonly name: string
  /** Of each server. */
  readonly medians: readonly number[]
  readonly digits: number
  /** Others say what the comparison of these is worth. */
  readonly isCompared: boolean
}

type PhaseFigure = [name: string, of: (phase: PhaseResult) => number, digits: number, isCompared: boolean]

const phaseFigures: readonly PhaseFigure[] = [
  ['deliveries/s', phase => phase.deliveriesPerSecond, 0, true],
  ['server CPU, us a delivery', phase => phase.serverMicrosPerDelivery, 2, true],
  ['p50, ms', phase => phase.p50Ms, 1, false],
  ['p99, ms', phase => phase.p99Ms, 1, true],
  ['server waited for a core, %', phase => phase.serverWaited * 100, 0, false],
  ['server busy, %', phase => busyOf(phase) * 100, 0, false],
  ['load generator busy, %', phase => phase.loadBusy * 100, 0, false],
]

function figuresOf(results: Results): Figure[] {
  const phases = Object.keys([...results.values()][0]![0]!.phases) as PhaseName[]
  const medians = (of: (run: FanOutResult) => number): number[] =>
    [...results.values()].map(runs => median(runs.map(of)))
  return [
    { name: 'idle memory, KiB a stream', medians: medians(run => run.idleKiB), digits: 1, isCompared: true },
    { name: 'busy memory, KiB a stream', medians: medians(run => run.busyKiB), digits: 1, isCompared: true },
    ...phases.flatMap(phase =>
      phaseFigures.map(([name, of, digits, isCompared]) => ({
        name: `${titles[phase]}: ${name}`,
        medians: medians(run => of(run.phases[phase]!)),
        digits,
        // At a set pace, deliveries/s are what was asked for.
        isCompared: isCompared && (phase === 'saturated' || name !== 'deliveries/s'),
      })),
    ),
  ]
}

function runFaults(run: FanOutResult): string[] {
  const phases = Object.values(run.phases)
  const sum = (of: (phase: PhaseResult) => number) => phases.reduce((total, phase) => total + of(phase), 0)
  const counts = [
    ['lost', sum(phase => phase.lost)],
    ['repeated', sum(phase => phase.repeated)],
    ['out of order', sum(phase => phase.outOfOrder)],
    ['failed requests', run.failures],
  ] as const
  return counts.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`)
}

function remarks(results: Results): string[] {
  const lines: string[] = []
  if (faults(results).length === 0) lines.push('no event lost, repeated or out of order on any stream')
  const limited = [...results.keys()].filter(name => phasesOf(results, name).some(isLimitedByLoad))
  if (limited.length > 0) {
    lines.push(
      `CAUTION: the load generator was near its limit with ${limited.join(', ')}: it may be the limit`,
    )
  }
  // As fast as it goes, a server's own threads wait for each other.
  const disturbed = [...results].filter(([, runs]) => runs.some(run => run.phases.paced!.serverWaited > 0.1))
  if (disturbed.length > 0) {
    lines.push(
      `CAUTION: others had the core of ${disturbed.map(([name]) => name).join(', ')} for a while: latencies are theirs too`,
    )
  }
  return lines
}

/** Of one core. */
function busyOf(phase: PhaseResult): number {
  return (phase.serverMicrosPerDelivery * phase.deliveriesPerSecond) / 1e6
}

function isLimitedByLoad(phase: PhaseResult): boolean {
  return phase.loadBusy > 0.9 && busyOf(phase) < 0.9
}

function phasesOf(results: Results, name: string): PhaseResult[] {
  return results.get(name)!.flatMap(run => Object.values(run.phases))
}
