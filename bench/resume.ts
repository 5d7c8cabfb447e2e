// How long it takes to come back, by the size of the log: the claim is that it does not matter.
//
// Method. For each size a log is built by a process of its own, straight through SqliteLog: events spread evenly over
// 10,000 busy topics, and among them, from the beginning to the end of the log, 10 events for each of a few quiet ones.
// Then, for each kind of reader, a fresh hub is started on that log, so that nothing of it is in the hub's memory (the
// kernel's page cache is as warm as building left it), and one reader comes with an old Last-Event-ID: of the very
// first event for the quiet topics, 1,000 before the head for the pattern that matches everything. Over an HTTP/2
// connection that is open already, it is timed from the request to the first event and to the last; then the same once
// more, with the hub's code and the file's upper pages warm. Any event too many or too few, and any gap, fails the run.
// What is printed are medians over the runs, and how the largest log compares with the smallest. The hub has all
// cores, the reader is on the second.

import { parseArgs } from 'node:util'
import { formatId } from '../src/protocol/ids.ts'
import { QUIET_EVENTS, QUIET_TOPICS } from './load/quiet-topics.ts'
import type { BuildOptions, BuiltLog } from './load/build-log.ts'
import type { ResumeOptions, ResumeResult } from './load/resume-load.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import { DEFAULT_DIRECTORY, fileSystemOf, openWorkspace, type Workspace } from './support/disk.ts'
import { HUB, UNLIMITED } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { resumeReport, type SizeResult } from './support/resume-report.ts'
import { ALL_CORES, startServer } from './support/server-process.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/resume.ts [options]
  --directory DIR   where the logs are built (bench/data)
  --sizes N,N       events in the log (10000,100000,1000000)
  --large           10,000,000 too: about 6 GB of disk, and ten minutes
  --bytes N         of data in an event (100)
  --runs N          of each reader (5)
  --json            print every run as JSON instead of the table`

const { values } = parseArgs({
  options: {
    directory: { type: 'string', default: DEFAULT_DIRECTORY },
    sizes: { type: 'string', default: '10000,100000,1000000' },
    large: { type: 'boolean', default: false },
    bytes: { type: 'string', default: '100' },
    runs: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const BUILD_DEADLINE_MS = 1_200_000
const NEAR_HEAD = 1000

interface Reader {
  readonly name: string
  readonly path: string
  readonly events: number
  /** The position of the event that it saw last. */
  readonly after: (head: number) => number
}

const readers: Reader[] = [
  { name: 'a quiet topic', path: '/topics/one/0', events: QUIET_EVENTS, after: () => 1 },
  {
    name: 'a pattern over 10 quiet topics',
    path: '/feed?topic=ten/*',
    events: QUIET_TOPICS.ten * QUIET_EVENTS,
    after: () => 1,
  },
  {
    name: 'a feed of 100 quiet topics',
    path: `/feed?${Array.from({ length: QUIET_TOPICS.hundred }, (_, at) => `topic=hundred/${at}`).join('&')}`,
    events: QUIET_TOPICS.hundred * QUIET_EVENTS,
    after: () => 1,
  },
  {
    name: `everything (**), ${NEAR_HEAD} before the head`,
    path: '/feed?topic=**',
    events: NEAR_HEAD,
    after: head => head - NEAR_HEAD,
  },
]

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const sizes = values.sizes.split(',').map(Number)
  if (values.large) sizes.push(10_000_000)
  // The quiet topics' events alone need some room.
  if (sizes.some(size => !(size >= 10_000))) throw new Error(`--sizes takes numbers from 10,000\n${usage}`)
  const workspace = openWorkspace(values.directory)
  const results: SizeResult[] = []
  for (const size of sizes) results.push(await measureSize(size, workspace, trust))
  workspace.remove()
  const fileSystem = await fileSystemOf(values.directory)
  return { text: resumeReport(results, fileSystem), results: { fileSystem, sizes: results }, faults: [] }
}

async function measureSize(events: number, workspace: Workspace, trust: Trust): Promise<SizeResult> {
  const directory = workspace.make(`${events}`)
  const build = { directory, events, eventBytes: number('bytes') } satisfies BuildOptions
  const log = await runLoad<BuiltLog>('build-log', build, BUILD_DEADLINE_MS)
  const results = readers.map(({ name, events: count }) => ({
    name,
    events: count,
    runs: [] as ResumeResult[],
  }))
  const startsMs: number[] = []
  for (let run = 0; run < number('runs'); run++) {
    for (const [at, reader] of readers.entries()) {
      const { startMs, ...times } = await resumeOnce(reader, log, directory, trust)
      startsMs.push(startMs)
      results[at]!.runs.push(times)
      if (process.stderr.isTTY) process.stderr.write('.')
    }
  }
  workspace.drop(directory)
  return { events, buildSeconds: log.seconds, startsMs, readers: results }
}

async function resumeOnce(
  { path, events, after }: Reader,
  { epoch, head }: BuiltLog,
  directory: string,
  { certsDir, ca }: Trust,
): Promise<ResumeResult & { startMs: number }> {
  const flags = [`--log=sqlite:${directory}`, ...UNLIMITED]
  const server = await startServer(HUB, certsDir, flags, { cores: ALL_CORES })
  try {
    const lastEventId = formatId(epoch, after(head))
    const options = { port: server.port, ca, path, lastEventId, events } satisfies ResumeOptions
    return { ...(await runLoad<ResumeResult>('resume-load', options)), startMs: server.startMs }
  } finally {
    await server.stop()
  }
}

function number(name: 'bytes' | 'runs'): number {
  const value = Number(values[name])
  if (!(value > 0)) throw new Error(`--${name} takes a positive number\n${usage}`)
  return value
}
