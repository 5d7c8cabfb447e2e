// Request heads that no client should send: huge, malformed, ambiguous. Each is refused as the client's fault or not
// answered at all; none is a 500, and none lets a second request in under cover of the first.

import t from 'tap'
import { Http1Client } from '../support/http1-client.ts'
import { Http2Client } from '../support/http2-client.ts'
import { startHub } from '../support/hub.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { FLAG, FRAME, frame, headerBlock, RawHttp2, requestBlock } from '../support/raw-http2.ts'
import { startVictim, survives } from '../support/victim.ts'

type Fields = readonly (readonly [string, string])[]

const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'localhost'],
]

const MALFORMED: Readonly<Record<string, Fields>> = {
  'no path': GET,
  'an empty path': [...GET, [':path', '']],
  'two paths': [...GET, [':path', '/healthz'], [':path', '/metrics']],
  'no method': [...GET.slice(1), [':path', '/healthz']],
  'no scheme': [GET[0]!, [':path', '/healthz']],
  'a pseudo-header that nobody knows': [...GET, [':path', '/healthz'], [':evil', 'x']],
  'a pseudo-header after a plain one': [...GET, ['x', 'y'], [':path', '/healthz']],
  'a status': [...GET, [':path', '/healthz'], [':status', '200']],
  'upper case': [...GET, [':path', '/healthz'], ['X-Upper', 'x']],
  'a path with a line end': [...GET, [':path', '/healthz\r\nx: y']],
  'a path with NUL': [...GET, [':path', '/topics/a\0b']],
  'a method with a space': [[':method', 'GET /'], ...GET.slice(1), [':path', '/healthz']],
  'connection headers': [...GET, [':path', '/healthz'], ['connection', 'keep-alive']],
  'transfer-encoding': [...GET, [':path', '/healthz'], ['transfer-encoding', 'chunked']],
  'a length that is none': [...GET, [':path', '/healthz'], ['content-length', 'x']],
  'a length that is not met': [...GET, [':path', '/healthz'], ['content-length', '5']],
  'two lengths': [...GET, [':path', '/healthz'], ['content-length', '0'], ['content-length', '1']],
}

// Unusual, and either way is fine as long as it is no 500. HTTP/2 leaves out fields that are not valid.
const ODD: Readonly<Record<string, Fields>> = {
  CONNECT: [
    [':method', 'CONNECT'],
    [':authority', 'localhost:1'],
  ],
  'extended CONNECT': [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1), [':path', '/']],
  'OPTIONS *': [[':method', 'OPTIONS'], ...GET.slice(1), [':path', '*']],
  'a path without a slash': [...GET, [':path', 'healthz']],
  'an absolute path': [...GET, [':path', 'https://localhost/healthz']],
  'bytes beyond ASCII': [...GET, [':path', '/topics/\xff\xfe']],
  'broken percent signs': [...GET, [':path', '/topics/%E0%A4%A']],
  'an unknown method': [[':method', 'BREW'], ...GET.slice(1), [':path', '/']],
  'a scheme that is none': [GET[0]!, [':scheme', 'ht!tp'], GET[2]!, [':path', '/healthz']],
  'two hosts': [...GET, [':path', '/healthz'], ['host', 'a'], ['host', 'b']],
  'two cursors': [...GET, [':path', '/topics/a'], ['last-event-id', 'a'], ['last-event-id', 'b']],
  'an Expect': [...GET, [':path', '/healthz'], ['expect', '100-continue']],
  'an Expect that is none': [...GET, [':path', '/healthz'], ['expect', 'the unexpected']],
  'a name of nothing': [...GET, [':path', '/healthz'], ['', 'x']],
  'a name with a space': [...GET, [':path', '/healthz'], ['a b', 'x']],
  'a name with a line end': [...GET, [':path', '/healthz'], ['a\r\nb', 'x']],
  'a value with a line end': [...GET, [':path', '/healthz'], ['a', 'x\r\ny: z']],
  'a value with NUL': [...GET, [':path', '/healthz'], ['a', 'x\0']],
  'names of Object': [
    ...GET,
    [':path', '/feed?__proto__=1&constructor=2&topic=__proto__'],
    ['__proto__', 'x'],
  ],
}

t.test('malformed heads over HTTP/2', async t => {
  const hub = await startVictim(t)
  await survives(t, hub, async () => {
    for (const [name, fields] of Object.entries({ ...MALFORMED, ...ODD })) {
      const raw = await RawHttp2.connect(t, hub)
      raw.send(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, headerBlock(fields)))
      const status = await Promise.race([raw.status(1), raw.resetCode(1).catch(() => 0)]).catch(() => 0)
      const refusal = status < 200 || (status >= 400 && status < 500)
      t.ok(name in ODD ? status < 500 : refusal, `${name}: ${status < 200 ? 'reset' : status}`)
      raw.cut()
    }
  })
})

