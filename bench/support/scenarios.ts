// The benchmarks by name, with the arguments that make one of them several scenarios.

export interface Scenario {
  readonly name: string
  readonly about: string
  /** In `bench`. */
  readonly file: string
  readonly args: readonly string[]
  /** How long it takes, about. */
  readonly minutes: number
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'fan-out',
    about: '1 topic to 1,000 streams on 10 connections, beside other servers',
    file: 'fan-out.ts',
    args: [],
    minutes: 2,
  },
  {
    name: 'connections',
    about: 'the same with 1,000 connections',
    file: 'fan-out.ts',
    args: ['--connections', '1000'],
    minutes: 2.5,
  },
  {
    name: 'small-events',
    about: 'events of 20 bytes',
    file: 'fan-out.ts',
    args: ['--bytes', '20'],
    minutes: 2,
  },
  {
    name: 'large-events',
    about: 'events of 16 KiB',
    file: 'fan-out.ts',
    args: ['--bytes', '16384', '--rate', '5', '--in-flight', '4', '--undelivered', '8'],
    minutes: 2,
  },
  {
    name: 'http1',
    about: '1,000 connections with HTTP/1.1',
    file: 'fan-out.ts',
    args: ['--http1'],
    minutes: 2.5,
  },
  {
    name: 'stalled-readers',
    about: '100 more streams, on connections of their own, read nothing',
    file: 'fan-out.ts',
    args: ['--stalled', '100'],
    minutes: 2,
  },
  {
    name: 'durable',
    about: 'publishing to a disk, beside memory and an empty route',
    file: 'durable.ts',
    args: [],
    minutes: 4,
  },
  {
    name: 'tokens',
    about: 'what it costs that each request brings a token',
    file: 'tokens.ts',
    args: [],
    minutes: 4,
  },
  {
    name: 'resume',
    about: 'the time to come back, by the size of the log',
    file: 'resume.ts',
    args: [],
    minutes: 2,
  },
  {
    name: 'catch-up',
    about: 'one reader who catches up, from memory and from disk',
    file: 'catch-up.ts',
    args: [],
    minutes: 1,
  },
  {
    name: 'behind',
    about: "the hub's memory while 1,000 readers stand behind",
    file: 'behind.ts',
    args: [],
    minutes: 1.5,
  },
  {
    name: 'compression',
    about: 'no compression, once for all, and a compressor for each stream',
    file: 'compression.ts',
    args: [],
    minutes: 5,
  },
  {
    name: 'workers',
    about: 'what a delivery costs with 1, 2 and 4 workers',
    file: 'workers.ts',
    args: [],
    minutes: 3,
  },
  {
    name: 'many-topics',
    about: 'what a publish costs with 100 to 100,000 subscribers and topics',
    file: 'many-topics.ts',
    args: [],
    minutes: 7,
  },
  {
    name: 'memory',
    about: 'streams and connections in memory, idle and busy',
    file: 'memory.ts',
    args: [],
    minutes: 12,
  },
  {
    name: 'both-sides',
    about: 'latency of readers and of publishers at 80% of what the hub can do',
    file: 'both-sides.ts',
    args: [],
    minutes: 3,
  },
  {
    name: 'storm',
    about: 'everybody is cut off, and comes back at once',
    file: 'storm.ts',
    args: [],
    minutes: 1.5,
  },
  {
    name: 'ceiling',
    about: 'what the load generator of the fan-out can count',
    file: 'ceiling.ts',
    args: [],
    minutes: 0.5,
  },
  { name: 'soak', about: 'memory under clients that come and go', file: 'soak.ts', args: [], minutes: 20 },
]

/** Those that run when none is named. */
export const usual: readonly string[] = ['fan-out', 'connections']

const SMOKE = ['--runs', '1', '--seconds', '1', '--only', 'millrace,fastify-sse-v2']

/** Those of the smoke test. */
export const smokeTest: readonly Scenario[] = usual.map(name => withArguments(name, SMOKE))

/** The scenario of this name with further arguments, which win over its own. */
export function withArguments(name: string, more: readonly string[]): Scenario {
  const scenario = scenarios.find(each => each.name === name)
  if (scenario === undefined) throw new Error(`there is no ${name}; --list tells the scenarios`)
  return { ...scenario, args: [...scenario.args, ...more] }
}
