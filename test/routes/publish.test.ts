// One event a request: what is taken, what is refused, and that half a body is never taken for a whole.

import { once } from 'node:events'
import { constants } from 'node:http2'
import t, { type Test } from 'tap'
import { dataOf, pageOf } from '../support/history.ts'
import { Http1Client } from '../support/http1-client.ts'
import { answerTo, Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metricIs } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'

const MAX_BODY_BYTES = 100_000

const small = (t: Test): Promise<TestHub> => startHub(t, { maxBodyBytes: MAX_BODY_BYTES })

t.test('the body is the data', async t => {
  const hub = await startHub(t)
  const post = (topic: string, body: string, type?: string) =>
    hub.fetch(`/topics/${topic}`, {
      method: 'POST',
      body: Buffer.from(body),
      ...(type !== undefined && { headers: { 'content-type': type } }),
    })
  for (const [title, type, sent, kept] of [
    ['text', 'text/plain', 'Grüße\r\n\u{1F30A}', 'Grüße\r\n\u{1F30A}'],
    ['text without a content type', undefined, '{"not": parsed', '{"not": parsed'],
    ['what `curl -d` sends, untouched', 'application/x-www-form-urlencoded', 'a=1&b=%20+', 'a=1&b=%20+'],
    ['text in UTF-8 that says so', 'text/plain; charset="UTF-8"', 'ü', 'ü'],
    ['XML', 'application/atom+xml', '<a/>', '<a/>'],
    ['JSON as it was written', 'application/json', ' {"b": 1.0, "a": [1e2]} ', { b: 1, a: [100] }],
    ['JSON of a named kind', 'application/cloudevents+json; charset=utf-8', '"x"', 'x'],
    ['nothing', 'text/plain', '', ''],
    ['nothing, without a content type', undefined, '', ''],
    ['a byte order mark', 'text/plain', '\uFEFFx', '\uFEFFx'],
    ['NUL and other control characters', 'text/plain', 'a\0b\u001b', 'a\0b\u001b'],
  ] as const) {
    const topic = encodeURIComponent(title)
    const response = await post(topic, sent, type)
    t.equal(response.status, 201, title)
    const { id } = (await response.json()) as { id: string }
    const { events } = await pageOf(hub, topic)
    t.match(events, [{ id, topic: title, data: kept }], title)
    t.equal(events.length, 1)
  }
})

t.test('the answer names the event', async t => {
  const hub = await startHub(t)
  const response = await hub.fetch('/topics/a/b', { method: 'POST', body: 'x' })
  t.equal(response.status, 201)
  t.match(response.headers.get('content-type'), /^application\/json/)
  t.match(await response.json(), { id: /^[0-9a-z]{11}-[0-9a-z]{11}$/, topic: 'a/b' })
})

t.test('?type= names the SSE event', async t => {
  const hub = await startHub(t)
  for (const type of ['update', 'ü', 'a b', 'x'.repeat(128), 'millrace']) {
    const path = `/topics/typed?type=${encodeURIComponent(type)}`
    t.equal((await hub.fetch(path, { method: 'POST', body: '' })).status, 201, type)
    t.equal((await pageOf(hub, 'typed')).events.at(-1)?.type, type)
  }
  for (const type of ['', 'x'.repeat(129), 'a\nb', 'a\rb', '\0', '\u0085', 'millrace:open']) {
    const path = `/topics/typed?type=${encodeURIComponent(type)}`
    await expectProblem(t, await hub.fetch(path, { method: 'POST', body: '' }), 'MILLRACE_TYPE_INVALID')
  }
  const twice = await hub.fetch('/topics/typed?type=a&type=b', { method: 'POST', body: '' })
  await expectProblem(t, twice, 'MILLRACE_REQUEST_INVALID')
  t.equal((await pageOf(hub, 'typed')).events.length, 5)
})

