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
import { benchmark, positive, type Outcome } from './support/benchmark.ts'
import { bothSidesReport } from './support/both-sides-report.ts'
import { withHub } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { runShapes, shapeFaults } from './support/stream-shapes.ts'
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

async function measure({ certsDir, ca }: Trust): Promise<Outcome> {
  const phase = { share: number(values.share) / 100, phaseMs: number(values.seconds) * 1000 }
  const load = { ...phase, eventBytes: number(values.bytes) }
  const shapes = await runShapes(values.shapes, number(values.runs), ({ streams, connections }) =>
    withHub(certsDir, ['--log=memory:'], ({ port }) => {
      const place = { port, ca, path: '/topics/bench/both-sides' }
      const options = { ...place, ...load, streams, connections } satisfies BothSidesOptions
      return runLoad<BothSidesResult>('both-sides-load', options, DEADLINE_MS)
    }),
  )
  return { text: bothSidesReport(shapes), results: shapes, faults: shapeFaults(shapes) }
}

function number(text: string): number {
  return positive(text, usage)
}
