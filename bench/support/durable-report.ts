// The table that bench/durable.ts prints: medians of each log, and who had the CPU.

import type { PhaseResult, PublishResult } from '../load/publish-load.ts'
import type { Phase } from '../load/publishing.ts'
import type { SyncFloor } from './disk.ts'
import { median } from './statistics.ts'
import { figure, percent, table } from './table.ts'

/** `route`: not a hub, but the floor of what HTTP/2 costs. */
export type ServerName = 'sqlite' | 'memory' | 'route'
type Results = ReadonlyMap<ServerName, readonly PublishResult[]>

export function titleOf(name: ServerName): string {
  return name === 'route' ? 'empty route' : `${name} log`
}

export interface Place {
  readonly fileSystem: string
  readonly floor: SyncFloor
  readonly isPinned: boolean
}

export function phaseName({ kind, count, bytes }: Phase): string {
  const what = {
    'in-flight': `POST, ${count} in flight`,
    paced: `POST, ${count}/s`,
    lines: `NDJSON, ${count} at once`,
  }
  return `${what[kind]}, ${bytes} bytes`
}

const HEAD = [
  'events/s',
  'p50 ms',
  'p99 ms',
  'max ms',
  'main us',
  'writer us',
  'main',
  'writer',
  'load',
  'others',
]

export function durableReport(results: Results, phases: readonly string[], place: Place): string {
  const { fileSystem, floor, isPinned } = place
  return [
    `${fileSystem}; 4 KiB and fdatasync: p50 ${figure(floor.p50Ms, 2)} ms, p99 ${figure(floor.p99Ms, 2)} ms` +
      (isPinned ? ', hub on one core' : ''),
    ...[...results].flatMap(([name, runs]) => ['', serverTable(name, runs, phases)]),
    ...(results.size > 1 ? ['', ratios(results, phases)] : []),
    '',
    ...warnings(results),
  ].join('\n')
}

function serverTable(name: ServerName, runs: readonly PublishResult[], phases: readonly string[]): string {
  const rows = phases.flatMap(phase => {
    const results = resultsOf(runs, phase)
    if (results.length === 0) return []
    const of = (pick: (result: PhaseResult) => number): number => median(results.map(pick))
    const ms = (pick: (result: PhaseResult) => number): string =>
      // Uploads have none, and JSON has no NaN.
      results[0]!.p50Ms === null ? '' : figure(of(pick), 1)
    const micros = (thread: string): string =>
      figure(
        of(({ threads, perSecond }) => ((threads[thread] ?? 0) * 1e6) / perSecond),
        1,
      )
    return [
      [
        phase,
        figure(of(result => result.perSecond)),
        ms(result => result.p50Ms),
        ms(result => result.p99Ms),
        ms(result => result.maxMs),
        micros('MainThread'),
        micros('writer-thread'),
        percent(of(result => result.threads['MainThread'] ?? 0)),
        percent(of(result => result.threads['writer-thread'] ?? 0)),
        percent(of(result => result.load)),
        percent(of(result => result.others)),
      ],
    ]
  })
  return table([titleOf(name), ...HEAD], rows)
}

function resultsOf(runs: readonly PublishResult[], phase: string): PhaseResult[] {
  return runs.flatMap(run => run.phases.filter(result => phaseName(result.phase) === phase))
}

/** Each server's events/s by those of the ones behind it. */
function ratios(results: Results, phases: readonly string[]): string {
  const names = [...results.keys()]
  const pairs = names.flatMap((one, at) => names.slice(at + 1).map(other => [one, other] as const))
  const rate = (name: ServerName, phase: string): number =>
    median(resultsOf(results.get(name)!, phase).map(result => result.perSecond))
  const rows = phases.map(phase => [
    phase,
    ...pairs.map(([one, other]) => {
      const ratio = rate(one, phase) / rate(other, phase)
      return Number.isNaN(ratio) ? '' : ratio.toFixed(2)
    }),
  ])
  return table(['events/s, by', ...pairs.map(([one, other]) => `${one} by ${other}`)], rows)
}

/** Everything that makes a run void: one line each. */
export function faults(results: Results): string[] {
  return [...results].flatMap(([name, runs]) =>
    runs.flatMap(({ phases, unaccounted }) => {
      const failed = phases.reduce((sum, { failures }) => sum + failures, 0)
      return [
        ...(failed > 0 ? [`FAULT with the ${titleOf(name)}: ${failed} events were not kept`] : []),
        ...(unaccounted > 0
          ? [`FAULT with the ${titleOf(name)}: ${unaccounted} events are unaccounted for`]
          : []),
      ]
    }),
  )
}

function warnings(results: Results): string[] {
  const phases = [...results.values()].flat().flatMap(run => run.phases)
  const lines: string[] = []
  if (faults(results).length === 0) {
    lines.push('every event that was sent was answered as kept, and counted once')
  }
  if (phases.some(({ load }) => load > 0.9)) {
    lines.push('CAUTION: the load generator was near its limit where its share is near 100%')
  }
  if (phases.some(({ others }) => others > 0.15)) {
    lines.push('CAUTION: other processes had much of the CPU for a while (others): run again')
  }
  return lines
}
