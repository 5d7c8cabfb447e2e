// The load generator's own HTTP/2: it must take whatever a server may send, and count every stream that ends.

import { once } from 'node:events'
import {
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { Http2Connection } from '../../bench/load/http2-connection.ts'
import { openTrust } from '../../bench/support/trust.ts'
import { openCertificates } from '../../src/http/certificates.ts'

const WINDOW = 65_535

/** A server, a connection to it, and what came on its one stream. */
async function connected(t: Test) {
  const trust = await openTrust()
  t.teardown(() => trust.remove())
  const certificates = await openCertificates({ certsDir: trust.certsDir })
  const server = createSecureServer(certificates.secureContext()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const seen = { bytes: 0, reads: 0, ends: 0, until: () => {} }
  const connection = await Http2Connection.open(
    { port, ca: trust.ca, path: '/', streamWindow: WINDOW },
    { onRead: () => void seen.reads++, onEnd: () => void seen.ends++ },
  )
  t.teardown(() => connection.close())
  const take = (bytes: Buffer): void => {
    seen.bytes += bytes.length
    seen.until()
  }
  const came = (bytes: number): Promise<void> =>
    new Promise(resolve => {
      seen.until = () => {
        if (seen.bytes >= bytes) resolve()
      }
      seen.until()
    })
  return { server, connection, seen, take, came }
}

async function nextStream(server: Http2SecureServer): Promise<ServerHttp2Stream> {
  const [stream] = (await once(server, 'stream')) as [ServerHttp2Stream]
  stream.on('error', () => {})
  return stream
}

t.test('what it has taken the server may send again, beyond any window', async t => {
  const { server, connection, seen, take, came } = await connected(t)
  const [stream] = await Promise.all([
    nextStream(server).then(each => (each.respond({}), each.write('x'), each)),
    connection.subscribe('/', take),
  ])
  stream.write(Buffer.alloc(20 * 2 ** 20))
  await came(1 + 20 * 2 ** 20)
  t.equal(seen.bytes, 1 + 20 * 2 ** 20)
  t.ok(seen.reads > 1)
})

t.test('while it pauses the server may send what was granted, and the rest when it reads on', async t => {
  const { server, connection, seen, take, came } = await connected(t)
  const [stream] = await Promise.all([
    nextStream(server).then(each => (each.respond({}), each.write('x'), each)),
    connection.subscribe('/', take),
  ])
  connection.pause()
  stream.write(Buffer.alloc(200_000))
  await came(WINDOW)
  await new Promise(resolve => void stream.session!.ping(resolve))
  t.equal(seen.bytes, WINDOW)
  connection.resume()
  await came(200_001)
  t.equal(seen.bytes, 200_001)
})

t.test('a stream may bring headers of its own', async t => {
  const { server, connection, take } = await connected(t)
  const asked = once(server, 'stream') as Promise<[ServerHttp2Stream, IncomingHttpHeaders]>
  const subscribed = connection.subscribe('/', take, { authorization: 'Bearer a.b.c' })
  const [stream, headers] = await asked
  stream.respond({})
  stream.write('x')
  await subscribed
  t.match(headers, { accept: 'text/event-stream', authorization: 'Bearer a.b.c' })
})

t.test('a stream that the server ends is counted, and one that is refused is an error', async t => {
  const { server, connection, seen, take } = await connected(t)
  const [stream] = await Promise.all([
    nextStream(server).then(each => (each.respond({}), each.write('x'), each)),
    connection.subscribe('/', take),
  ])
  stream.end()
  await once(stream, 'close')
  const refused = nextStream(server).then(each => each.respond({ ':status': 503 }, { endStream: true }))
  await t.rejects(connection.subscribe('/', take), /not answered with 200/)
  await refused
  t.equal(seen.ends, 2)
})
