// Numbers of streams and of the connections that carry them, as benchmarks take them: `20000x200,2000x2000`.

import type { Account } from '../load/subscribers.ts'
import { figure } from './table.ts'

export interface Shape {
  readonly streams: number
  readonly connections: number
}

export interface StreamShape<Run> extends Shape {
  readonly runs: Run[]
}

function streamShapes<Run>(list: string): StreamShape<Run>[] {
  return list.split(',').map(text => {
    const [streams = Number.NaN, connections = Number.NaN] = text.split('x').map(Number)
    if (!(streams > 0 && connections > 0 && streams % connections === 0)) {
      throw new Error(`'${text}' is not streams x connections, the first a multiple of the second`)
    }
    return { streams, connections, runs: [] }
  })
}

/** Runs each of them so often, in turn. */
export async function runShapes<Run>(
  list: string,
  runs: number,
  runOnce: (shape: Shape) => Promise<Run>,
): Promise<StreamShape<Run>[]> {
  const shapes = streamShapes<Run>(list)
  for (let run = 0; run < runs; run++) {
    for (const shape of shapes) {
      shape.runs.push(await runOnce(shape))
      if (process.stderr.isTTY) process.stderr.write('.')
    }
  }
  return shapes
}

export function shapeName({ streams, connections }: Shape): string {
  return `${figure(streams)} streams on ${figure(connections)} connections`
}

/** Everything that makes a run void: one line each. */
export function shapeFaults(shapes: readonly StreamShape<Account & { failures: number }>[]): string[] {
  return shapes.flatMap(shape =>
    shape.runs.flatMap(({ lost, repeated, outOfOrder, failures }, at) => {
      if (lost + repeated + outOfOrder + failures === 0) return []
      const counts = `${lost} lost, ${repeated} repeated, ${outOfOrder} out of order, ${failures} failures`
      return [`FAULT in run ${at + 1} of ${shapeName(shape)}: ${counts}`]
    }),
  )
}
