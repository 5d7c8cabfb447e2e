// The picture of the fan-out, from the JSON of one or more shapes of it.

import type { FanOutResult, PhaseResult } from '../load/fan-out-load.ts'
import { barChart, type BarPanel } from './bar-chart.ts'
import type { Record } from './benchmark.ts'
import type { Shape } from './fan-out-report.ts'
import { machineLine } from './machine.ts'
import { median } from './statistics.ts'
import { figure } from './table.ts'

interface FanOutRecord {
  readonly shape: Shape
  readonly runs: Readonly<{ [server: string]: readonly FanOutResult[] }>
}

export function fanOutPicture(records: readonly Record[]): string {
  const shapes = records.map(({ results }) => results as Partial<FanOutRecord>).filter(isFanOut)
  if (shapes.length === 0) throw new Error('the picture is of the fan-out, which has not been run')
  const { streams, eventBytes } = shapes[0]!.shape
  return barChart({
    title: 'One event to 1,000 subscribers'.replace('1,000', figure(streams)),
    subtitle: `${figure(eventBytes)}-byte events by HTTP/2 and TLS 1.3. The server has one core, the load another; medians of runs in turn.`,
    columns: shapes.length,
    panels: [
      ...shapes.map(each => panel(each, 'most deliveries/s', mostDeliveries)),
      ...shapes.map(each => panel(each, 'CPU a delivery (less is better)', microsPaced)),
    ],
    footer: machineLine(records[0]!.machine),
  })
}

function isFanOut(results: Partial<FanOutRecord>): results is FanOutRecord {
  return results.shape !== undefined && results.runs !== undefined && !Array.isArray(results.runs)
}

// No server that anybody could use instead.
const FLOOR = 'node:http2'

type Pick = [of: (run: FanOutResult) => PhaseResult[keyof PhaseResult], label: (value: number) => string]

const mostDeliveries: Pick = [
  run => run.phases.saturated!.deliveriesPerSecond,
  value => (value >= 1e6 ? `${figure(value / 1e6, 2)} M` : `${figure(value / 1e3)} k`),
]
const microsPaced: Pick = [
  run => run.phases.paced!.serverMicrosPerDelivery,
  value => `${figure(value, 1)} µs`,
]

function panel({ shape, runs }: FanOutRecord, title: string, [of, label]: Pick): BarPanel {
  const servers = Object.entries(runs).filter(([name]) => name !== FLOOR)
  const bars = servers.map(([name, results]) => {
    const value = median(results.map(of))
    return { name: name === 'millrace' ? 'Millrace' : name, value, label: label(value) }
  })
  return { title: `${figure(shape.connections)} connections: ${title}`, bars }
}
