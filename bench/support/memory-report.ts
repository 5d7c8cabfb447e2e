// The table that bench/memory.ts prints.

import type { MemoryResult } from '../load/memory-load.ts'
import { median } from './statistics.ts'
import { shapeFaults, shapeName, type StreamShape } from './stream-shapes.ts'
import { figure, table } from './table.ts'

export function memoryReport(shapes: readonly StreamShape<MemoryResult>[], events: number): string {
  const moments = shapes[0]!.runs[0]!.residentKiB.map((_, at) => at)
  const rows = shapes.flatMap(shape => {
    const { runs } = shape
    const medians = (of: (run: MemoryResult) => readonly number[]): string[] =>
      moments.map(at => figure(median(runs.map(run => of(run)[at]!)), 1))
    return [
      [shapeName(shape), ...medians(run => run.residentKiB)],
      ['  of it JavaScript heap', ...medians(run => run.heapKiB)],
    ]
  })
  const head = ['KiB a stream', 'idle', ...moments.slice(1).map(at => `${figure(at * events)} events`)]
  const good = 'no event lost, repeated or out of order on any stream'
  return [table(head, rows), ...(shapeFaults(shapes).length === 0 ? [good] : [])].join('\n')
}
