// A storm: all streams are dropped at once and resumed with Last-Event-ID, while publishing goes on. All catch up, none
// loses or repeats an event, publishers hardly notice, and the log is read a few times instead of once for each.
//
// The short form drops 1,000 streams on 10 connections. The long form:
//   STORM_STREAMS=10000 STORM_CONNECTIONS=100 STORM_RATE=5 tap run test/faults/storm.test.ts
//   STORM_STREAMS=10000 STORM_CONNECTIONS=2000 STORM_RATE=5 tap run test/faults/storm.test.ts
// STORM_WORKERS=2 runs it with two workers only.
// Each connection needs a file descriptor on both sides: `ulimit -n`. In the long form the hub has the first core to itself,
// where there is `taskset`, and the clients have the others.

import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { cpuTime, memoryKiB } from '../../bench/support/process-figures.ts'
import { startHubProcess } from '../support/hub-process.ts'
import { Http2Client } from '../support/http2-client.ts'
import { metric } from '../support/metrics.ts'
import { SteadyPublisher, summary } from '../support/numbered-events.ts'
import type { Account, Order, StormOptions } from './storm-clients.ts'

const STREAMS = Number(process.env.STORM_STREAMS ?? 1000)
const CONNECTIONS = Number(process.env.STORM_CONNECTIONS ?? 10)
const RATE = Number(process.env.STORM_RATE ?? 20)
const WORKERS = (process.env.STORM_WORKERS ?? '1,2').split(',').map(Number)
const EVENT_BYTES = 200
const QUIET_MS = 2000
// Long enough that everybody lacks something.
const AWAY_MS = 500

// Of so many readers one reads the log.
const SHARERS = 10

const isLong = process.env.STORM_STREAMS !== undefined

for (const workers of WORKERS) {
  const title = `all streams resume at once: none lost, none repeated, few reads (workers: ${workers})`
  t.test(title, { timeout: 250_000 }, t => storm(t, workers))
}

async function storm(t: Test, workers: number): Promise<void> {
  const log = `--log=sqlite:${t.testdir()}`
  const flags = [
    log,
    `--workers=${workers}`,
    `--max-streams-per-connection=${Math.max(256, STREAMS / CONNECTIONS)}`,
  ]
  const { url, caFile, child } = await startHubProcess(t, flags)
  if (isLong) useCores('0', child.pid!)
  const hub = { url, ca: readFileSync(caFile, 'utf8') }
  const client = new Http2Client(t, hub)
  const measured = { fetch: async (path: string) => ({ text: async () => (await client.get(path)).text }) }
  const crowd = startClients(t, { ...hub, topic: 'load', streams: STREAMS, connections: CONNECTIONS })
  const memoryBefore = await memoryKiB(child.pid!)
  await crowd<object>({ do: 'connect' })

  const publisher = new SteadyPublisher(client.session, 'load', RATE, EVENT_BYTES)
  await sleep(QUIET_MS)
  const quiet = publisher.answerMs.splice(0)
  await crowd<object>({ do: 'drop' })
  await sleep(AWAY_MS)
  const reads = await metric(measured, 'millrace_catch_up_reads_total')
  const shared = await metric(measured, 'millrace_catch_up_shared_total')
  const cpu = await cpuTime(child.pid!)
  const startedAt = performance.now()
  await crowd<object>({ do: 'connect' })
  const stormMs = performance.now() - startedAt
  const inStorm = publisher.answerMs.splice(0)
  const cpuMs = (await cpuTime(child.pid!)).usedMs - cpu.usedMs
  await sleep(QUIET_MS)
  await publisher.stop()
  const settled = publisher.answerMs.splice(0)
  const account = await crowd<Account>({ do: 'account', last: publisher.last })
  const readsInStorm = (await metric(measured, 'millrace_catch_up_reads_total')) - reads
  const sharedInStorm = (await metric(measured, 'millrace_catch_up_shared_total')) - shared
  const memoryAfter = await memoryKiB(child.pid!)

  t.comment(`${STREAMS} streams on ${CONNECTIONS} connections, ${RATE} events/s, workers: ${workers}`)
  t.comment(`all were back after ${stormMs.toFixed()} ms, ${cpuMs.toFixed()} ms of the hub's CPU`)
  t.comment(`publishing, quiet:    ${summary(quiet)}`)
  t.comment(`publishing, in storm: ${summary(inStorm)}`)
  t.comment(`publishing, after it: ${summary(settled)}`)
  t.comment(`from publishing to arrival, all the time: ${summary(account.latenciesMs)}`)
  t.comment(`${readsInStorm} reads of the log, ${sharedInStorm} pages shared`)
  t.comment(`the hub took ${memoryBefore} KiB without streams, ${memoryAfter} KiB after the storm`)
  t.same(account.faults, [], 'each got every event once, in order, and no gap')
  t.same([account.streams, account.complete], [STREAMS, STREAMS], 'all are up to date')
  t.equal(await metric(measured, 'millrace_gaps_total'), 0)
  t.ok(sharedInStorm >= STREAMS - readsInStorm, `${sharedInStorm} pages were shared`)
  t.ok(readsInStorm < STREAMS / SHARERS, `${readsInStorm} reads for ${STREAMS} streams`)
}

function useCores(cores: string, pid: number): void {
  spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(pid)])
}

/** Starts the clients; what is returned sends an order and resolves with the answer. */
function startClients(t: Test, options: StormOptions): <Answer>(order: Order) => Promise<Answer> {
  const child = fork(new URL('storm-clients.ts', import.meta.url), [JSON.stringify(options)])
  t.teardown(() => child.kill('SIGKILL'))
  const others = `1-${availableParallelism() - 1}`
  if (isLong) for (const pid of [child.pid!, process.pid]) useCores(others, pid)
  return async <Answer>(order: Order) => {
    child.send(order)
    const [answer] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`the clients ended with ${String(code)}`)
      }),
    ])) as [Answer & { error?: string }]
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
}
