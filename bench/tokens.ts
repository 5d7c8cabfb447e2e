// What authentication costs: a hub whose every request brings a token, beside one that is open, in the same run.
//
// Method. Each run starts three hubs with the memory log and the same flags: `open` has no key; `tokens` has one (a
// secret, by environment) and no anonymous rights but to /metrics, and each request brings it a JWT (HS256, an hour long)
// in its header; `ballast` is open again, and is brought the same bytes in a header that says nothing to it. Tokens of
// --distinct holders take turns, and each has been used before anything is measured: what is measured is a client who
// goes on, not the first look at its signature. All hubs have core 0, the load core 1.
//
// The load publishes over HTTP/2 and TLS to one topic, as in durable.ts: single POSTs with 1, 16 and 256 in flight, and
// NDJSON uploads by 1 and 4 publishers. In each of these the hubs have short turns (--turn-ms), one after the other, so
// that neighbours find the same machine. CPU is that of all threads of the hub, by the events that were kept. What is
// printed are medians over all turns; then the median of what a turn with tokens takes by its neighbour without, and
// the lowest and the highest that a run had of it.
//
// Then, on fresh hubs, one topic goes to many streams, as in fan-out.ts, whose publisher and streams bring tokens too;
// here the hubs take turns by the run. An event that was not kept, or was lost, fails the run.
//
// The aim is that a token costs at most 5% of the CPU of an event, by the ballast: that a header has to be read is
// HTTP/2's part.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { FanOutOptions, FanOutResult } from './load/fan-out-load.ts'
import type { Phase } from './load/publishing.ts'
import type { HubTarget, TokensLoadOptions, TokensLoadResult } from './load/tokens-load.ts'
import { benchmark, positive, type Outcome } from './support/benchmark.ts'
import { phaseName } from './support/durable-report.ts'
import { HUB, UNLIMITED } from './support/hub.ts'
import { runLoad } from './support/load-process.ts'
import { profiling } from './support/profile-summary.ts'
import { asBallast, newSecret, tokenHeaders } from './support/request-tokens.ts'
import { isPinned, startServer, type ServerProcess } from './support/server-process.ts'
import { faults, ratios, tokensReport, type Access, type Results } from './support/tokens-report.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/tokens.ts [options]
  --distinct N      tokens that take turns (1000); the hub remembers 10,000
  --bytes N         of data in an event (100)
  --seconds N       that each hub has of each phase (2)
  --turn-ms N       in turns of so many milliseconds (100)
  --runs N          of each hub (3)
  --phases TEXT     only those whose name contains this, such as 256, NDJSON or fan-out
  --only NAMES      some of open,ballast,tokens
  --streams N       of the fan-out (1000)
  --connections N   over which they are spread (10)
  --profile DIR     write CPU profiles of the hubs there, and print what took the time; the rates suffer
  --json            print every run as JSON instead of the tables`

const { values } = parseArgs({
  options: {
    distinct: { type: 'string', default: '1000' },
    bytes: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '2' },
    'turn-ms': { type: 'string', default: '100' },
    runs: { type: 'string', default: '3' },
    phases: { type: 'string', default: '' },
    only: { type: 'string', default: 'open,ballast,tokens' },
    streams: { type: 'string', default: '1000' },
    connections: { type: 'string', default: '10' },
    profile: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

/** A hub, and what is brought to it. */
interface Side {
  readonly access: Access
  readonly key: string | undefined
  readonly headersFile: string | undefined
}

const FAN_OUT = 'fan-out'
const LOAD_DEADLINE_MS = 600_000
// The open hub would show its counters anyway. The default limit of bytes is what bounds a log in memory.
const FLAGS = [
  '--log=memory:',
  '--anonymous-metrics',
  ...UNLIMITED.filter(flag => !flag.startsWith('--log-max-bytes')),
]

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const sides = (await allSides(trust)).filter(({ access }) => values.only.split(',').includes(access))
  const phases = allPhases().filter(phase => phaseName(phase).includes(values.phases))
  const hasFanOut = FAN_OUT.includes(values.phases)
  if (sides.length === 0 || (phases.length === 0 && !hasFanOut)) throw new Error(usage)
  const results: Results = {
    publish: [],
    fanOut: new Map(sides.map(({ access }) => [access, []])),
    sides: sides.map(({ access }) => access),
  }
  for (let run = 0; run < number('runs'); run++) {
    if (phases.length > 0) results.publish.push(await publish(sides, phases, trust))
    // Who goes first finds the machine cooler, or busier: take turns.
    for (const side of run % 2 === 0 ? sides : sides.toReversed()) {
      if (hasFanOut) results.fanOut.get(side.access)!.push(await fanOut(side, trust))
    }
    if (process.stderr.isTTY) process.stderr.write('.')
  }
  return {
    text: tokensReport(results),
    results: { ...results, fanOut: Object.fromEntries(results.fanOut) },
    ratios: ratios(results),
    faults: faults(results),
  }
}

async function allSides({ certsDir }: Trust): Promise<Side[]> {
  const secret = newSecret()
  const sets = await tokenHeaders(secret, 'bench/**', number('distinct'))
  const [tokens, ballast] = [join(certsDir, 'tokens.json'), join(certsDir, 'ballast.json')]
  await writeFile(tokens, JSON.stringify(sets), { mode: 0o600 })
  await writeFile(ballast, JSON.stringify(asBallast(sets)), { mode: 0o600 })
  return [
    { access: 'open', key: undefined, headersFile: undefined },
    { access: 'ballast', key: undefined, headersFile: ballast },
    { access: 'tokens', key: secret, headersFile: tokens },
  ]
}

function allPhases(): Phase[] {
  const bytes = number('bytes')
  return [
    ...[1, 16, 256].map(count => ({ kind: 'in-flight' as const, count, bytes })),
    ...[1, 4].map(count => ({ kind: 'lines' as const, count, bytes })),
  ]
}

async function publish(
  sides: readonly Side[],
  phases: readonly Phase[],
  trust: Trust,
): Promise<TokensLoadResult> {
  const hubs: Hub[] = []
  try {
    for (const side of sides) hubs.push(await startHub(side, trust, 'publishing'))
    const turns = Math.ceil((number('seconds') * 1000) / number('turn-ms'))
    const options: TokensLoadOptions = {
      hubs: hubs.map(hub => targetOf(hub, trust)),
      phases,
      turns,
      turnMs: number('turn-ms'),
      firstPosts: number('distinct'),
    }
    return await runLoad<TokensLoadResult>('tokens-load', options, LOAD_DEADLINE_MS)
  } finally {
    for (const hub of hubs) await hub.stop()
  }
}

async function fanOut(side: Side, trust: Trust): Promise<FanOutResult> {
  const hub = await startHub(side, trust, FAN_OUT)
  try {
    return await runLoad<FanOutResult>('fan-out-load', {
      ...targetOf(hub, trust),
      connections: number('connections'),
      streams: number('streams'),
      stalled: 0,
      eventBytes: number('bytes'),
      rate: 20,
      burst: 1,
      inFlight: 16,
      undelivered: 64,
      phaseMs: number('seconds') * 1000,
      phases: ['paced', 'saturated'],
      isSpinning: isPinned,
    } satisfies FanOutOptions)
  } finally {
    await hub.stop()
  }
}

function targetOf({ server, side }: Hub, { ca }: Trust): HubTarget {
  const { headersFile } = side
  return { port: server.port, ca, path: '/topics/bench/tokens', serverPid: server.pid, headersFile }
}

interface Hub {
  readonly side: Side
  readonly server: ServerProcess
  stop(): Promise<void>
}

async function startHub(side: Side, { certsDir }: Trust, what: string): Promise<Hub> {
  const profile = profiling(values.profile, `${side.access}, ${what}`)
  const server = await startServer(HUB, certsDir, FLAGS, {
    nodeFlags: profile.nodeFlags,
    environment: { MILLRACE_JWT_KEY: side.key },
  })
  return {
    side,
    server,
    async stop() {
      await server.stop()
      profile.report()
    },
  }
}

function number(
  name: 'distinct' | 'bytes' | 'seconds' | 'turn-ms' | 'runs' | 'streams' | 'connections',
): number {
  return positive(values[name], usage)
}
