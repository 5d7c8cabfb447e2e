// One NDJSON upload over an HTTP/2 connection: blocks of lines, as fast as they are taken.

import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2'

export interface Block {
  readonly text: string | Buffer
  readonly lines: number
}

export interface Uploaded {
  readonly sent: number
  /** What the answer says is kept; 0 where it was not a 201. */
  readonly published: number
  /** Of the last event. */
  readonly id: string
}

export async function upload(
  session: ClientHttp2Session,
  path: string,
  blocks: Iterable<Block>,
  headers: OutgoingHttpHeaders = {},
): Promise<Uploaded> {
  const stream = session.request({
    ...headers,
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/x-ndjson',
  })
  const answer = answerOf(stream)
  let sent = 0
  for (const { text, lines } of blocks) {
    sent += lines
    if (!stream.write(text)) await drained(stream)
    if (stream.destroyed) break
  }
  stream.end()
  const { published = 0, id = '' } = JSON.parse((await answer) || '{}') as Partial<Uploaded>
  return { sent, published, id }
}

async function answerOf(stream: ReturnType<ClientHttp2Session['request']>): Promise<string> {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) text += chunk
  return text
}

function drained(stream: ReturnType<ClientHttp2Session['request']>): Promise<void> {
  return new Promise(resolve => {
    // A stream that was cut off says 'close', never 'drain'.
    const done = (): void => {
      stream.off('drain', done).off('close', done)
      resolve()
    }
    stream.on('drain', done).on('close', done)
  })
}
