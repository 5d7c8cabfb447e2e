// The table of bench/many-topics.ts, and its picture.

import type { ManyTopicsResult } from '../load/many-topics-load.ts'
import type { ManyTopicsShape } from '../load/many-topics-shapes.ts'
import { linePlot } from './line-plot.ts'
import { median } from './statistics.ts'
import { figure, table } from './table.ts'

/** One shape with so many subscribers, and its runs. */
export interface Point {
  readonly shape: ManyTopicsShape
  readonly size: number
  readonly runs: ManyTopicsResult[]
}

export function manyTopicsReport(points: readonly Point[]): string {
  const rows = points.map(point => {
    const { shape, size, runs } = point
    const readers = runs[0]!.readersPerEvent
    const first = points.find(each => each.shape === shape)!
    return [
      shape,
      figure(size),
      figure(readers),
      figure(micros(point), 1),
      figure(micros(point) / readers, 2),
      (micros(point) / micros(first)).toFixed(2),
      figure(median(runs.map(({ streamKiB }) => streamKiB)), 1),
    ]
  })
  const head = [
    '',
    'subscribers',
    'readers',
    'CPU, us an event',
    'a delivery',
    'by the first',
    'KiB a stream',
  ]
  const good = 'every stream got what its topics had, in order'
  return [table(head, rows), ...(faults(points).length === 0 ? [good] : [])].join('\n')
}

export function manyTopicsPlot(points: readonly Point[]): string {
  const own = points.filter(({ shape }) => shape === 'own')
  const patterns = points.filter(({ shape }) => shape === 'patterns')
  const most = figure(Math.max(...own.map(({ size }) => size)))
  return linePlot({
    title: `What a publish costs with up to ${most} subscribers and topics`,
    subtitle: "The hub's CPU an event: HTTP, log, matching, encoding, writes, TLS and the kernel.",
    at: own.map(({ size }) => size),
    axis: { title: 'subscribers, and as many topics', isLogarithmic: true },
    panels: [
      {
        title: 'One reader an event',
        unit: 'µs',
        curves: [{ name: 'a topic each', values: own.map(micros) }],
      },
      {
        title: 'Twelve readers an event',
        unit: 'µs',
        curves: [{ name: 'feeds of two topics and a pattern each', values: patterns.map(micros) }],
      },
    ],
  })
}

/** Everything that makes a run void: one line each. */
export function faults(points: readonly Point[]): string[] {
  return points.flatMap(({ shape, size, runs }) =>
    runs.flatMap(({ wrong, failures }, at) => {
      const where = `FAULT in run ${at + 1} of ${shape}, ${figure(size)}`
      return [
        ...(wrong > 0 ? [`${where}: ${wrong} streams did not get what their topics had, in order`] : []),
        ...(failures > 0 ? [`${where}: ${failures} streams ended, or POSTs were refused`] : []),
      ]
    }),
  )
}

function micros({ runs }: Point): number {
  return median(runs.map(({ microsPerEvent }) => microsPerEvent))
}
