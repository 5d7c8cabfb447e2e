// What streams and connections take of the hub's memory, idle and busy, and whether that grows with what they are sent.
//
// Method. Each run starts a fresh hub (log in memory, which keeps the last 100 events) on core 0, and the load on core 1. The
// load opens all streams on one topic (HTTP/2 over TLS), lets the hub settle, and then publishes paced events in rounds. The
// hub's memory (PSS) and its heap in use are compared with what they were before the streams were opened: idle, and after
// each round. Shapes that differ in connections only tell what a connection takes beside its streams. Heartbeats are as
// usual. Every stream must get every event, in order. What is printed are medians over the runs. What the kernel holds for
// sockets is not in PSS.

import { parseArgs } from 'node:util'
import type { MemoryOptions, MemoryResult } from './load/memory-load.ts'
import { benchmark, positive, type Outcome } from './support/benchmark.ts'
import { withHub } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { memoryReport } from './support/memory-report.ts'
import { runShapes, shapeFaults } from './support/stream-shapes.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/memory.ts [options]
  --shapes LIST     streams x connections (20000x200,20000x2000,2000x2000)
  --rounds N        of events (4)
  --events N        in a round (50)
  --rate N          events a second (5)
  --bytes N         of data in an event (100)
  --runs N          of each shape (3)
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  options: {
    shapes: { type: 'string', default: '20000x200,20000x2000,2000x2000' },
    rounds: { type: 'string', default: '4' },
    events: { type: 'string', default: '50' },
    rate: { type: 'string', default: '5' },
    bytes: { type: 'string', default: '100' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const DEADLINE_MS = 300_000

await benchmark(usage, values, measure)

async function measure({ certsDir, ca }: Trust): Promise<Outcome> {
  const [rounds, events, rate] = [number(values.rounds), number(values.events), number(values.rate)]
  const round = { rounds, events, rate, eventBytes: number(values.bytes) }
  const flags = ['--log=memory:', '--log-max-topic-events=100']
  const shapes = await runShapes(values.shapes, number(values.runs), ({ streams, connections }) =>
    withHub(certsDir, flags, ({ port, pid }) => {
      const place = { port, ca, path: '/topics/bench/memory', serverPid: pid }
      const options = { ...place, ...round, streams, connections } satisfies MemoryOptions
      return runLoad<MemoryResult>('memory-load', options, DEADLINE_MS)
    }),
  )
  return { text: memoryReport(shapes, events), results: shapes, faults: shapeFaults(shapes) }
}

function number(text: string): number {
  return positive(text, usage)
}
