// How much the load generator of the fan-out can count, and so near which figures it is the limit itself.
//
// Method. A server that does nothing but send prepared events (bench/servers/blaster.ts, bare node:http2) is on core 0,
// the load generator on core 1. Both go as fast as they can; what one write carries is varied, since a server under load
// writes several events at once. The load's CPU time per event says what it could count at most, with all of its
// core and the publisher aside: that is its ceiling. Each stream's account is exact, as in the fan-out.

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CeilingOptions, CeilingResult } from './load/ceiling-load.ts'
import { benchmark, type Outcome } from './support/benchmark.ts'
import { runLoad } from './support/load-process.ts'
import { startServer } from './support/server-process.ts'
import { figure, percent, table } from './support/table.ts'
import type { Trust } from './support/trust.ts'

const usage = `Usage: node bench/ceiling.ts [options]
  --bytes N         of data in an event (100)
  --json            print JSON instead of the table`

const { values } = parseArgs({
  options: {
    bytes: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const STREAMS = 1000
const WRITES = 400
const BLASTER = join(import.meta.dirname, 'servers/blaster.ts')
const HEAD = ['events a write', 'counted/s', 'ceiling/s', 'load', 'server']

interface Case extends CeilingResult {
  readonly connections: number
  readonly eventsPerWrite: number
}

await benchmark(usage, values, measure)

async function measure(trust: Trust): Promise<Outcome> {
  const cases: Case[] = []
  for (const connections of [10, 1000]) {
    for (const eventsPerWrite of [1, 4, 16, 64]) {
      cases.push({ connections, eventsPerWrite, ...(await runOnce(connections, eventsPerWrite, trust)) })
    }
  }
  const rows = cases.map(each => [
    `${STREAMS} streams on ${each.connections} connections`,
    figure(each.eventsPerWrite),
    figure(each.perSecond),
    figure(1e6 / each.loadMicros),
    percent(each.load),
    percent(each.server),
  ])
  const isExact = cases.every(({ lost, repeated, outOfOrder }) => lost + repeated + outOfOrder === 0)
  return {
    text: table(['', ...HEAD], rows),
    results: cases,
    faults: isExact ? [] : ['FAULT: events were lost, repeated or out of order'],
  }
}

async function runOnce(connections: number, eventsPerWrite: number, trust: Trust): Promise<CeilingResult> {
  const events = WRITES * eventsPerWrite
  const flags = { events, 'events-per-write': eventsPerWrite, bytes: values.bytes }
  const server = await startServer(
    BLASTER,
    trust.certsDir,
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
  )
  const place = { port: server.port, ca: trust.ca, path: '/topics/bench/ceiling', serverPid: server.pid }
  try {
    const options = { ...place, connections, streams: STREAMS, events } satisfies CeilingOptions
    return await runLoad<CeilingResult>('ceiling-load', options)
  } finally {
    await server.stop()
  }
}
