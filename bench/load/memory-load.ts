// The load of bench/memory.ts, in a process of its own: streams that are idle, and then get events round by round.
// Takes its options as JSON in the first argument and sends a MemoryResult to its parent.

import { setTimeout as sleep } from 'node:timers/promises'
import { readMetrics } from '../support/hub.ts'
import { memoryKiB } from '../support/process-figures.ts'
import { Publisher } from './publisher.ts'
import { reportBack } from './report-back.ts'
import { connectTo, Subscribers, type Account, type Target } from './subscribers.ts'

export interface MemoryOptions extends Target {
  readonly serverPid: number
  readonly streams: number
  readonly connections: number
  readonly rounds: number
  readonly events: number
  readonly rate: number
  readonly eventBytes: number
}

/** Growth since before the streams were opened, per stream: while they are idle, and after each round. */
export interface MemoryResult extends Account {
  readonly residentKiB: readonly number[]
  readonly heapKiB: readonly number[]
  /** POSTs that were refused, and streams that ended by themselves. */
  readonly failures: number
}

const SETTLE_MS = 3000

await reportBack(run)

async function run(options: MemoryOptions): Promise<MemoryResult> {
  const { serverPid, streams, connections, rounds, events, rate } = options
  await warmUp(options)
  const session = await connectTo(options)
  const measure = async (): Promise<{ resident: number; heap: number }> => {
    await sleep(SETTLE_MS)
    const heap = (await readMetrics(session)).get('nodejs_heap_size_used_bytes')! / 1024
    return { resident: await memoryKiB(serverPid), heap }
  }
  const before = await measure()
  const publisher = await Publisher.open(options, options.eventBytes, streams)
  const subscribers = new Subscribers(
    sequence => publisher.arrivals.add(sequence),
    () => publisher.arrivals.read(),
  )
  await subscribers.open(options, connections, streams, publisher.last)
  const found = [await measure()]
  for (let round = 0; round < rounds; round++) {
    await publisher.publish(events, 1, 1000 / rate)
    found.push(await measure())
  }
  const account = subscribers.account(publisher.last)
  const failures = publisher.refused + subscribers.failed
  await subscribers.close()
  publisher.close()
  session.destroy()
  return {
    ...account,
    failures,
    residentKiB: found.map(({ resident }) => (resident - before.resident) / streams),
    heapKiB: found.map(({ heap }) => (heap - before.heap) / streams),
  }
}

/** Another topic, so that what the hub first loads and compiles is not charged to the streams. */
async function warmUp(options: MemoryOptions): Promise<void> {
  const target = { ...options, path: `${options.path}-warm-up` }
  const publisher = await Publisher.open(target, options.eventBytes, 20)
  const subscribers = new Subscribers(sequence => publisher.arrivals.add(sequence))
  await subscribers.open(target, 2, 20, 0)
  await publisher.publish(50, 1, 4)
  await subscribers.close()
  publisher.close()
}
