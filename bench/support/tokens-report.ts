// The tables that bench/tokens.ts prints: medians of each hub, and those with tokens by those without.

import type { FanOutResult } from '../load/fan-out-load.ts'
import type { Phase } from '../load/publishing.ts'
import type { TokensLoadResult, Turn } from '../load/tokens-load.ts'
import type { Ratio } from './benchmark.ts'
import { phaseName } from './durable-report.ts'
import { faults as fanOutFaults } from './fan-out-report.ts'
import { median } from './statistics.ts'
import { figure, table } from './table.ts'

/**
 * - `open`: the hub asks for nothing
 * - `ballast`: so does this one, and each request brings a header as long as a token
 * - `tokens`: each request brings a token
 */
export type Access = 'open' | 'ballast' | 'tokens'

export interface Results {
  readonly sides: readonly Access[]
  /** Of each run; the hubs are in the order of the sides. */
  readonly publish: TokensLoadResult[]
  readonly fanOut: ReadonlyMap<Access, FanOutResult[]>
}

/** Of the CPU that the same takes without tokens. */
export const AIM = 1.05

interface Figure {
  readonly name: string
  readonly unit: keyof typeof HEADS
  readonly digits: number
  /** Samples in each run. */
  readonly of: (side: Access) => readonly (readonly number[])[]
}

const HEADS = {
  rate: 'a second',
  CPU: 'server CPU, us an event',
} as const

export function tokensReport(results: Results): string {
  const figures = figuresOf(results)
  const tables = (['rate', 'CPU'] as const).flatMap(unit => {
    const rows = figures.filter(each => each.unit === unit)
    return rows.length === 0 ? [] : [unitTable(HEADS[unit], rows, results.sides), '']
  })
  return [...tables, ...remarks(results)].join('\n')
}

/** Of the hub with tokens, by each of the others. */
export function ratios(results: Results): Ratio[] {
  return figuresOf(results).flatMap(each =>
    othersOf(results.sides).map(by => ({
      figure: `${each.name}: ${HEADS[each.unit]}`,
      by,
      value: ratio(each, by),
    })),
  )
}

/** Everything that makes a run void: one line each. */
export function faults({ publish, sides, fanOut }: Results): string[] {
  const lines = publish.flatMap(({ failures }, run) =>
    sides.flatMap((side, at) =>
      failures[at] === 0
        ? []
        : [`FAULT in run ${run + 1} of ${side}: ${failures[at]} events were not kept, or not counted once`],
    ),
  )
  return [...lines, ...fanOutFaults(fanOut)]
}

function figuresOf(results: Results): Figure[] {
  const phases = results.publish[0]?.phases ?? []
  const published = phases.flatMap(({ phase }, at) => publishFigures(results, phase, at))
  const hasFanOut = [...results.fanOut.values()].some(runs => runs.length > 0)
  return [...published, ...(hasFanOut ? fanOutFigures(results) : [])]
}

function publishFigures({ publish, sides }: Results, phase: Phase, at: number): Figure[] {
  const name = phaseName(phase)
  const of =
    (pick: (turn: Turn) => number): Figure['of'] =>
    side =>
      publish.map(run => run.phases[at]!.hubs[sides.indexOf(side)]!.map(pick))
  return [
    { name, unit: 'rate', digits: 0, of: of(turn => turn.perSecond) },
    { name, unit: 'CPU', digits: phase.kind === 'lines' ? 2 : 1, of: of(turn => turn.microsPerEvent) },
  ]
}

function fanOutFigures({ fanOut }: Results): Figure[] {
  const of =
    (pick: (run: FanOutResult) => number): Figure['of'] =>
    side =>
      fanOut.get(side)!.map(run => [pick(run)])
  const [saturated, paced] = ['fan-out as fast as it goes, a delivery', 'fan-out, paced, a delivery']
  const micros = (phase: 'saturated' | 'paced') => of(({ phases }) => phases[phase]!.serverMicrosPerDelivery)
  return [
    {
      name: saturated,
      unit: 'rate',
      digits: 0,
      of: of(({ phases }) => phases.saturated!.deliveriesPerSecond),
    },
    { name: saturated, unit: 'CPU', digits: 2, of: micros('saturated') },
    // A second it is what was asked for.
    { name: paced, unit: 'CPU', digits: 2, of: micros('paced') },
  ]
}

function unitTable(head: string, figures: readonly Figure[], sides: readonly Access[]): string {
  const others = othersOf(sides)
  const rows = figures.map(each => [
    each.name,
    ...sides.map(side => figure(median(each.of(side).flat()), each.digits)),
    ...others.flatMap(other => [ratio(each, other).toFixed(3), spread(each, other)]),
  ])
  return table([head, ...sides, ...others.flatMap(other => [`by ${other}`, 'runs'])], rows)
}

function ratio(each: Figure, other: Access): number {
  return median(pairs(each, other).flat())
}

/** The lowest and the highest ratio of a run. */
function spread(each: Figure, other: Access): string {
  const runs = pairs(each, other).map(median)
  return `${Math.min(...runs).toFixed(2)}-${Math.max(...runs).toFixed(2)}`
}

/** Of neighbours in time, by run. */
function pairs({ of }: Figure, other: Access): number[][] {
  const without = of(other)
  return of('tokens').map((samples, run) => samples.map((sample, at) => sample / without[run]![at]!))
}

function othersOf(sides: readonly Access[]): Access[] {
  return sides.includes('tokens') ? sides.filter(side => side !== 'tokens') : []
}

function remarks(results: Results): string[] {
  const good = 'every event was kept and counted once, and none lost, repeated or out of order'
  const beyond = figuresOf(results)
    .filter(({ unit }) => unit === 'CPU')
    .flatMap(each => othersOf(results.sides).map(by => ({ name: each.name, by, value: ratio(each, by) })))
    .filter(({ value }) => value > AIM)
  return [
    ...(faults(results).length === 0 ? [good] : []),
    ...beyond.map(({ name, by, value }) => `beyond the aim of ${AIM}: ${name}, ${value.toFixed(3)} by ${by}`),
  ]
}
