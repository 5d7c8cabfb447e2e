// Serves a fixed list of events as an SSE stream that is cut at random bytes; a client that resumes loses none.

import type { ServerHttp2Stream } from 'node:http2'
import { encodeSse } from '../../src/protocol/sse.ts'

export interface CuttingOptions {
  /** The data of every event, in order; their ids are `id-1` and so on. */
  readonly data: readonly string[]
  /** How many bytes a stream carries before it is cut; Infinity: all, and then it stays open. */
  readonly cutAfterBytes: () => number
  /** Ends the streams that are not cut: `millrace:bye`, as when a hub drains. */
  readonly endsWithBye?: boolean
}

export function cuttingStream({ data, cutAfterBytes, endsWithBye = false }: CuttingOptions) {
  return (stream: ServerHttp2Stream, path: string, lastEventId: string | undefined): void => {
    const from = lastEventId === undefined ? startOf(path, data.length) : positionOf(lastEventId)
    const open = encodeSse({ id: `id-${from}`, type: 'millrace:open', retryMs: 10, data: '{"feed":"f"}' })
    const events = data.slice(from).map((each, at) => encodeSse({ id: `id-${from + at + 1}`, data: each }))
    const bye = endsWithBye
      ? [encodeSse({ type: 'millrace:bye', retryMs: 1, data: '{"reason":"drain"}' })]
      : []
    send(stream, Buffer.from([open, ':\n', ...events, ...bye].join('')), cutAfterBytes())
    if (endsWithBye) stream.end()
  }
}

export function send(stream: ServerHttp2Stream, bytes: Buffer | string, cutAfterBytes = Infinity): void {
  stream.respond({ ':status': 200, 'content-type': 'text/event-stream' })
  if (bytes.length <= cutAfterBytes) stream.write(bytes)
  else stream.write(bytes.slice(0, cutAfterBytes), () => stream.session?.destroy())
}

function startOf(path: string, length: number): number {
  return path.includes('after=earliest') ? 0 : length
}

function positionOf(id: string): number {
  return Number(id.replace('id-', ''))
}
