// The table that bench/resume.ts prints: a row for each reader, a column for each size of the log.

import type { ResumeResult, ResumeTimes } from '../load/resume-load.ts'
import { median } from './statistics.ts'
import { figure, table } from './table.ts'

export interface SizeResult {
  readonly events: number
  readonly buildSeconds: number
  /** From the start of a hub on this log until it accepted connections. */
  readonly startsMs: readonly number[]
  readonly readers: readonly ReaderResult[]
}

interface ReaderResult {
  readonly name: string
  readonly events: number
  readonly runs: readonly ResumeResult[]
}

type Pick = (run: ResumeResult) => number

export function resumeReport(sizes: readonly SizeResult[], fileSystem: string): string {
  const head = ['ms, by events in the log', ...sizes.map(({ events }) => figure(events)), 'last by first']
  const rows: string[][] = []
  for (const [at, { name, events }] of sizes[0]!.readers.entries()) {
    rows.push([`${name}: ${events} events`])
    rows.push(...times('hub just started', run => run.first, sizes, at))
    rows.push(...times('once more', run => run.again, sizes, at))
  }
  return [
    fileSystem,
    table(head, [
      ...rows,
      row(
        'the hub starts',
        sizes.map(({ startsMs }) => median(startsMs)),
      ),
      ['', ...sizes.map(() => '')],
      ['building, events/s', ...sizes.map(({ events, buildSeconds }) => figure(events / buildSeconds))],
    ]),
  ].join('\n')
}

function times(
  label: string,
  of: (run: ResumeResult) => ResumeTimes,
  sizes: readonly SizeResult[],
  at: number,
): string[][] {
  const medians = (pick: Pick): number[] => sizes.map(({ readers }) => median(readers[at]!.runs.map(pick)))
  return [
    row(
      `  ${label}: first event`,
      medians(run => of(run).firstMs),
    ),
    row(
      `  ${label}: last event`,
      medians(run => of(run).lastMs),
    ),
  ]
}

function row(label: string, medians: readonly number[]): string[] {
  return [label, ...medians.map(value => figure(value, 1)), (medians.at(-1)! / medians[0]!).toFixed(2)]
}
