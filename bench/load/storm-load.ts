// The load of bench/storm.ts, in a process of its own: clients that all go, and all come back.
// Takes its options as JSON in the first argument and sends a StormResult to its parent.

import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { readMetrics } from '../support/hub.ts'
import { cpuTime } from '../support/process-figures.ts'
import { percentile } from '../support/statistics.ts'
import { post } from './post.ts'
import { reportBack } from './report-back.ts'
import { numberedData } from './sequence-check.ts'
import { connectTo, Subscribers, type Account, type Target } from './subscribers.ts'

export interface StormOptions extends Target {
  readonly serverPid: number
  readonly streams: number
  readonly connections: number
  readonly missed: number
  readonly eventBytes: number
}

export interface StormResult extends Account {
  /** From the first new connection until the last stream had all that it missed. */
  readonly seconds: number
  /** Of the hub, in that time. */
  readonly microsPerStream: number
  /** Reads of the log, for all streams together. */
  readonly reads: number
  /** Of publishes meanwhile. */
  readonly publishP99Ms: number
  /** POSTs that were refused, and streams that ended by themselves. */
  readonly failures: number
}

const PUBLISH_EVERY_MS = 50
// What has not come after this long is lost.
const DEADLINE_MS = 120_000
const LOOK_MS = 5

await reportBack(run)

async function run(options: StormOptions): Promise<StormResult> {
  const { serverPid, streams, connections, missed, eventBytes, path } = options
  const session = await connectTo(options)
  let last = 0
  let refused = 0
  const publish = async (): Promise<void> => {
    if (!(await post(session, path, numberedData(++last, eventBytes)))) refused++
  }
  const gone = new Subscribers(() => {})
  await gone.open(options, connections, streams, 0)
  await publish()
  await until(() => gone.account(last).lost === 0)
  const id = await idOfLast(session, path)
  await gone.close()
  for (let count = 0; count < missed; count++) await publish()
  const due = last

  const reads = await logReads(session)
  let received = 0
  const back = new Subscribers(sequence => {
    if (sequence <= due) received++
  })
  const pace = publishPaced(publish)
  const cpuBefore = await cpuTime(serverPid)
  const start = performance.now()
  const opened = back.open({ ...options, path: `${path}?after=${id}` }, connections, streams, 1)
  await until(() => received >= streams * missed)
  const seconds = (performance.now() - start) / 1000
  const cpu = await cpuTime(serverPid)
  await opened
  const latencies = await pace.stop()
  await until(() => back.account(last).lost === 0)
  const result = {
    ...back.account(last),
    seconds,
    microsPerStream: ((cpu.usedMs - cpuBefore.usedMs) * 1000) / streams,
    reads: (await logReads(session)) - reads,
    publishP99Ms: percentile(latencies, 99),
    failures: refused + gone.failed + back.failed,
  }
  await back.close()
  session.destroy()
  return result
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!isSo() && performance.now() < deadline) await sleep(LOOK_MS)
}

/** One event after another, each when the last is answered and it is time; `stop` returns how long they took, sorted. */
function publishPaced(publish: () => Promise<void>): { stop(): Promise<number[]> } {
  const latencies: number[] = []
  const stopped = new AbortController()
  const ended = (async () => {
    while (!stopped.signal.aborted) {
      const start = performance.now()
      await publish()
      latencies.push(performance.now() - start)
      await sleep(PUBLISH_EVERY_MS)
    }
  })()
  return {
    async stop() {
      stopped.abort()
      await ended
      return latencies.sort((a, b) => a - b)
    },
  }
}

/** The id of the topic's newest event. */
async function idOfLast(session: ClientHttp2Session, path: string): Promise<string> {
  const stream = session.request({ ':path': path })
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  if (!stream.closed) await once(stream, 'close')
  return (JSON.parse(text) as { events: { id: string }[] }).events.at(-1)!.id
}

async function logReads(session: ClientHttp2Session): Promise<number> {
  return (await readMetrics(session)).get('millrace_catch_up_reads_total') ?? 0
}