t.test('huge heads over HTTP/2', async t => {
  const hub = await startVictim(t)
  // Entries of the dynamic table: one of 4 kB, named again and again by a byte (RFC 7541, 6.1).
  const entry = Buffer.concat([
    Buffer.from([0x40, 1]),
    Buffer.from('a'),
    Buffer.from([127, 0xa1, 0x1e]),
    Buffer.alloc(4000, 'x'),
  ])
  const bomb = Buffer.concat([requestBlock('/healthz'), entry, Buffer.alloc(12_000, 0x80 | 62)])
  const many = Array.from({ length: 1500 }, (_, number) => [`x-${number}`, 'y'] as const)
  for (const [name, block] of [
    ['a bomb of compressed fields', bomb],
    ['1,500 fields', requestBlock('/healthz', 'GET', many)],
    ['a value of 60 kB', requestBlock('/healthz', 'GET', [['x', 'y'.repeat(60_000)]])],
    ['a path of 60 kB', requestBlock(`/topics/${'y'.repeat(60_000)}`)],
    ['a value of 1 MB', requestBlock('/healthz', 'GET', [['x', 'y'.repeat(1_000_000)]])],
  ] as const) {
    await t.test(name, async t => {
      await survives(t, hub, async () => {
        for (let connection = 0; connection < 10; connection++) {
          const raw = await RawHttp2.connect(t, hub)
          const pieces = Array.from({ length: Math.ceil(block.length / 16_000) }, (_, at) =>
            block.subarray(at * 16_000, at * 16_000 + 16_000),
          )
          for (const [at, piece] of pieces.entries()) {
            const flags = at === pieces.length - 1 ? FLAG.endHeaders : 0
            const type = at === 0 ? FRAME.headers : FRAME.continuation
            raw.send(frame(type, at === 0 ? flags | FLAG.endStream : flags, 1, piece))
          }
          const status = await Promise.race([raw.status(1), raw.resetCode(1).catch(() => 0)]).catch(() => 0)
          t.ok(status < 200 || status === 431, `it is ${status < 200 ? 'cut off' : status}`)
          raw.cut()
        }
      })
    })
  }
})

t.test('a request within a request over HTTP/1.1', async t => {
  const hub = await startHub(t)
  const inner = 'POST /topics/smuggled HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\nx'
  const chunks = `0\r\n\r\n${inner}`
  for (const [name, head, body = chunks] of [
    ['both a length and chunks', `content-length: ${chunks.length}\r\ntransfer-encoding: chunked`],
    ['chunks and a length', `transfer-encoding: chunked\r\ncontent-length: ${chunks.length}`],
    ['two lengths', `content-length: 0\r\ncontent-length: ${chunks.length}`],
    ['a list of lengths', `content-length: 0, ${chunks.length}`],
    ['a signed length', 'content-length: +0'],
    ['a length in hex', 'content-length: 0x0'],
    ['an encoding that is not the last', 'transfer-encoding: chunked, identity'],
    ['an encoding with a trick', 'transfer-encoding: xchunked'],
    ['an encoding in the next line', 'transfer-encoding:\r\n chunked'],
    ['a space before the colon', `content-length : ${chunks.length}`],
    ['a bare CR', 'x: y\rcontent-length: 0'],
    ['a bare LF', `x: y\ncontent-length: 0`],
    ['NUL', 'x: y\0\r\ncontent-length: 0'],
    ['a chunk with a size that overflows', 'transfer-encoding: chunked', `fffffffffffffffff\r\n${inner}`],
    ['a chunk with a negative size', 'transfer-encoding: chunked', `-1\r\n${inner}`],
    ['a chunk with a bare LF', 'transfer-encoding: chunked', `0\n\n${inner}`],
    [
      'a chunk with a huge extension',
      'transfer-encoding: chunked',
      `1;${'x'.repeat(200_000)}\r\nx\r\n0\r\n\r\n${inner}`,
    ],
  ] as readonly (readonly [name: string, head: string, body?: string])[]) {
    const client = await Http1Client.connect(t, hub)
    client.socket.write(`POST /topics/outer HTTP/1.1\r\nhost: localhost\r\n${head}\r\n\r\n${body}`)
    const answer = await client.answer()
    t.ok(answer.status >= 400 && answer.status < 500, `${name}: ${answer.status}`)
    if (!client.socket.closed) await new Promise(resolve => client.socket.once('close', resolve))
    t.equal((await hub.fetch('/topics/smuggled', { method: 'HEAD' })).status, 404)
  }
})

t.test('stallTimeoutMs: requests one after another over HTTP/1.1, and no answer is read', async t => {
  const hub = await startVictim(t, ['--stall-timeout-ms=500'])
  for (let number = 0; number < 3; number++) await hub.publish('flood', 'x'.repeat(100_000))
  // Of the many, Node reads a thousand and then gives up by itself.
  for (const requests of [200, 20_000]) {
    await survives(t, hub, async () => {
      const client = await Http1Client.connect(t, hub)
      client.socket.pause()
      for (let number = 0; number < requests; number++) client.send('GET /topics/flood')
      await metricIs(hub, 'millrace_connections', 2)
      await metricIs(hub, 'millrace_connections', 1)
    })
  }
  t.equal(await metric(hub, 'millrace_abuse_total{reason="unread"}'), 1)
})

t.test('what clients send comes back in no header', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  const evil = 'a%0d%0aset-cookie:%20evil=1%0d%0a%0d%0a%00'
  for (const path of [
    `/topics/${evil}`,
    `/topics/a?after=${evil}`,
    `/topics/a?lastEventId=${evil}`,
    `/topics/a?limit=${evil}`,
    `/topics?after=${evil}&limit=1`,
    `/topics?match=${evil}`,
    `/feed?topic=${evil}`,
    `/${evil}`,
  ]) {
    const plain = await Http1Client.connect(t, hub)
    plain.send(`GET ${path}`)
    const head = await plain.head()
    for (const { status, headers } of [await client.get(path), head]) {
      t.ok(status < 500, `${path}: ${status}`)
      t.notOk('set-cookie' in headers || Object.values(headers).some(value => String(value).includes('evil')))
    }
    plain.socket.destroy()
  }
})
