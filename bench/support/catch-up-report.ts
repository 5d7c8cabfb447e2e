// The table that bench/catch-up.ts prints.

import type { CatchUpRun } from '../load/catch-up-load.ts'
import { median } from './statistics.ts'
import { figure, percent, table } from './table.ts'

export interface CatchUpCase {
  readonly name: string
  readonly runs: readonly CatchUpRun[]
}

const HEAD = ['events/s', 'MiB/s', 'first ms', 'main us', 'reader us', 'main', 'reader', 'load', 'others']

export function catchUpReport(cases: readonly CatchUpCase[], fileSystem: string): string {
  const rows = cases.map(({ name, runs }) => {
    const of = (pick: (run: CatchUpRun) => number): number => median(runs.map(pick))
    const share = (thread: string): string => percent(of(run => run.threads[thread] ?? 0))
    const micros = (thread: string): string =>
      figure(
        of(run => ((run.threads[thread] ?? 0) * 1e6) / run.perSecond),
        2,
      )
    return [
      name,
      figure(of(run => run.perSecond)),
      figure(of(run => run.mebibytesPerSecond)),
      figure(
        of(run => run.firstMs),
        1,
      ),
      micros('MainThread'),
      micros('reader-thread'),
      share('MainThread'),
      share('reader-thread'),
      percent(of(run => run.load)),
      percent(of(run => run.others)),
    ]
  })
  return [fileSystem, table(['one reader, HTTP/2, TLS', ...HEAD], rows), ...warnings(cases)].join('\n')
}

/** Everything that makes a run void: one line each. */
export function faults(cases: readonly CatchUpCase[]): string[] {
  return cases.flatMap(({ name, runs }) =>
    runs
      .filter(run => run.lost + run.repeated + run.outOfOrder > 0)
      .map(
        run => `FAULT, ${name}: ${run.lost} lost, ${run.repeated} repeated, ${run.outOfOrder} out of order`,
      ),
  )
}

function warnings(cases: readonly CatchUpCase[]): string[] {
  const runs = cases.flatMap(each => each.runs)
  const lines = faults(cases).length === 0 ? ['no event lost, repeated or out of order'] : []
  if (runs.some(({ load }) => load > 0.9)) {
    lines.push('CAUTION: the reader was near its limit where its share (load) is near 100%')
  }
  if (runs.some(({ others }) => others > 0.15)) {
    lines.push('CAUTION: other processes had much of the CPU for a while (others): run again')
  }
  return lines
}