t.test('a body that is not what it says it is gets refused, never mended', async t => {
  const hub = await startHub(t)
  for (const [code, type, body] of [
    ['MILLRACE_JSON_INVALID', 'application/json', '{"a":1'],
    ['MILLRACE_JSON_INVALID', 'application/json', ''],
    ['MILLRACE_JSON_INVALID', 'application/json', '{"a":1} {"b":2}'],
    ['MILLRACE_NOT_UTF8', 'text/plain', Buffer.from('gr\xfc\xdfe', 'latin1')],
    ['MILLRACE_NOT_UTF8', 'application/json', Buffer.from('"\xfc"', 'latin1')],
    ['MILLRACE_NOT_UTF8', 'text/plain', Buffer.from([0xed, 0xa0, 0x80])],
    ['MILLRACE_NOT_UTF8', 'text/plain', Buffer.from('ü').subarray(0, 1)],
    ['MILLRACE_MEDIA_TYPE_UNSUPPORTED', 'application/octet-stream', 'x'],
    ['MILLRACE_MEDIA_TYPE_UNSUPPORTED', 'image/png', 'x'],
    ['MILLRACE_MEDIA_TYPE_UNSUPPORTED', 'multipart/form-data; boundary=b', '--b--'],
    ['MILLRACE_MEDIA_TYPE_UNSUPPORTED', 'text/plain; charset=iso-8859-1', 'x'],
    ['MILLRACE_MEDIA_TYPE_UNSUPPORTED', 'application/json; charset=utf-16', '1'],
    ['MILLRACE_MEDIA_TYPE_UNSUPPORTED', 'nonsense', 'x'],
  ] as const) {
    const headers = { 'content-type': type }
    const problem = await expectProblem(
      t,
      await hub.fetch('/topics/a', { method: 'POST', body, headers }),
      code,
    )
    t.ok(problem.detail.length > 10, problem.detail)
  }
  const headers = { 'content-type': 'text/plain', 'content-encoding': 'gzip' }
  const packed = await hub.fetch('/topics/a', { method: 'POST', body: 'x', headers })
  await expectProblem(t, packed, 'MILLRACE_MEDIA_TYPE_UNSUPPORTED')
  t.same(await dataOf(hub, 'a'), [])
})

t.test('JSON that is larger than what V8 counts exactly stays as it was written on a stream', async t => {
  const hub = await startHub(t)
  const data = '{"n":12345678901234567890,"n":1.10}'
  await hub.publish('exact', data, { 'content-type': 'application/json' })
  t.match(await (await hub.fetch('/topics/exact')).text(), `"data":${data}`)
})

t.test('a body may be maxBodyBytes long and no longer', async t => {
  const hub = await small(t)
  const client = new Http2Client(t, hub)
  const plain = await Http1Client.connect(t, hub)
  t.test('over HTTP/2, whose connection stays usable', async t => {
    t.equal((await client.post('/topics/h2', 'x'.repeat(MAX_BODY_BYTES))).status, 201)
    for (const excess of [1, 1_000_000]) {
      const answer = await client.post('/topics/h2', 'x'.repeat(MAX_BODY_BYTES + excess))
      await expectProblem(t, answer, 'MILLRACE_BODY_TOO_LARGE')
    }
    t.equal((await client.post('/topics/h2', 'after')).status, 201)
    t.same(
      (await dataOf(hub, 'h2')).map(data => String(data).length),
      [MAX_BODY_BYTES, 5],
    )
  })
  t.test('over HTTP/1.1', async t => {
    plain.send('POST /topics/h1', [`content-length: ${MAX_BODY_BYTES}`])
    plain.socket.write('x'.repeat(MAX_BODY_BYTES))
    t.equal((await plain.answer()).status, 201)
    for (const excess of [1, 1_000_000]) {
      plain.send('POST /topics/h1', [`content-length: ${MAX_BODY_BYTES + excess}`])
      plain.socket.write('x'.repeat(MAX_BODY_BYTES + excess))
      await expectProblem(t, await plain.answer(), 'MILLRACE_BODY_TOO_LARGE')
    }
    plain.send('POST /topics/h1', ['content-length: 5'])
    plain.socket.write('after')
    t.equal((await plain.answer()).status, 201)
    t.equal((await dataOf(hub, 'h1')).length, 2)
  })
  t.test('in pieces without a length, too', async t => {
    const chunked = await Http1Client.connect(t, hub)
    chunked.send('POST /topics/chunked', ['transfer-encoding: chunked'])
    const piece = `4e20\r\n${'x'.repeat(20_000)}\r\n`
    for (let sent = 0; sent <= MAX_BODY_BYTES; sent += 20_000) chunked.socket.write(piece)
    await expectProblem(t, await chunked.answer(), 'MILLRACE_BODY_TOO_LARGE')
    t.same(await dataOf(hub, 'chunked'), [])
  })
})

