// What it costs to hand one event to 1,000 subscribers: Millrace beside other servers, in the same run.
//
// Method. Each run starts a fresh server in a process of its own on core 0, and the load in another on core 1.
// The load opens all streams (HTTP/2 over TLS), lets the server settle, and publishes on one topic with single POSTs:
// one event at a time at a steady pace, then as fast as it goes, with so many POSTs in flight and so many events not yet
// delivered. It scans each stream's bytes for the numbers of the events and keeps exact account per stream; a run
// that loses, repeats or reorders any fails. Server CPU is that of all its threads, from before the first publish to
// after the last delivery, divided by the deliveries; publishing is in it. Latency runs from the POST to the arrival
// on a stream, on one clock. Memory per stream is the growth of the server's PSS since before the streams were opened:
// while they are idle, and just after the last phase. Servers take turns, the one that goes first changes, and what is
// printed are medians over the runs and Millrace's by theirs.
//
// The others (bench/servers, bench/support/nchan.ts) have the same certificate, HTTP/2 and TLS.

import { parseArgs } from 'node:util'
import type { FanOutOptions, FanOutResult, PhaseName } from './load/fan-out-load.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import { CONTENDERS, available, start } from './support/contenders.ts'
import { faults, ratios, report } from './support/fan-out-report.ts'
import { runLoad } from './support/load-process.ts'
import { isPinned } from './support/server-process.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/fan-out.ts [options]
  --connections N   over which the streams are spread (10; 1000: one each)
  --streams N       subscribers (1000)
  --http1           HTTP/1.1, with a connection for each subscriber
  --stalled N       streams beside them that read nothing, ten on a connection (none)
  --bytes N         of data in an event (100)
  --rate N          publishing moments a second (20)
  --burst N         events at each moment: a phase of its own between the others (none)
  --in-flight N     POSTs that wait for their answers, as fast as it goes (16)
  --undelivered N   events that have not arrived everywhere, as fast as it goes (64)
  --seconds N       of each phase (2)
  --runs N          of each server (3)
  --only NAME,NAME  some of ${CONTENDERS.join(', ')}
  --no-spin         let the load sleep when it is idle
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  allowNegative: true,
  options: {
    connections: { type: 'string' },
    streams: { type: 'string', default: '1000' },
    http1: { type: 'boolean', default: false },
    stalled: { type: 'string' },
    bytes: { type: 'string', default: '100' },
    rate: { type: 'string', default: '20' },
    burst: { type: 'string' },
    'in-flight': { type: 'string', default: '16' },
    undelivered: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '2' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string', default: CONTENDERS.join(',') },
    spin: { type: 'boolean', default: isPinned },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const shape = shapeOf()
  const names = available(values.only.split(','))
  const runs = new Map(names.map(name => [name, [] as FanOutResult[]]))
  for (let run = 0; run < positive('runs'); run++) {
    // Who goes first finds the machine cooler, or busier: take turns.
    for (const name of run % 2 === 0 ? names : names.toReversed()) {
      runs.get(name)!.push(await runOnce(name, shape, trust))
      if (process.stderr.isTTY) process.stderr.write('.')
    }
  }
  return {
    text: report(runs, shape),
    results: { shape, runs: Object.fromEntries(runs) },
    ratios: ratios(runs),
    faults: faults(runs),
  }
}

type Shape = Omit<FanOutOptions, 'port' | 'ca' | 'path' | 'serverPid' | 'isSpinning'>

function shapeOf(): Shape {
  const streams = positive('streams')
  const connections = values.http1 ? streams : positive('connections', '10')
  if (streams % connections !== 0) {
    throw new Error(`--streams must be a multiple of --connections\n${usage}`)
  }
  const phases: PhaseName[] =
    values.burst === undefined ? ['paced', 'saturated'] : ['paced', 'bursts', 'saturated']
  return {
    connections,
    streams,
    isHttp1: values.http1,
    stalled: Number(values.stalled ?? 0),
    eventBytes: positive('bytes'),
    rate: positive('rate'),
    burst: positive('burst', '1'),
    inFlight: positive('in-flight'),
    undelivered: positive('undelivered'),
    phaseMs: positive('seconds') * 1000,
    phases,
  }
}

async function runOnce(name: string, shape: Shape, { certsDir, ca }: Trust): Promise<FanOutResult> {
  const server = await start(name, certsDir)
  const place = { port: server.port, ca, path: '/topics/bench/fan-out', serverPid: server.pid }
  try {
    const options = { ...shape, ...place, isSpinning: values.spin } satisfies FanOutOptions
    return await runLoad<FanOutResult>('fan-out-load', options)
  } finally {
    await server.stop()
  }
}

type Numeric = {
  [Key in keyof typeof values]-?: (typeof values)[Key] extends string | undefined ? Key : never
}[keyof typeof values]

function positive(name: Numeric, otherwise?: string): number {
  const value = Number(values[name] ?? otherwise)
  if (!(value > 0)) throw new Error(`--${name} takes a positive number\n${usage}`)
  return value
}
