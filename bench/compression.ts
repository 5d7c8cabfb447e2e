// What compression costs and saves: none, once per chunk for all who read it, and a compressor for each stream.
//
// Method. Each run starts a fresh server in a process of its own on core 0, and the load in another on core 1. The load
// opens all streams of one topic (HTTP/2 over TLS), and publishes chunks of 1, 5 and 20 JSON events, a POST of lines
// for each, at a steady pace. A delivery is one chunk on one stream. Its bytes are those of DATA frames; its CPU is that
// of all threads of the server, publishing included, from the first chunk of a phase to the last delivery. Memory is the
// growth of the server's PSS while the streams are opened and get their first events. 16 of the streams are decoded, with
// an exact account of the events' numbers, and all must get about the same number of bytes: a run that fails in
// either is void. Ways take turns, and what is printed are medians over the runs and their ratios to none.
//
// `none` and `shared` are the hub; for `shared`, everything is compressed, whether it pays or not (--streams 10 shows
// where it does). `each` is bench/servers/gzip-per-stream.ts, which does little else than compress.

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CompressionOptions, CompressionResult } from './load/compression-load.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import { compressionReport, faults, ratios, type CompressionCase } from './support/compression-report.ts'
import { HUB } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { isPinned, startServer } from './support/server-process.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/compression.ts [options]
  --connections N,N  over which the streams are spread (10,1000)
  --streams N        subscribers; at most one connection for each (1000)
  --bursts N,N       events in a chunk (1,5,20)
  --rate N           chunks a second (10)
  --seconds N        of each phase (3)
  --runs N           of each way (3)
  --only NAME        none, shared or each
  --no-spin          let the load sleep when it is idle
  --json             print every run as JSON instead of the tables`

const { values } = parseArgs({
  allowNegative: true,
  options: {
    connections: { type: 'string', default: '10,1000' },
    streams: { type: 'string', default: '1000' },
    bursts: { type: 'string', default: '1,5,20' },
    rate: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '3' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    spin: { type: 'boolean', default: isPinned },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

interface Way {
  readonly name: string
  readonly main: string
  readonly flags: readonly string[]
  readonly acceptsGzip: boolean
}

// Ratios are to the first.
const WAYS: readonly Way[] = [
  { name: 'none', main: HUB, flags: ['--log=memory:'], acceptsGzip: false },
  {
    name: 'shared',
    main: HUB,
    flags: ['--log=memory:', '--compression-min-readers=1', '--compression-min-bytes=0'],
    acceptsGzip: true,
  },
  {
    name: 'each',
    main: join(import.meta.dirname, 'servers/gzip-per-stream.ts'),
    flags: [],
    acceptsGzip: true,
  },
]

const DEADLINE_MS = 180_000

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const cases: CompressionCase[] = []
  for (const connections of numbers('connections')) cases.push(...(await runShape(connections, trust)))
  return { text: compressionReport(cases), results: cases, ratios: ratios(cases), faults: faults(cases) }
}

async function runShape(connections: number, trust: Trust): Promise<CompressionCase[]> {
  const ways = WAYS.filter(({ name }) => values.only === undefined || values.only === name)
  const [streams] = numbers('streams') as [number]
  const runs = new Map(ways.map(way => [way, [] as CompressionResult[]]))
  for (let run = 0; run < numbers('runs')[0]!; run++) {
    // Who goes first finds the machine cooler, or busier: take turns.
    for (const way of run % 2 === 0 ? ways : ways.toReversed()) {
      runs.get(way)!.push(await runOnce(way, Math.min(connections, streams), streams, trust))
      if (process.stderr.isTTY) process.stderr.write('.')
    }
  }
  return ways.map(way => ({
    way: way.name,
    connections: Math.min(connections, streams),
    streams,
    runs: runs.get(way)!,
  }))
}

async function runOnce(
  { main: program, flags, acceptsGzip }: Way,
  connections: number,
  streams: number,
  { certsDir, ca }: Trust,
): Promise<CompressionResult> {
  const server = await startServer(program, certsDir, flags)
  try {
    const load: CompressionOptions = {
      port: server.port,
      ca,
      path: '/topics/bench/compression',
      serverPid: server.pid,
      connections,
      streams,
      acceptsGzip,
      bursts: numbers('bursts'),
      rate: numbers('rate')[0]!,
      phaseMs: numbers('seconds')[0]! * 1000,
      isSpinning: values.spin,
    }
    return await runLoad<CompressionResult>('compression-load', load, DEADLINE_MS)
  } finally {
    await server.stop()
  }
}

function numbers(name: 'connections' | 'streams' | 'bursts' | 'rate' | 'seconds' | 'runs'): number[] {
  const parsed = values[name].split(',').map(Number)
  if (!parsed.every(value => value > 0)) throw new Error(`--${name} takes positive numbers\n${usage}`)
  return parsed
}
