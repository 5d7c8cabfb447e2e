// What bench/soak.ts prints at its end.

import type { SoakResult } from '../load/soak-load.ts'
import { trendOf, type SoakSample } from './soak-samples.ts'
import { median } from './statistics.ts'
import { figure, table } from './table.ts'

export function soakReport(samples: readonly SoakSample[], result: SoakResult): string {
  const of = (pick: (each: SoakSample) => number): number => median(samples.map(pick))
  return [
    `${figure(samples.at(-1)!.minute, 1)} minutes`,
    `${figure(result.published)} events published, ${figure(result.received)} received on ` +
      `${figure(result.streams)} streams of ${figure(result.connections)} connections, ` +
      `${figure(result.resumed)} of them resumed; ${figure(result.gaps)} gaps announced`,
    `open streams ${figure(of(each => each.streams))} (behind ${figure(of(each => each.behind))}), log file ` +
      `${figure(of(each => each.file + each.wal))} MiB with ${figure(of(each => each.kept))} MiB of events, event-loop ` +
      `delay p99 ${figure(
        of(each => each.loopDelayMs),
        1,
      )} ms (medians)`,
    table(
      ['MiB', '3rd quarter', '4th quarter', 'MiB/hour in the second half'],
      [
        trendRow('PSS', samples, each => each.pss),
        trendRow('RSS', samples, each => each.rss),
        trendRow('heap in use', samples, each => each.heap),
        trendRow('external', samples, each => each.external),
        trendRow('log file', samples, each => each.file + each.wal),
      ],
    ),
    ...verdict(result),
  ].join('\n')
}

function trendRow(
  name: string,
  samples: readonly SoakSample[],
  of: (sample: SoakSample) => number,
): string[] {
  const { third, fourth, mebibytesPerHour } = trendOf(samples, of)
  return [name, figure(third, 1), figure(fourth, 1), figure(mebibytesPerHour, 1)]
}

function verdict({ faultCount, faults, refused, unpublished }: SoakResult): string[] {
  const lines = [
    ...(faultCount > 0 ? [`FAULT: ${faultCount} events out of order, repeated or missing:`, ...faults] : []),
    ...(refused > 0 ? [`FAULT: ${refused} streams could not be opened`] : []),
    ...(unpublished > 0 ? [`FAULT: ${unpublished} publishes were not answered with 201`] : []),
  ]
  return lines.length > 0
    ? lines
    : ['every client got its events in order, none twice, and no hole unannounced']
}
