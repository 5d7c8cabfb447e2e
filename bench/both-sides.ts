// Whether publishers keep readers waiting, or readers publishers: the latency of both, at 80% of what the hub can do.
//
// Method. Each run starts a fresh hub (log in memory) on core 0, and the load on core 1. The load opens the streams on one topic
// (HTTP/2 over TLS) and first finds the most events/s: with single POSTs, 16 of them in flight, and at most 64 events that
// have not arrived. It then publishes at 80% of that, evenly, and takes the time from each POST to its arrival on every stream,
// and to its answer. Then the same once more, while another publisher uploads NDJSON lines to another topic with ten
// readers, as fast as they are taken: what that is allowed to take from the others, and what they leave to it. Last, the
// upload by itself. Every stream must get every event, in order. What is printed are medians over the runs.

import { parseArgs } from 'node:util'
import type { BothSidesOptions, BothSidesResult } from './load/both-sides-load.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import { bothSidesReport } from './support/both-sides-report.ts'
import { HUB } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { startServer } from './support/server-process.ts'
import { shapeFaults, streamShapes, type StreamShape } from './support/stream-shapes.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/both-sides.ts [options]
  --shapes LIST     streams x connections (1000x10,1000x1000)
  --share N         of the most events/s, in percent (80)
  --bytes N         of data in an event (100)
  --seconds N       of each phase (4)
  --runs N          of each shape (3)
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  options: {
    shapes: { type: 'string', default: '1000x10,1000x1000' },
    share: { type: 'string', default: '80' },
    bytes: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '4' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const DEADLINE_MS = 120_000

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const shapes = streamShapes<BothSidesResult>(values.shapes)
  for (let run = 0; run < number(values.runs); run++) {
    for (const shape of shapes) {
      shape.runs.push(await runOnce(shape, trust))
      if (process.stderr.isTTY) process.stderr.write('.')
    }
  }
  return { text: bothSidesReport(shapes), results: shapes, faults: shapeFaults(shapes) }
}

async function runOnce(
  { streams, connections }: StreamShape<BothSidesResult>,
  { certsDir, ca }: Trust,
): Promise<BothSidesResult> {
  const server = await startServer(HUB, certsDir, ['--log=memory:'])
  try {
    const place = { port: server.port, ca, path: '/topics/bench/both-sides' }
    const phase = { share: number(values.share) / 100, phaseMs: number(values.seconds) * 1000 }
    const options = { ...place, ...phase, streams, connections, eventBytes: number(values.bytes) }
    return await runLoad<BothSidesResult>('both-sides-load', options satisfies BothSidesOptions, DEADLINE_MS)
  } finally {
    await server.stop()
  }
}

function number(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`${text} is not a positive number\n${usage}`)
  return value
}
