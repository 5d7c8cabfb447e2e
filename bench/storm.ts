// A reconnect storm: every client loses its connection at once, and comes back with its last id.
//
// Method. Each run starts a fresh hub (log in memory) on core 0, and the load on core 1. The load opens all streams on one topic
// (HTTP/2 over TLS), publishes an event that all of them get, and cuts all connections without a goodbye. It publishes
// `--missed` events while nobody listens, and a client on a connection of its own goes on publishing, one event every 50
// ms. Then everybody comes back at once, as fast as the hub takes them, with the id of the event that all had. Measured is the
// time from the first connection to the moment when the last stream has everything that it missed; the hub's CPU for
// that, a stream; its reads of the log; and how long a publish took meanwhile. Every stream must get every event once, in order.
// What is printed are medians over the runs.

import { parseArgs } from 'node:util'
import type { StormOptions, StormResult } from './load/storm-load.ts'
import { benchmark, positive, type Outcome } from './support/benchmark.ts'
import { withHub } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { stormReport } from './support/storm-report.ts'
import { runShapes, shapeFaults } from './support/stream-shapes.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/storm.ts [options]
  --shapes LIST     streams x connections (1000x10,1000x1000,10000x100)
  --missed N        events that each client missed (100)
  --bytes N         of data in an event (100)
  --runs N          of each shape (3)
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  options: {
    shapes: { type: 'string', default: '1000x10,1000x1000,10000x100' },
    missed: { type: 'string', default: '100' },
    bytes: { type: 'string', default: '100' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const DEADLINE_MS = 300_000

await benchmark(usage, values, measure)

async function measure({ certsDir, ca }: Trust): Promise<Outcome> {
  const load = { missed: positive(values.missed, usage), eventBytes: positive(values.bytes, usage) }
  const shapes = await runShapes(values.shapes, positive(values.runs, usage), ({ streams, connections }) =>
    withHub(certsDir, ['--log=memory:'], ({ port, pid }) => {
      const place = { port, ca, path: '/topics/bench/storm', serverPid: pid }
      const options = { ...place, ...load, streams, connections } satisfies StormOptions
      return runLoad<StormResult>('storm-load', options, DEADLINE_MS)
    }),
  )
  return { text: stormReport(shapes), results: shapes, faults: shapeFaults(shapes) }
}