t.test('a client that never ends a body that is too large gets its answer all the same', async t => {
  const hub = await small(t)
  const stream = new Http2Client(t, hub).open('/topics/endless', { ':method': 'POST' }, false)
  stream.write('x'.repeat(MAX_BODY_BYTES + 1))
  await expectProblem(t, await answerTo(stream), 'MILLRACE_BODY_TOO_LARGE')
  const plain = await Http1Client.connect(t, hub)
  plain.send('POST /topics/endless', ['content-length: 1000000'])
  plain.socket.write('x'.repeat(MAX_BODY_BYTES + 1))
  await expectProblem(t, await plain.answer(), 'MILLRACE_BODY_TOO_LARGE')
})

t.test('half a body is not published', async t => {
  const hub = await startHub(t)
  const half = 'half of an eve'
  t.test('when an HTTP/2 stream is reset', async t => {
    for (const headers of [{}, { 'content-length': '28' }]) {
      for (const goodbye of ['close', 'destroy'] as const) {
        const client = new Http2Client(t, hub)
        const stream = client.open('/topics/cut', { ':method': 'POST', ...headers }, false)
        stream.write(half)
        await client.roundTrip()
        // `close` ends the body and then resets the stream, `destroy` resets it only.
        if (goodbye === 'close') stream.close(constants.NGHTTP2_CANCEL)
        else stream.destroy()
        await once(stream, 'close')
        t.equal((await client.get('/healthz')).status, 200)
      }
    }
  })
  t.test('when a fetch is aborted, or its source fails', async t => {
    for (const way of ['abort', 'error']) {
      const abort = new AbortController()
      const body = new ReadableStream<Uint8Array>({
        async pull(source) {
          source.enqueue(Buffer.from(half))
          await hub.fetch('/healthz')
          if (way === 'abort') abort.abort()
          else source.error(new Error('no more'))
        },
      })
      const { signal } = abort
      await t.rejects(hub.fetch('/topics/cut', { method: 'POST', body, duplex: 'half', signal }))
    }
  })
  t.test('when an HTTP/2 connection is cut', async t => {
    const client = new Http2Client(t, hub)
    client.open('/topics/cut', { ':method': 'POST' }, false).write(half)
    await client.roundTrip()
    client.session.destroy()
  })
  t.test('when an HTTP/1.1 connection is cut', async t => {
    for (const header of ['content-length: 28', 'transfer-encoding: chunked']) {
      for (const goodbye of ['end', 'destroy'] as const) {
        const client = await Http1Client.connect(t, hub)
        client.send('POST /topics/cut', [header])
        client.socket.write(header.startsWith('content') ? half : `e\r\n${half}\r\n`)
        await new Promise<void>(resolve => void client.socket.write('', () => resolve()))
        const closed = once(client.socket, 'close')
        client.socket[goodbye]()
        await closed
      }
    }
  })
  // The one connection that asks is the one that is left.
  await metricIs(hub, 'millrace_connections', 2)
  t.same(await dataOf(hub, 'cut'), [])
  t.equal(await hub.fetch('/topics/cut', { method: 'HEAD' }).then(({ status }) => status), 404)
})
