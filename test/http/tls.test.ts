// TLS of a running hub, and running without it.

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import pino from 'pino'
import t from 'tap'
import { DEFAULTS } from '../../src/config/schema.ts'
import { openCertificates } from '../../src/http/certificates.ts'
import { startServer } from '../../src/server.ts'
import { Http1Client } from '../support/http1-client.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'

async function handshake({ url }: { readonly url: string }, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({
    port: Number(new URL(url).port),
    host: 'localhost',
    servername: 'localhost',
    ...options,
  })
  await once(socket, 'secureConnect')
  return socket
}

t.test('TLS 1.2 and 1.3 are spoken, TLS 1.1 and less are not', async t => {
  const hub = await startHub(t)
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await handshake(hub, { ca: hub.ca, minVersion: version, maxVersion: version })
    t.equal(socket.getProtocol(), version)
    socket.destroy()
  }
  // At security level 0, OpenSSL would speak them.
  const old = {
    ca: hub.ca,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  } as const
  await t.rejects(handshake(hub, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' })
})

t.test('ALPN chooses the protocol, and without it the hub speaks HTTP/1.1', async t => {
  const hub = await startHub(t)
  for (const [offered, chosen] of [
    [['h2', 'http/1.1'], 'h2'],
    [['http/1.1'], 'http/1.1'],
    [undefined, false],
  ] as const) {
    const socket = await handshake(hub, { ca: hub.ca, ...(offered && { ALPNProtocols: [...offered] }) })
    t.equal(socket.alpnProtocol, chosen)
    if (chosen !== 'h2') {
      socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
      const [answer] = await once(socket, 'data')
      t.match(String(answer), /^HTTP\/1\.1 200/)
    }
    socket.destroy()
  }
})

t.test('a stream over HTTP/1.1 is the same stream', async t => {
  const hub = await startHub(t)
  const client = await Http1Client.connect(t, hub)
  client.send('GET /topics/a', ['accept: text/event-stream'])
  t.match(await client.head(), { status: 200, headers: { 'content-type': 'text/event-stream' } })
  await client.bodyUntil('event: millrace:open')
  const id = await hub.publish('a', 'hello')
  t.match(await client.bodyUntil(`id: ${id}\n`), `data: hello\nid: ${id}\n`)
})

t.test('a certificate is replaced while a stream goes on', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-tls-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  for (const name of ['old', 'new']) await openCertificates({ certsDir: join(dir, name) })
  const inUse = join(dir, 'in-use')
  cpSync(join(dir, 'old'), inUse, { recursive: true })
  const config = {
    ...DEFAULTS,
    log: 'memory:',
    port: 0,
    cert: join(inUse, 'cert.pem'),
    key: join(inUse, 'key.pem'),
    drainMs: 0,
  }
  const server = await startServer(config, pino({ level: 'silent' }))
  t.teardown(() => server.close())
  const ca = ['old', 'new'].map(name => readFileSync(join(dir, name, 'ca.pem'), 'utf8'))
  const hub = { url: server.url, ca: ca.join('\n') } as TestHub
  const fingerprintIn = (name: string): string =>
    new X509Certificate(readFileSync(join(dir, name, 'cert.pem'))).fingerprint256
  const presented = async (): Promise<string> => {
    const socket = await handshake(hub, { ca })
    const { fingerprint256 } = socket.getPeerX509Certificate()!
    socket.destroy()
    return fingerprint256
  }

  const client = new Http2Client(t, hub, { ca })
  const stream = await client.listen('/topics/a')
  t.equal(await presented(), fingerprintIn('old'))
  cpSync(join(dir, 'new'), inUse, { recursive: true })
  await server.reload()
  t.equal(await presented(), fingerprintIn('new'))
  t.equal((await client.post('/topics/a', 'after')).status, 201)
  let text = ''
  for await (const chunk of stream) {
    text += String(chunk)
    if (text.includes('data: after\n')) break
  }
  t.match(text, /^event: millrace:open[^]*data: after\n/)

  t.test('and one that cannot be used changes nothing', async t => {
    cpSync(join(dir, 'old', 'key.pem'), join(inUse, 'key.pem'))
    await t.rejects(server.reload(), { code: 'MILLRACE_CERTIFICATE_UNUSABLE' })
    t.equal(await presented(), fingerprintIn('new'))
  })
})

t.test('tls: false serves plain HTTP/1.1', async t => {
  const hub = await startHub(t, { tls: false })
  t.match(hub.url, /^http:/)
  const client = await Http1Client.connect(t, hub)
  client.send('POST /topics/a', ['content-length: 5'])
  client.socket.write('hello')
  t.equal((await client.answer()).status, 201)
  client.send('GET /topics/a')
  t.match(JSON.parse((await client.answer()).text), { events: [{ data: 'hello' }] })
  client.send('GET /nothing')
  await expectProblem(t, await client.answer(), 'MILLRACE_NOT_FOUND')
  client.send('GET /topics/a?after=earliest', ['accept: text/event-stream'])
  await client.bodyUntil('data: hello\n')
  const closed = once(client.socket, 'close')
  await hub.server.close()
  await client.bodyUntil('event: millrace:bye')
  await closed
})
