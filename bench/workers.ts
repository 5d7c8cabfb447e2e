// What a delivery costs with 1, 2 and 4 workers: the work of one core, done by one thread or spread over several.
//
// Method. A machine with two cores cannot show how fast many are. It can show what stands in the way: CPU that is spent
// beside the work of one thread. So each run has a fresh hub on core 0, whatever its number of workers, and the load of
// bench/fan-out.ts on core 1, with a connection for each stream. Compared is the server's CPU a delivery, of all its
// threads. Were it the same with four workers, four cores would deliver four times as much, as long as two things hold:
// connections are spread evenly (counted by worker, of connections that are opened before the load), and the main
// thread, of which there is one, is far from its limit (its share of the server's CPU over the whole run). Runs take
// turns, and what is printed are medians.
//
// The prediction is arithmetic: 8 workers on 8 cores, of which the main thread takes its part, at the CPU a delivery and
// the CPU of the main thread an event that were measured with the most workers, the latter twice as much for twice as
// many workers.

import { parseArgs } from 'node:util'
import type { FanOutOptions, FanOutResult } from './load/fan-out-load.ts'
import { connectTo, Subscribers } from './load/subscribers.ts'
import { besideOthers, CpuWatch, NOT_QUIET } from './support/cpu-watch.ts'
import { HUB, readMetrics } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { isPinned, startServer, type ServerProcess } from './support/server-process.ts'
import { openTrust, type Trust } from './support/trust.ts'
import { workersReport, type WorkersResult } from './support/workers-report.ts'

const usage = `Usage: node bench/workers.ts [options]
  --workers LIST    numbers of workers, the first is the base (1,2,4)
  --connections N   over which the streams are spread (1000)
  --streams N       subscribers (1000)
  --bytes N         of data in an event (100)
  --rate N          publishing moments a second (20)
  --burst N         events at each moment of the burst phase (5)
  --seconds N       of each phase (5): every worker has to compile the code for itself
  --runs N          of each number (3)
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2,4' },
    connections: { type: 'string', default: '1000' },
    streams: { type: 'string', default: '1000' },
    bytes: { type: 'string', default: '100' },
    rate: { type: 'string', default: '20' },
    burst: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    runs: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

// 'exit' listeners end the server.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

if (values.help) console.log(usage)
else if (await besideOthers(main)) console.log(NOT_QUIET)

async function main(): Promise<void> {
  const numbers = values.workers.split(',').map(Number)
  const results = new Map(numbers.map(workers => [workers, [] as WorkersResult[]]))
  const trust = await openTrust()
  try {
    for (let run = 0; run < number('runs'); run++) {
      // Who goes first finds the machine cooler, or busier: take turns.
      for (const workers of run % 2 === 0 ? numbers : numbers.toReversed()) {
        results.get(workers)!.push(await runOnce(workers, trust))
        if (process.stderr.isTTY) process.stderr.write('.')
      }
    }
  } finally {
    await trust.remove()
  }
  console.log(values.json ? JSON.stringify(Object.fromEntries(results)) : workersReport(results))
  const isFaulty = [...results.values()].flat().some(({ load }) => load.failures > 0 || load.burst.lost > 0)
  if (isFaulty) process.exitCode = 1
}

async function runOnce(workers: number, { certsDir, ca }: Trust): Promise<WorkersResult> {
  const server = await startServer(HUB, certsDir, ['--log=memory:', `--workers=${workers}`])
  try {
    const spread = await spreadOf(server, ca, workers)
    const watch = await CpuWatch.start(server.pid)
    const load = await runLoad<FanOutResult>('fan-out-load', {
      port: server.port,
      ca,
      path: '/topics/bench/workers',
      serverPid: server.pid,
      connections: number('connections'),
      streams: number('streams'),
      eventBytes: number('bytes'),
      rate: number('rate'),
      burst: number('burst'),
      phaseMs: number('seconds') * 1000,
      isSpinning: isPinned,
    } satisfies FanOutOptions)
    const { threads } = await watch.stop()
    return { load, threads, spread, streams: number('streams') }
  } finally {
    await server.stop()
  }
}

/** How many of the connections each worker has. */
async function spreadOf({ port }: ServerProcess, ca: string, workers: number): Promise<number[]> {
  const target = { port, ca, path: '/topics/bench/spread' }
  const subscribers = new Subscribers(() => {})
  await subscribers.open(target, number('connections'), number('connections'), 0)
  const session = await connectTo(target)
  const metrics = await readMetrics(session)
  session.destroy()
  await subscribers.close()
  const sockets = (thread: string): number =>
    metrics.get(`nodejs_active_resources{type="TCPSocketWrap"${thread}}`) ?? 0
  if (workers === 1) return [sockets('')]
  return Array.from({ length: workers }, (_, at) => sockets(`,thread="worker-${at + 1}"`))
}

function number(name: 'connections' | 'streams' | 'bytes' | 'rate' | 'burst' | 'seconds' | 'runs'): number {
  const value = Number(values[name])
  if (!(value > 0)) throw new Error(`--${name} takes a positive number\n${usage}`)
  return value
}
