// The table that bench/behind.ts prints.

import type { BehindResult } from '../load/behind-load.ts'
import { median } from './statistics.ts'
import { figure, table } from './table.ts'

export interface BehindShape {
  readonly streams: number
  readonly connections: number
  readonly events: number
  readonly bytes: number
}

export function behindReport(runs: readonly BehindResult[], shape: BehindShape): string {
  const { streams, connections, events, bytes } = shape
  const of = (pick: (run: BehindResult) => number): number => median(runs.map(pick))
  const rounds = runs[0]!.behindKiB.map((_, round) => [
    `more, ${figure(events * (round + 1))} events behind`,
    figure(
      of(run => run.behindKiB[round]!),
      1,
    ),
  ])
  return [
    `${streams} streams on ${connections} connections (HTTP/2, TLS), 1 topic, ${bytes} bytes`,
    table(
      ['', 'KiB a stream'],
      [
        [
          'idle',
          figure(
            of(run => run.idleKiB),
            1,
          ),
        ],
        ...rounds,
      ],
    ),
    `all of them read on: ${figure(of(run => run.recoveryPerSecond))} deliveries/s, ` +
      `${figure(
        of(run => run.recoverySeconds),
        1,
      )} s until everybody had everything`,
    ...(faults(runs, streams).length === 0 ? ['no event lost, repeated or out of order on any stream'] : []),
  ].join('\n')
}

/** Everything that makes a run void: one line each. */
export function faults(runs: readonly BehindResult[], streams: number): string[] {
  return runs.flatMap((run, at) => {
    const counts = [
      ['lost', run.lost],
      ['repeated', run.repeated],
      ['out of order', run.outOfOrder],
      ['streams ended', run.failures],
      ['streams not behind', streams - Math.min(...run.behind)],
    ] as const
    return counts
      .filter(([, count]) => count !== 0)
      .map(([what, count]) => `FAULT in run ${at + 1}: ${count} ${what}`)
  })
}
