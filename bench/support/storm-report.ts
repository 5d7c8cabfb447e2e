// The table that bench/storm.ts prints.

import type { StormResult } from '../load/storm-load.ts'
import { median } from './statistics.ts'
import { shapeFaults, shapeName, type StreamShape } from './stream-shapes.ts'
import { figure, table } from './table.ts'

export function stormReport(shapes: readonly StreamShape<StormResult>[]): string {
  const rows = shapes.map(shape => {
    const { streams, runs } = shape
    const of = (pick: (run: StormResult) => number, digits: number): string =>
      figure(median(runs.map(pick)), digits)
    return [
      shapeName(shape),
      of(run => run.seconds, 2),
      of(run => streams / run.seconds, 0),
      of(run => run.microsPerStream, 0),
      of(run => run.reads, 0),
      of(run => run.publishP99Ms, 0),
    ]
  })
  const head = ['', 'seconds', 'streams/s', 'CPU, us a stream', 'reads of the log', 'publish p99, ms']
  const good = 'no event lost, repeated or out of order on any stream'
  return [table(head, rows), ...(shapeFaults(shapes).length === 0 ? [good] : [])].join('\n')
}
