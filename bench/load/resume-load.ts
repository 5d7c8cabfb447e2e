// The load of bench/resume.ts, in a process of its own: one reader who comes back, and the time until it has it all.
// Takes its options as JSON in the first argument and sends a ResumeResult.

import type { ClientHttp2Session } from 'node:http2'
import { reportBack } from './report-back.ts'
import { connectTo, type Target } from './subscribers.ts'

export interface ResumeOptions extends Target {
  readonly lastEventId: string
  /** How many events there are after it. */
  readonly events: number
}

export interface ResumeTimes {
  /** From the request to the first event, and to the last. */
  readonly firstMs: number
  readonly lastMs: number
}

export interface ResumeResult {
  readonly first: ResumeTimes
  /** The same request once more. */
  readonly again: ResumeTimes
}

const DEADLINE_MS = 50_000
// What ends each event. The first one is `millrace:open`, and the one that comes when there is no more `millrace:ready`.
const DATA_LINE = '\ndata: '
const READY = 'event: millrace:ready\n'

await reportBack(run)

async function run(options: ResumeOptions): Promise<ResumeResult> {
  const session = await connectTo(options)
  const first = await resume(session, options)
  const again = await resume(session, options)
  session.destroy()
  return { first, again }
}

async function resume(
  session: ClientHttp2Session,
  { path, lastEventId, events }: ResumeOptions,
): Promise<ResumeTimes> {
  const start = performance.now()
  const stream = session.request({
    ':path': path,
    accept: 'text/event-stream',
    'last-event-id': lastEventId,
  })
  let text = ''
  let firstMs = Number.NaN
  const deadline = setTimeout(() => stream.destroy(new Error('events are missing')), DEADLINE_MS)
  for await (const chunk of stream.setEncoding('utf8')) {
    text += chunk
    const count = text.split(DATA_LINE).length - 2
    if (count > 0 && Number.isNaN(firstMs)) firstMs = performance.now() - start
    if (!text.includes(READY) || !text.endsWith('\n\n')) continue
    if (count - 1 !== events) throw new Error(`there are ${count - 1} events instead of ${events}`)
    break
  }
  clearTimeout(deadline)
  if (Number.isNaN(firstMs)) throw new Error(`no events: ${text}`)
  return { firstMs, lastMs: performance.now() - start }
}
