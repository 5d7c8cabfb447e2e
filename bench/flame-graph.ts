// Where the hub's time goes while it hands events to 1,000 subscribers, as a flame graph.
//
// Method. The hub runs on core 0 under V8's sampling profiler, the load of bench/fan-out.ts on core 1: events at a steady pace, then
// as fast as it goes. Only samples from that time are drawn. A box is as wide as the share of time in which its function
// was on the stack of the hub's main thread; what is not JavaScript and was not called by name, such as TLS, HTTP/2, and the
// kernel's part in sending, is in "(program)", or in whatever called it. Idle time is left out.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { FanOutOptions, FanOutResult } from './load/fan-out-load.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import type { Profile } from './support/cpu-profile.ts'
import { flameGraph } from './support/flame-graph.ts'
import { HUB } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { isPinned, startServer } from './support/server-process.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/flame-graph.ts --svg FILE [options]
  --svg FILE        where the picture goes
  --title TEXT      of the picture
  --hub FILE        cli/main.ts of another state of the hub (this one's)
  --connections N   over which the streams are spread (10; 1000: one each)
  --streams N       subscribers (1000)
  --rate N          events a second, at a pace (50)
  --seconds N       at a pace, and as fast as it goes (4)
  --json            print the figures of the run as JSON`

const { values } = parseArgs({
  options: {
    svg: { type: 'string' },
    title: { type: 'string', default: "The hub's time" },
    hub: { type: 'string', default: HUB },
    connections: { type: 'string', default: '10' },
    streams: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const SAMPLE_MICROS = 500

await benchmark(usage, values, measure)

async function measure({ certsDir, ca }: Trust): Promise<Outcome> {
  if (values.svg === undefined) throw new Error(usage)
  const directory = mkdtempSync(join(tmpdir(), 'millrace-profile-'))
  const nodeFlags = ['--cpu-prof', `--cpu-prof-dir=${directory}`, `--cpu-prof-interval=${SAMPLE_MICROS}`]
  const server = await startServer(values.hub, certsDir, ['--log=memory:', '--drain-ms=100'], { nodeFlags })
  let from: number
  let load: FanOutResult
  let through: number
  try {
    from = monotonicMicros()
    load = await runLoad<FanOutResult>('fan-out-load', loadOptions(server.port, server.pid, ca))
    through = monotonicMicros()
  } finally {
    await server.stop()
  }
  const [file] = readdirSync(directory)
  const profile = JSON.parse(readFileSync(join(directory, file!), 'utf8')) as Profile
  rmSync(directory, { recursive: true })
  const { connections, streams, rate } = values
  const subtitle = `${streams} streams on ${connections} connections: ${rate} events/s, then as fast as it goes. Hover for names and shares.`
  await writeFile(values.svg, flameGraph(profile, { title: values.title, subtitle, from, through }))
  return { text: `drawn: ${values.svg}`, results: { load }, faults: [] }
}

function loadOptions(port: number, serverPid: number, ca: string): FanOutOptions {
  return {
    port,
    ca,
    serverPid,
    path: '/topics/bench/flame-graph',
    connections: Number(values.connections),
    streams: Number(values.streams),
    stalled: 0,
    eventBytes: 100,
    rate: Number(values.rate),
    burst: 1,
    phases: ['paced', 'saturated'],
    phaseMs: Number(values.seconds) * 1000,
    inFlight: 16,
    undelivered: 64,
    isSpinning: isPinned,
  }
}

/** On the clock that V8's profiles have. */
function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1000n)
}
