// What it costs to hand one event to 1,000 subscribers: Millrace beside the plain way, in the same run.
//
// Method. Each run starts a fresh server in a process of its own on core 0, and the load in another on core 1.
// The load opens all streams (HTTP/2 over TLS, node:http2), lets the server settle, and publishes on one topic:
// first one event at a time at a steady pace, then bursts of several at once at the same pace. It scans each
// stream's bytes for the numbers of the events and keeps exact account per stream; a run that loses, repeats or
// reorders any fails. Server CPU is that of all its threads, from before the first publish to after the last
// delivery, divided by the deliveries; publishing is in it. Latency runs from the POST to the arrival on a stream,
// on one clock. Memory per stream is the growth of the server's PSS while the streams are opened. Servers take
// turns, the one that goes first changes, and what is printed are medians over the runs and their ratio.
//
// The baseline (bench/servers/reply-sse.ts) is Fastify with fastify-sse-v2 on the same HTTP/2 and TLS settings.

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { FanOutOptions, FanOutResult } from './load/fan-out-load.ts'
import { faults, report } from './support/fan-out-report.ts'
import { openTrust, type Trust } from './support/trust.ts'
import { runLoad } from './support/load-process.ts'
import { isPinned, startServer } from './support/server-process.ts'

const usage = `Usage: node bench/fan-out.ts [options]
  --connections N   over which the streams are spread (10; 1000: one each)
  --streams N       subscribers (1000)
  --bytes N         of data in an event (100)
  --rate N          publishing moments a second (20)
  --burst N         events at each moment of the burst phase (5)
  --seconds N       of each phase (3)
  --runs N          of each server (3)
  --only NAME       millrace or reply-sse
  --no-spin         let the load sleep when it is idle
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  allowNegative: true,
  options: {
    connections: { type: 'string', default: '10' },
    streams: { type: 'string', default: '1000' },
    bytes: { type: 'string', default: '100' },
    rate: { type: 'string', default: '20' },
    burst: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    spin: { type: 'boolean', default: isPinned },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

// The baseline comes last: ratios are to it.
const servers = {
  millrace: join(import.meta.dirname, '../src/cli/main.ts'),
  'reply-sse': join(import.meta.dirname, 'servers/reply-sse.ts'),
}
type ServerName = keyof typeof servers

// 'exit' listeners end the server.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

if (values.help) console.log(usage)
else await main()

async function main(): Promise<void> {
  const names = (Object.keys(servers) as ServerName[]).filter(name => !values.only || values.only === name)
  const connections = number('connections')
  const streams = number('streams')
  if (names.length === 0 || streams % connections !== 0)
    throw new Error(`--streams must be a multiple of --connections\n${usage}`)
  const trust = await openTrust()
  try {
    const results = await runAll(names, trust)
    if (values.json) console.log(JSON.stringify(Object.fromEntries(results)))
    else
      console.log(
        report(results, {
          connections,
          streams,
          bytes: number('bytes'),
          rate: number('rate'),
          burst: number('burst'),
        }),
      )
    if (faults(results).length > 0) process.exitCode = 1
  } finally {
    await trust.remove()
  }
}

async function runAll(names: ServerName[], trust: Trust): Promise<Map<ServerName, FanOutResult[]>> {
  const results = new Map(names.map(name => [name, [] as FanOutResult[]]))
  for (let run = 0; run < number('runs'); run++) {
    // Who goes first finds the machine cooler, or busier: take turns.
    for (const name of run % 2 === 0 ? names : names.toReversed()) {
      results.get(name)!.push(await runOnce(name, trust))
      if (process.stderr.isTTY) process.stderr.write('.')
    }
  }
  return results
}

async function runOnce(name: ServerName, { certsDir, ca }: Trust): Promise<FanOutResult> {
  // The baseline keeps nothing, so the hub's log is the one that costs no disk.
  const server = await startServer(servers[name], certsDir, name === 'millrace' ? ['--log=memory:'] : [])
  try {
    return await runLoad<FanOutResult>('fan-out-load', {
      port: server.port,
      ca,
      path: '/topics/bench/fan-out',
      serverPid: server.pid,
      connections: number('connections'),
      streams: number('streams'),
      eventBytes: number('bytes'),
      rate: number('rate'),
      burst: number('burst'),
      phaseMs: number('seconds') * 1000,
      isSpinning: values.spin,
    } satisfies FanOutOptions)
  } finally {
    await server.stop()
  }
}

function number(name: 'connections' | 'streams' | 'bytes' | 'rate' | 'burst' | 'seconds' | 'runs'): number {
  const value = Number(values[name])
  if (!(value > 0)) throw new Error(`--${name} takes a positive number\n${usage}`)
  return value
}
