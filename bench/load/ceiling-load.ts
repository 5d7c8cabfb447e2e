// The load of bench/ceiling.ts, in a process of its own: counts what a server sends that does nothing but send.
// Takes its options as JSON in the first argument and sends a CeilingResult to its parent.

import { setTimeout as sleep } from 'node:timers/promises'
import { cpuTime } from '../support/process-figures.ts'
import { Arrivals } from './arrivals.ts'
import { post } from './post.ts'
import { reportBack } from './report-back.ts'
import { Subscribers, connectTo, type Account, type SubscribersTarget } from './subscribers.ts'

export interface CeilingOptions extends SubscribersTarget {
  readonly serverPid: number
  readonly connections: number
  readonly streams: number
  /** That each stream gets. */
  readonly events: number
}

export interface CeilingResult extends Account {
  readonly perSecond: number
  /** CPU time of the load generator, microseconds an event. */
  readonly loadMicros: number
  /** CPU time in shares of one core. */
  readonly load: number
  readonly server: number
}

const DEADLINE_MS = 30_000

await reportBack(run)

async function run(options: CeilingOptions): Promise<CeilingResult> {
  const { connections, streams, events, serverPid, path } = options
  const sentAt = Array.from({ length: events + 1 }, () => 0)
  const arrivals = new Arrivals(sentAt)
  const subscribers = new Subscribers(
    sequence => arrivals.add(sequence),
    () => arrivals.read(),
  )
  await subscribers.open(options, connections, streams, 0)
  const session = await connectTo(options)
  const cpuBefore = process.cpuUsage()
  const serverBefore = await cpuTime(serverPid)
  const start = performance.now()
  await post(session, path, '')
  await Promise.race([arrivals.reached(events * streams), sleep(DEADLINE_MS, undefined, { ref: false })])
  const elapsedMs = arrivals.lastAt - start
  const { user, system } = process.cpuUsage(cpuBefore)
  const server = (await cpuTime(serverPid)).usedMs - serverBefore.usedMs
  const account = subscribers.account(events)
  await subscribers.close()
  session.destroy()
  return {
    ...account,
    perSecond: (arrivals.count * 1000) / elapsedMs,
    loadMicros: (user + system) / arrivals.count,
    load: (user + system) / 1000 / elapsedMs,
    server: server / elapsedMs,
  }
}
