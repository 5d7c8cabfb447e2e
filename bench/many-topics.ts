// What a publish costs by how much there is beside it: from 100 to 100,000 subscribers and as many topics.
//
// Method. Each run starts a fresh hub (log in memory) on core 0, and the load on core 1. The load opens the streams
// (HTTP/2 over TLS, on 100 connections) and publishes batches of events, each on another topic, as NDJSON to /events;
// the next batch is sent when the last has arrived. So the work for a batch is the same, however many topics and
// subscribers there are. Three shapes:
//
// - own: each subscriber has a topic of its own. An event has one reader; 100 are a batch.
// - patterns: each subscriber has a feed of two topics by name and a pattern that covers ten (`plants/00042/**`), no two
//   alike. An event has twelve readers; 4 are a batch.
// - crowd: 10,000 subscribers, each with a feed of 20 of 1,000 topics, some of them by pattern. An event has 200 readers; 5 are a batch.
//
// Compared is the hub's CPU, of all its threads, from the first publish to the last arrival, an event. It has everything
// in it: parsing lines, the log, matching, encoding, a write for each reader, TLS, the kernel, and garbage collection. A
// larger hub's caches are colder, so it grows even where the hub does the same; `test/hub/many-topics.test.ts` counts
// what it does, and that does not grow. Heartbeats are as seldom as they can be: they count too. Every stream must get as many events
// as its topics had, in order. Sizes take turns; what is printed are medians over the runs.

import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { ManyTopicsOptions, ManyTopicsResult } from './load/many-topics-load.ts'
import type { ManyTopicsShape } from './load/many-topics-shapes.ts'
import { benchmark, positive, type Outcome } from './support/benchmark.ts'
import { UNLIMITED, withHub } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { faults, manyTopicsPlot, manyTopicsReport, type Point } from './support/many-topics-report.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/many-topics.ts [options]
  --sizes LIST      numbers of subscribers, and of topics (100,1000,10000,100000)
  --deliveries N    that are measured, about (40000)
  --runs N          of each size (3)
  --plot FILE       draw the curves there, as SVG
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '100,1000,10000,100000' },
    deliveries: { type: 'string', default: '40000' },
    runs: { type: 'string', default: '3' },
    plot: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

// 100,000 streams take a while to open.
const DEADLINE_MS = 300_000
const MOST_STREAMS = 1000

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const points: Point[] = [
    ...pointsOf('own'),
    ...pointsOf('patterns'),
    { shape: 'crowd', size: 10_000, runs: [] },
  ]
  for (let run = 0; run < number(values.runs); run++) {
    // Who goes first finds the machine cooler, or busier: take turns.
    for (const { shape, size, runs } of run % 2 === 0 ? points : points.toReversed()) {
      runs.push(await runOnce(shape, size, trust))
      if (process.stderr.isTTY) process.stderr.write('.')
    }
  }
  if (values.plot !== undefined) await writeFile(values.plot, manyTopicsPlot(points))
  return { text: manyTopicsReport(points), results: points, faults: faults(points) }
}

function pointsOf(shape: ManyTopicsShape): Point[] {
  return values.sizes.split(',').map(size => ({ shape, size: number(size), runs: [] }))
}

function runOnce(shape: ManyTopicsShape, size: number, { certsDir, ca }: Trust): Promise<ManyTopicsResult> {
  const flags = [`--max-streams-per-connection=${MOST_STREAMS}`, '--heartbeat-ms=71999']
  return withHub(certsDir, ['--log=memory:', ...UNLIMITED, ...flags], ({ port, pid }) => {
    const place = { port, ca, path: '/events', serverPid: pid }
    const options = {
      ...place,
      shape,
      size,
      deliveries: number(values.deliveries),
    } satisfies ManyTopicsOptions
    return runLoad<ManyTopicsResult>('many-topics-load', options, DEADLINE_MS)
  })
}

function number(text: string): number {
  return positive(text, usage)
}
