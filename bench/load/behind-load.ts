// The load of bench/behind.ts, in a process of its own: many subscribers who stop reading, and then read on.
// Takes its options as JSON in the first argument and sends a BehindResult to its parent.

import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { readMetrics } from '../support/hub.ts'
import { memoryKiB } from '../support/process-figures.ts'
import { numberedLines } from './numbered-lines.ts'
import { reportBack } from './report-back.ts'
import { Subscribers, connectTo, type Account, type Target } from './subscribers.ts'
import { upload } from './upload.ts'

export interface BehindOptions extends Target {
  readonly serverPid: number
  readonly connections: number
  readonly streams: number
  readonly events: number
  readonly eventBytes: number
  /** So often as many events again are published while all are behind. */
  readonly rounds: number
}

export interface BehindResult extends Account {
  /** Of the hub, while all streams were idle, per stream. */
  readonly idleKiB: number
  /** More than idle, per stream: after the events that they fell behind in, and after each round more. */
  readonly behindKiB: readonly number[]
  /** How many were behind when the hub was asked, each time. */
  readonly behind: readonly number[]
  /** From reading on until everybody had everything. */
  readonly recoverySeconds: number
  readonly recoveryPerSecond: number
  /** Streams that ended by themselves. */
  readonly failures: number
}

const SETTLE_MS = 1500
// What has not come when the hub was silent for so long is lost.
const SILENCE_MS = 10_000
const LOOK_MS = 200
const WARM_UP_EVENTS = 2000

await reportBack(run)

async function run(options: BehindOptions): Promise<BehindResult> {
  const { serverPid, streams, connections, events, rounds } = options
  // What readers have in flight for themselves is not what is measured: the hub's other clients keep large windows.
  const publisher = await connectTo({ ...options, streamWindow: undefined })
  await warmUp(publisher, options)
  const before = await settledKiB(serverPid)
  const total = events * (1 + rounds) * streams
  let received = 0
  let lastAt = 0
  const subscribers = new Subscribers(() => {
    received++
    lastAt = performance.now()
  })
  await subscribers.open(options, connections, streams, 0)
  const idle = await settledKiB(serverPid)
  subscribers.pause()

  const behindKiB: number[] = []
  const behind: number[] = []
  for (let round = 0; round <= rounds; round++) {
    await publish(publisher, options.path, round * events, (round + 1) * events, options.eventBytes)
    behindKiB.push(((await settledKiB(serverPid)) - idle) / streams)
    behind.push((await readMetrics(publisher)).get('millrace_subscribers_behind')!)
  }
  const alreadyThere = received
  const start = performance.now()
  lastAt = start
  subscribers.resume()
  const isWaiting = (): boolean => received < total && performance.now() - lastAt < SILENCE_MS
  while (isWaiting()) await sleep(LOOK_MS)
  const recoverySeconds = (lastAt - start) / 1000
  const result = {
    ...subscribers.account(events * (1 + rounds)),
    idleKiB: (idle - before) / streams,
    behindKiB,
    behind,
    recoverySeconds,
    recoveryPerSecond: (received - alreadyThere) / recoverySeconds,
    failures: subscribers.failed,
  }
  await subscribers.close()
  publisher.destroy()
  return result
}

/** On another topic, and read by a few, so that what the hub first loads and compiles is not charged to anybody. */
async function warmUp(publisher: ClientHttp2Session, options: BehindOptions): Promise<void> {
  const path = `${options.path}-warm-up`
  const subscribers = new Subscribers(() => {})
  await subscribers.open({ ...options, path }, 2, 20, 0)
  subscribers.pause()
  await publish(publisher, path, 0, WARM_UP_EVENTS, options.eventBytes)
  subscribers.resume()
  await sleep(SETTLE_MS)
  await subscribers.close()
}

async function publish(
  session: ClientHttp2Session,
  path: string,
  after: number,
  last: number,
  bytes: number,
): Promise<void> {
  const { published } = await upload(
    session,
    path,
    numberedLines(after, last, bytes, data => data),
  )
  if (published !== last - after) throw new Error(`${published} of ${last - after} events were published`)
}

async function settledKiB(pid: number): Promise<number> {
  await sleep(SETTLE_MS)
  return memoryKiB(pid)
}
