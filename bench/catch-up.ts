// How fast one reader catches up: from the window of newest events that the hub keeps in memory, and from the disk.
//
// Method. A hub with a SQLite log is filled with numbered events, on one topic or on 100 in turn, and keeps them all in
// its window. One reader in a process of its own, over HTTP/2 and TLS, then comes with the id before the first event,
// several times; each time it is timed from the request to the last event. Then the hub is started anew, so that its
// window is empty, and the same reader reads the same from the disk (the kernel's page cache is warm). The reader scans
// for the numbers instead of parsing, and keeps account: a run that loses, repeats or reorders an event fails. What
// is printed are medians over the runs, and the share of a core that each of the hub's threads, the reader and all
// other processes had. The hub has all cores (its threads need them) unless --pin leaves it with the first; the reader
// is on the second.

import { parseArgs } from 'node:util'
import type { CatchUpOptions, CatchUpResult } from './load/catch-up-load.ts'
import { catchUpReport, faults, type CatchUpCase } from './support/catch-up-report.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import { DEFAULT_DIRECTORY, fileSystemOf, openWorkspace, type Workspace } from './support/disk.ts'
import { HUB, UNLIMITED } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { profiling } from './support/profile-summary.ts'
import { ALL_CORES, startServer } from './support/server-process.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/catch-up.ts [options]
  --directory DIR   where the logs are made (bench/data)
  --events N        to be read (500000)
  --bytes N         of data in an event (100)
  --topics N,N      over which they are spread (1,100)
  --runs N          of each (5)
  --pin             leave the hub with one core
  --profile DIR     write CPU profiles of the hubs there, and print what took the time; the rates suffer
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  options: {
    directory: { type: 'string', default: DEFAULT_DIRECTORY },
    events: { type: 'string', default: '500000' },
    bytes: { type: 'string', default: '100' },
    topics: { type: 'string', default: '1,100' },
    runs: { type: 'string', default: '5' },
    pin: { type: 'boolean', default: false },
    profile: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const DEADLINE_MS = 300_000
// What the window may hold is far above what the events take in it.
const CACHE_BYTES_PER_EVENT = 4000

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const workspace = openWorkspace(values.directory)
  const cases: CatchUpCase[] = []
  for (const topics of values.topics.split(',').map(Number)) {
    if (!(topics > 0)) throw new Error(`--topics takes positive numbers\n${usage}`)
    cases.push(...(await measureTopics(topics, workspace, trust)))
  }
  workspace.remove()
  const fileSystem = await fileSystemOf(values.directory)
  return { text: catchUpReport(cases, fileSystem), results: { fileSystem, cases }, faults: faults(cases) }
}

async function measureTopics(topics: number, workspace: Workspace, trust: Trust): Promise<CatchUpCase[]> {
  const directory = workspace.make(`${topics}-topics`)
  const what = topics === 1 ? '1 topic' : `a pattern, ${topics} topics`
  const fromWindow = await readAll(`${what}, from the window`, topics, directory, trust)
  const fromDisk = await readAll(`${what}, from the disk`, topics, directory, trust, fromWindow.lastEventId)
  workspace.drop(directory)
  return [
    { name: `${what}, from the window`, runs: fromWindow.runs },
    { name: `${what}, from the disk`, runs: fromDisk.runs },
  ]
}

async function readAll(
  name: string,
  topics: number,
  directory: string,
  { certsDir, ca }: Trust,
  lastEventId?: string,
): Promise<CatchUpResult> {
  const cacheBytes = number('events') * CACHE_BYTES_PER_EVENT
  const flags = [`--log=sqlite:${directory}`, `--log-cache-bytes=${cacheBytes}`, ...UNLIMITED]
  // Of a hub that is filled first, that is in it.
  const profile = profiling(values.profile, name)
  const server = await startServer(HUB, certsDir, flags, {
    cores: values.pin ? '0' : ALL_CORES,
    nodeFlags: profile.nodeFlags,
  })
  try {
    const options = {
      port: server.port,
      ca,
      path: topics === 1 ? '/topics/bench/0' : '/feed?topic=bench/*',
      serverPid: server.pid,
      events: number('events'),
      eventBytes: number('bytes'),
      topics,
      lastEventId,
      runs: number('runs'),
    } satisfies CatchUpOptions
    return await runLoad<CatchUpResult>('catch-up-load', options, DEADLINE_MS)
  } finally {
    await server.stop()
    profile.report()
  }
}

function number(name: 'events' | 'bytes' | 'runs'): number {
  const value = Number(values[name])
  if (!(value > 0)) throw new Error(`--${name} takes a positive number\n${usage}`)
  return value
}
