// A hub under churn for a long time: does its memory stay flat, and does every client get what it must?
//
// Method. One hub with a SQLite log and limits so small that it trims all the time. In a process of its own, publishers
// send events at a steady rate: NDJSON lines under ever new idempotency keys, single POSTs, PUTs of states, and among
// them events on topics that are never used again. Readers follow one topic, everything, or feeds of 50 patterns, over
// HTTP/2 and HTTP/1.1, each on a connection of its own. Each reads fast, slowly, or not at all after a moment; goes away
// after some seconds by closing, by a reset stream, or by a reset connection; now and then opens 20 streams more and
// cancels them; and comes back with its last id, sometimes later than the log remembers. Each checks that the ids it gets rise, and that the numbers of a
// topic's events have no hole that was not announced; a fault fails the run.
//
// Once a second the hub is looked at: memory from /proc, the rest from /metrics and the files. At the end, the trend of
// its memory over the second half is printed. --plot draws the whole. The hub has all cores, the load is on the
// second.

import { createWriteStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { connectTo } from './load/subscribers.ts'
import type { SoakOptions, SoakResult } from './load/soak-load.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import { DEFAULT_DIRECTORY, openWorkspace } from './support/disk.ts'
import { HUB } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { profiling } from './support/profile-summary.ts'
import { soakReport } from './support/soak-report.ts'
import { sample, soakPlot, type SoakSample } from './support/soak-samples.ts'
import { ALL_CORES, startServer, type ServerProcess } from './support/server-process.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/soak.ts [options]
  --minutes N       (20)
  --directory DIR   where the log is made (bench/data)
  --rate N          events/s that are published (500)
  --bytes N         of data in an event, at least (100)
  --readers N       who come and go (60)
  --profile DIR     write CPU profiles of the hub there, and print what took the time
  --samples FILE    write a JSON line for each second
  --plot FILE       draw an SVG picture
  --from FILE       draw the lines of an earlier run instead of running`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    directory: { type: 'string', default: DEFAULT_DIRECTORY },
    rate: { type: 'string', default: '500' },
    bytes: { type: 'string', default: '100' },
    readers: { type: 'string', default: '60' },
    profile: { type: 'string' },
    samples: { type: 'string' },
    plot: { type: 'string' },
    from: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

// What is kept turns over within the first minutes, and the rest of the time must look the same.
const SMALL_LIMITS = [
  '--log-cache-bytes=4000000',
  '--log-max-bytes=16000000',
  '--log-max-topic-events=100',
  '--log-max-age-ms=30000',
  '--max-idempotency-keys=2000',
  '--heartbeat-ms=1000',
  '--stall-timeout-ms=3000',
  '--ping-interval-ms=2000',
  '--ping-timeout-ms=4000',
]

const SAMPLE_MS = 1000
// Beyond the time for which it runs: starting, and ending the last connections.
const LOAD_GRACE_MS = 90_000

if (values.from !== undefined) await draw(await readSamples(values.from))
else await benchmark(usage, { ...values, json: false }, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const workspace = openWorkspace(values.directory)
  const directory = workspace.make('log')
  const flags = [`--log=sqlite:${directory}`, ...SMALL_LIMITS]
  const profile = profiling(values.profile, 'soak')
  const server = await startServer(HUB, trust.certsDir, flags, {
    cores: ALL_CORES,
    nodeFlags: profile.nodeFlags,
  })
  try {
    const forMs = number('minutes') * 60_000
    const options = {
      port: server.port,
      ca: trust.ca,
      forMs,
      rate: number('rate'),
      eventBytes: number('bytes'),
      readers: number('readers'),
    } satisfies SoakOptions
    const [result, samples] = await Promise.all([
      runLoad<SoakResult>('soak-load', options, forMs + LOAD_GRACE_MS),
      watch(server, trust.ca, directory, forMs),
    ])
    await draw(samples)
    const isFaulty = result.faultCount + result.refused + result.unpublished > 0
    return { text: soakReport(samples, result), results: result, faults: isFaulty ? ['FAULT'] : [] }
  } finally {
    await server.stop()
    profile.report()
    workspace.remove()
  }
}

async function watch(
  { pid, port }: ServerProcess,
  ca: string,
  directory: string,
  forMs: number,
): Promise<SoakSample[]> {
  const samples: SoakSample[] = []
  const file = values.samples === undefined ? undefined : createWriteStream(values.samples)
  const session = await connectTo({ port, ca })
  const start = performance.now()
  for (let dueMs = 0; dueMs < forMs; dueMs += SAMPLE_MS) {
    await sleep(Math.max(0, start + dueMs - performance.now()))
    const minute = (performance.now() - start) / 60_000
    const taken = await sample({ pid, directory }, session, minute)
    samples.push(taken)
    file?.write(JSON.stringify(taken) + '\n')
  }
  session.destroy()
  file?.end()
  return samples
}

async function readSamples(file: string): Promise<SoakSample[]> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n')
  return lines.map(line => JSON.parse(line) as SoakSample)
}

async function draw(samples: readonly SoakSample[]): Promise<void> {
  if (values.plot === undefined) return
  const subtitle =
    `${number('readers')} clients that connect, resume, read fast, slowly or not at all, and vanish; ` +
    `${number('rate')} events/s published; trimming all the time.`
  await writeFile(values.plot, soakPlot(samples, subtitle))
}

function number(name: 'minutes' | 'rate' | 'bytes' | 'readers'): number {
  const value = Number(values[name])
  if (!(value > 0)) throw new Error(`--${name} takes a positive number\n${usage}`)
  return value
}
