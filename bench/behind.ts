// What a reader costs who does not read: the hub's memory while 1,000 subscribers stand behind.
//
// Method. Each run starts a fresh hub with a SQLite log, and the load in a process of its own. The load opens all
// streams on one topic (HTTP/2 over TLS, with windows of 64 KiB) and then reads none of them. It publishes numbered
// events, more than the windows and the hub's buffers take, so that every reader falls behind; and as many again,
// several times, while they are. After each, the hub's memory (PSS) is compared with what it was when the streams were
// open and idle: what it grows by is what readers who are behind cost, and it must not grow with what they miss. Then
// all of them read on, and the time is taken until everybody has everything. The load keeps exact account per stream;
// a run that loses, repeats or reorders an event fails, and so does one in which not all were behind. What is printed
// are medians over the runs. What the kernel holds for sockets is not in PSS.

import { parseArgs } from 'node:util'
import type { BehindOptions, BehindResult } from './load/behind-load.ts'
import { behindReport, faults } from './support/behind-report.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import { DEFAULT_DIRECTORY, openWorkspace, type Workspace } from './support/disk.ts'
import { HUB, UNLIMITED } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { startServer } from './support/server-process.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/behind.ts [options]
  --directory DIR   where the logs are made (bench/data)
  --streams N       subscribers (1000)
  --connections N   over which the streams are spread (10; 1000: one each)
  --events N        in which they fall behind, and that are published again in each round (3000)
  --bytes N         of data in an event (100)
  --rounds N        in which more is published while they are behind (3)
  --cache-bytes N   of the newest events that the hub keeps in memory (67108864)
  --runs N          (3)
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  options: {
    directory: { type: 'string', default: DEFAULT_DIRECTORY },
    streams: { type: 'string', default: '1000' },
    connections: { type: 'string', default: '10' },
    events: { type: 'string', default: '3000' },
    bytes: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '3' },
    'cache-bytes': { type: 'string', default: '67108864' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

// What HTTP/2 gives to whoever asks for nothing else.
const STREAM_WINDOW = 65_535
const DEADLINE_MS = 300_000

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const [streams, connections] = [number('streams'), number('connections')]
  if (streams % connections !== 0) throw new Error(`--streams must be a multiple of --connections\n${usage}`)
  const workspace = openWorkspace(values.directory)
  const runs: BehindResult[] = []
  for (let run = 0; run < number('runs'); run++) {
    runs.push(await runOnce(workspace, trust))
    if (process.stderr.isTTY) process.stderr.write('.')
  }
  workspace.remove()
  const shape = { streams, connections, events: number('events'), bytes: number('bytes') }
  return { text: behindReport(runs, shape), results: { shape, runs }, faults: faults(runs, streams) }
}

async function runOnce(workspace: Workspace, { certsDir, ca }: Trust): Promise<BehindResult> {
  const directory = workspace.make('log')
  const cache = `--log-cache-bytes=${number('cache-bytes')}`
  const server = await startServer(HUB, certsDir, [`--log=sqlite:${directory}`, cache, ...UNLIMITED])
  try {
    const options = {
      port: server.port,
      ca,
      path: '/topics/bench/behind',
      streamWindow: STREAM_WINDOW,
      serverPid: server.pid,
      connections: number('connections'),
      streams: number('streams'),
      events: number('events'),
      eventBytes: number('bytes'),
      rounds: number('rounds'),
    } satisfies BehindOptions
    return await runLoad<BehindResult>('behind-load', options, DEADLINE_MS)
  } finally {
    await server.stop()
    workspace.drop(directory)
  }
}

type NumberOption = 'streams' | 'connections' | 'events' | 'bytes' | 'rounds' | 'cache-bytes' | 'runs'

function number(name: NumberOption): number {
  const value = Number(values[name])
  if (!(value > 0)) throw new Error(`--${name} takes a positive number\n${usage}`)
  return value
}
