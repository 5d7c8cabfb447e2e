// The table that bench/both-sides.ts prints.

import type { BothSidesResult, Latencies } from '../load/both-sides-load.ts'
import { median } from './statistics.ts'
import { shapeFaults, shapeName, type StreamShape } from './stream-shapes.ts'
import { figure, table } from './table.ts'

export function bothSidesReport(shapes: readonly StreamShape<BothSidesResult>[]): string {
  const good = 'no event lost, repeated or out of order on any stream'
  return [...shapes.map(shapeTable), ...(shapeFaults(shapes).length === 0 ? [good] : [])].join('\n')
}

function shapeTable(shape: StreamShape<BothSidesResult>): string {
  const of = (pick: (run: BothSidesResult) => number): number => median(shape.runs.map(pick))
  const row = (name: string, pick: (run: BothSidesResult) => Latencies, lines: string): string[] => [
    name,
    figure(
      of(run => pick(run).deliveryP50),
      1,
    ),
    figure(
      of(run => pick(run).deliveryP99),
      1,
    ),
    figure(
      of(run => pick(run).answerP50),
      1,
    ),
    figure(
      of(run => pick(run).answerP99),
      1,
    ),
    lines,
  ]
  const most = of(run => run.mostPerSecond)
  return [
    `${shapeName(shape)}: at most ${figure(most)} events/s, ${figure(most * shape.streams)} deliveries/s`,
    table(
      ['ms', 'delivery p50', 'p99', 'answer p50', 'p99', 'upload, lines/s'],
      [
        row('paced', run => run.paced, ''),
        row('and an upload', run => run.besideUpload, figure(of(run => run.uploadBeside))),
        ['the upload alone', '', '', '', '', figure(of(run => run.uploadAlone))],
      ],
    ),
    '',
  ].join('\n')
}
