// How fast events are kept on a disk: the SQLite log beside the memory log, and beside Fastify with a route that keeps
// nothing, in the same run.
//
// Method. Each run starts a fresh hub with one log, one with the other, and the empty route, and the load in a process of its
// own. The load publishes over HTTP/2 and TLS to one topic: single POSTs by 1, 16 and 256 publishers who each wait for
// their answer, single POSTs at a steady pace (latency counts from when each was due), and NDJSON uploads by 1 and 4
// publishers, for as long as their bodies are taken. An event counts when it was answered as kept; one that was not
// fails the run, and so does a hub that has counted others than were answered. Before each phase the same is done for
// half a second. What is printed are medians over the runs. Nobody subscribes, and nothing is trimmed.
//
// The hub has all cores (its writer is a thread of its own) unless --pin leaves it with the first; the load is on the
// second. The disk's floor is measured before: appends of 4 KiB with fdatasync, one at a time.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { PublishOptions, PublishResult } from './load/publish-load.ts'
import type { Phase } from './load/publishing.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import { DEFAULT_DIRECTORY, fileSystemOf, openWorkspace, syncFloor, type Workspace } from './support/disk.ts'
import { durableReport, faults, phaseName, titleOf, type ServerName } from './support/durable-report.ts'
import { HUB, UNLIMITED } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { profiling } from './support/profile-summary.ts'
import { ALL_CORES, isPinned, startServer } from './support/server-process.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/durable.ts [options]
  --directory DIR   where the log is made, on the disk to be measured (bench/data)
  --bytes N,N       of data in an event (100,1000)
  --rate N          events/s of the paced phase (1000)
  --seconds N       of each phase (2)
  --runs N          of each log (3)
  --phases TEXT     only those whose name contains this, such as 256 or NDJSON
  --only NAME       sqlite, memory or route
  --pin             leave the hub with one core
  --profile DIR     write CPU profiles of the hubs there, and print what took the time; the rates suffer
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  options: {
    directory: { type: 'string', default: DEFAULT_DIRECTORY },
    bytes: { type: 'string', default: '100,1000' },
    rate: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '2' },
    runs: { type: 'string', default: '3' },
    phases: { type: 'string', default: '' },
    only: { type: 'string' },
    pin: { type: 'boolean', default: false },
    profile: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const EMPTY_ROUTE = join(import.meta.dirname, 'servers/empty-route.ts')

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const names = (['sqlite', 'memory', 'route'] as const).filter(name => !values.only || values.only === name)
  const phases = allPhases().filter(phase => phaseName(phase).includes(values.phases))
  if (names.length === 0 || phases.length === 0) throw new Error(usage)
  mkdirSync(values.directory, { recursive: true })
  const workspace = openWorkspace(values.directory)
  const floor = syncFloor(values.directory)
  const results = new Map(names.map(name => [name, [] as PublishResult[]]))
  for (let run = 0; run < number('runs'); run++) {
    // Who goes first finds the machine cooler, or busier: take turns.
    for (const name of run % 2 === 0 ? names : names.toReversed()) {
      results.get(name)!.push(await runOnce(name, phases, workspace, trust))
      if (process.stderr.isTTY) process.stderr.write('.')
    }
  }
  workspace.remove()
  const place = {
    fileSystem: await fileSystemOf(values.directory),
    floor,
    isPinned: values.pin && isPinned,
  }
  return {
    text: durableReport(results, phases.map(phaseName), place),
    results: { ...place, ...Object.fromEntries(results) },
    faults: faults(results),
  }
}

async function runOnce(
  name: ServerName,
  phases: readonly Phase[],
  workspace: Workspace,
  { certsDir, ca }: Trust,
): Promise<PublishResult> {
  // What follows a stream of lines is more than a route.
  if (name === 'route') phases = phases.filter(({ kind }) => kind !== 'lines')
  const log = name === 'sqlite' ? `sqlite:${workspace.make('log')}` : 'memory:'
  const limits = name === 'sqlite' ? UNLIMITED : UNLIMITED.filter(flag => !flag.startsWith('--log-max-bytes'))
  const profile = profiling(values.profile, titleOf(name))
  const [entry, flags] = name === 'route' ? [EMPTY_ROUTE, []] : [HUB, [`--log=${log}`, ...limits]]
  const server = await startServer(entry, certsDir, flags, {
    cores: values.pin ? '0' : ALL_CORES,
    nodeFlags: profile.nodeFlags,
  })
  try {
    return await runLoad<PublishResult>('publish-load', {
      port: server.port,
      ca,
      path: '/topics/bench/durable',
      serverPid: server.pid,
      phases,
      phaseMs: number('seconds') * 1000,
    } satisfies PublishOptions)
  } finally {
    await server.stop()
    profile.report()
  }
}

function allPhases(): Phase[] {
  const phases: Phase[] = []
  for (const bytes of values.bytes.split(',').map(Number)) {
    if (!(bytes > 0)) throw new Error(`--bytes takes positive numbers\n${usage}`)
    for (const count of [1, 16, 256]) phases.push({ kind: 'in-flight', count, bytes })
    phases.push({ kind: 'paced', count: number('rate'), bytes })
    for (const count of [1, 4]) phases.push({ kind: 'lines', count, bytes })
  }
  return phases
}

function number(name: 'rate' | 'seconds' | 'runs'): number {
  const value = Number(values[name])
  if (!(value > 0)) throw new Error(`--${name} takes a positive number\n${usage}`)
  return value
}
