// One publish over an HTTP/2 connection.

import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2'

const TAKEN = new Set([201, 202])

/** Whether it was answered as taken: 201, or 202 as nchan has it. */
export function post(
  session: ClientHttp2Session,
  path: string,
  body: string,
  type = 'text/plain',
  more: OutgoingHttpHeaders = {},
): Promise<boolean> {
  const stream = session.request({
    ...more,
    ':method': 'POST',
    ':path': path,
    'content-type': type,
    // As curl and fetch send it with a body that they have as a whole.
    'content-length': Buffer.byteLength(body),
  })
  stream.end(body)
  return new Promise(resolve => {
    let isKept = false
    stream.on('response', headers => void (isKept = TAKEN.has(headers[':status']!)))
    stream.on('error', () => {})
    stream.on('close', () => resolve(isKept))
    stream.resume()
  })
}
