// The load of bench/catch-up.ts, in a process of its own: fills a log, and reads all of it as one reader.
// Takes its options as JSON in the first argument and sends a CatchUpResult to its parent.

import type { ClientHttp2Session } from 'node:http2'
import { CpuWatch, type CpuShares } from '../support/cpu-watch.ts'
import { numberedLines } from './numbered-lines.ts'
import { reportBack } from './report-back.ts'
import { SequenceCheck } from './sequence-check.ts'
import { connectTo, type Account, type Target } from './subscribers.ts'
import { upload } from './upload.ts'

export interface CatchUpOptions extends Target {
  readonly serverPid: number
  readonly events: number
  readonly eventBytes: number
  /** Events go in turn to so many topics, `bench/0` and so on. */
  readonly topics: number
  /** The id before the first event; undefined: the log is still to be filled. */
  readonly lastEventId: string | undefined
  readonly runs: number
}

export interface CatchUpRun extends CpuShares, Account {
  readonly perSecond: number
  readonly mebibytesPerSecond: number
  readonly firstMs: number
}

export interface CatchUpResult {
  readonly lastEventId: string
  readonly runs: readonly CatchUpRun[]
}

// What has not come when the hub was silent for so long is lost.
const SILENCE_MS = 10_000

await reportBack(run)

async function run(options: CatchUpOptions): Promise<CatchUpResult> {
  const session = await connectTo(options)
  const lastEventId = options.lastEventId ?? (await fill(session, options))
  const runs: CatchUpRun[] = []
  for (let at = 0; at < options.runs; at++) runs.push(await catchUp(session, options, lastEventId))
  session.destroy()
  return { lastEventId, runs }
}

/** Returns the id before the first event. */
async function fill(session: ClientHttp2Session, options: CatchUpOptions): Promise<string> {
  const { events, eventBytes, topics } = options
  const { id } = await upload(session, '/topics/start', [{ text: '0\n', lines: 1 }])
  const lines = numberedLines(
    0,
    events,
    eventBytes,
    (data, at) => `{"topic":"bench/${at % topics}","data":${data}}`,
  )
  const { published } = await upload(session, '/events', lines)
  if (published !== events) throw new Error(`${published} of ${events} events were published`)
  return id
}

async function catchUp(
  session: ClientHttp2Session,
  { path, events, serverPid }: CatchUpOptions,
  lastEventId: string,
): Promise<CatchUpRun> {
  const watch = await CpuWatch.start(serverPid)
  const start = performance.now()
  const stream = session.request({
    ':path': path,
    accept: 'text/event-stream',
    'last-event-id': lastEventId,
  })
  let bytes = 0
  let firstMs = Number.NaN
  const check = new SequenceCheck(0, () => {})
  const silence = setTimeout(() => stream.destroy(), SILENCE_MS)
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    silence.refresh()
    bytes += chunk.length
    check.feed(chunk)
    if (check.received > 0 && Number.isNaN(firstMs)) firstMs = performance.now() - start
    if (check.received >= events) break
  }
  const seconds = (performance.now() - start) / 1000
  clearTimeout(silence)
  return {
    ...(await watch.stop()),
    firstMs,
    perSecond: check.received / seconds,
    mebibytesPerSecond: bytes / seconds / 2 ** 20,
    lost: check.lost(events),
    repeated: check.repeated,
    outOfOrder: check.outOfOrder,
  }
}
