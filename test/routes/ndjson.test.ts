// Many events a request: lines are published as they come, and the answer says exactly which of them are kept.

import { once } from 'node:events'
import { constants } from 'node:http2'
import t, { type Test } from 'tap'
import { EventReader } from '../support/event-reader.ts'
import { dataOf, pageOf } from '../support/history.ts'
import { Http1Client } from '../support/http1-client.ts'
import { answerTo, Http2Client } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metricIs } from '../support/metrics.ts'
import { expectProblem } from '../support/problem.ts'

const NDJSON = { 'content-type': 'application/x-ndjson' }

const upload = (hub: TestHub, path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  hub.fetch(path, { method: 'POST', body, headers: { ...NDJSON, ...headers } })

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)

const linesOf = (values: readonly unknown[]): string =>
  values.map(value => `${JSON.stringify(value)}\n`).join('')

/** Sends the pieces so that each arrives by itself. */
async function uploadInPieces(client: Http2Client, path: string, pieces: readonly Buffer[]) {
  const stream = client.open(path, { ':method': 'POST', ...NDJSON }, false)
  for (const piece of pieces) {
    stream.write(piece)
    await client.roundTrip()
  }
  stream.end()
  return answerTo(stream)
}

t.test('each line is an event, wherever the network cuts the body', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  const body = Buffer.from('{"ü":"🌊"}\r\n\n"a b"\n\r\n[1,\t2]\n  null  \n-1.5e3')
  const events = [{ ü: '🌊' }, 'a b', [1, 2], null, -1500]
  for (let at = 1; at < body.length; at++) {
    const answer = await uploadInPieces(client, `/topics/cut-at-${at}`, [
      body.subarray(0, at),
      body.subarray(at),
    ])
    t.equal(answer.status, 201)
    t.match(JSON.parse(answer.text), { published: 5, duplicates: 0 })
    t.same(await dataOf(hub, `cut-at-${at}`), events)
  }
  const bytes = Array.from(body, byte => Buffer.from([byte]))
  t.equal((await uploadInPieces(client, '/topics/bytes', bytes)).status, 201)
  t.same(await dataOf(hub, 'bytes'), events)
})

t.test('the answer names the last event; a body without events is fine', async t => {
  const hub = await startHub(t)
  const answer = (await (await upload(hub, '/topics/a?type=tick', linesOf([1, 2, 3]))).json()) as {
    id: string
  }
  const { events } = await pageOf(hub, 'a')
  t.same(answer, { published: 3, duplicates: 0, id: events.at(-1)?.id })
  t.same(
    events.map(event => event.type),
    ['tick', 'tick', 'tick'],
  )
  for (const body of ['', '\n', '\r\n \n']) {
    const response = await upload(hub, '/topics/a', body)
    t.equal(response.status, 201)
    t.same(await response.json(), { published: 0, duplicates: 0 })
  }
})

t.test('a bad line is named; those before it are kept and delivered, those after are not', async t => {
  const hub = await startHub(t, { maxBodyBytes: 1000 })
  for (const [code, line] of [
    ['MILLRACE_JSON_INVALID', '{"a":'],
    ['MILLRACE_JSON_INVALID', '1 2'],
    ['MILLRACE_NOT_UTF8', Buffer.from('"\xfc"', 'latin1')],
    ['MILLRACE_BODY_TOO_LARGE', `"${'x'.repeat(1000)}"`],
    ['MILLRACE_BODY_TOO_LARGE', `"${'x'.repeat(100_000)}"`],
  ] as const) {
    const topic = `${code}-${line.length}`
    const reader = await EventReader.open(hub, `/topics/${topic}`)
    const body = Buffer.concat([Buffer.from('1\n\n2\n'), Buffer.from(line), Buffer.from('\n3\n')])
    const problem = await expectProblem(t, await upload(hub, `/topics/${topic}`, body), code)
    t.match(problem, { line: 4, published: 2, detail: /^Line 4: / })
    t.same(await dataOf(hub, topic), [1, 2])
    t.match(await reader.take(3), [{ event: 'millrace:open' }, { data: '1' }, { data: '2' }])
    reader.close()
  }
})

t.test('a line that does not end is refused as soon as it is too long', async t => {
  const hub = await startHub(t, { maxBodyBytes: 100_000 })
  const client = new Http2Client(t, hub)
  const stream = client.open('/topics/endless', { ':method': 'POST', ...NDJSON }, false)
  stream.write(`1\n"${'x'.repeat(150_000)}`)
  const problem = await expectProblem(t, await answerTo(stream), 'MILLRACE_BODY_TOO_LARGE')
  t.match(problem, { line: 2, published: 1 })
  const plain = await Http1Client.connect(t, hub)
  plain.send('POST /topics/endless', ['content-type: application/x-ndjson', 'content-length: 1000000'])
  plain.socket.write(`1\n"${'x'.repeat(150_000)}`)
  t.match(await expectProblem(t, await plain.answer(), 'MILLRACE_BODY_TOO_LARGE'), { line: 2, published: 1 })
})

t.test('of a body that is cut, exactly the complete lines are kept', async t => {
  const hub = await startHub(t)
  t.test('over HTTP/2', async t => {
    for (const goodbye of ['close', 'destroy'] as const) {
      const client = new Http2Client(t, hub)
      const reader = await EventReader.open(hub, `/topics/h2-${goodbye}`)
      const stream = client.open(`/topics/h2-${goodbye}`, { ':method': 'POST', ...NDJSON }, false)
      stream.write('1\n2\n3\n45')
      t.equal((await reader.take(4)).at(-1)?.data, '3')
      // `close` ends the body and then resets the stream, `destroy` resets it only.
      if (goodbye === 'close') stream.close(constants.NGHTTP2_CANCEL)
      else stream.destroy()
      await once(stream, 'close')
      await client.get('/healthz')
      t.same(await dataOf(hub, `h2-${goodbye}`), [1, 2, 3])
      reader.close()
    }
  })
  t.test('over HTTP/1.1', async t => {
    for (const header of ['content-length: 100', 'transfer-encoding: chunked']) {
      for (const goodbye of ['end', 'destroy'] as const) {
        const topic = `h1-${header.length}-${goodbye}`
        const reader = await EventReader.open(hub, `/topics/${topic}`)
        const client = await Http1Client.connect(t, hub)
        client.send(`POST /topics/${topic}`, ['content-type: application/x-ndjson', header])
        client.socket.write(header.startsWith('content') ? '1\n2\n3\n45' : '8\r\n1\n2\n3\n45\r\n')
        t.equal((await reader.take(4)).at(-1)?.data, '3')
        const closed = once(client.socket, 'close')
        client.socket[goodbye]()
        await closed
        reader.close()
        await metricIs(hub, 'millrace_streams', 0)
        t.same(await dataOf(hub, topic), [1, 2, 3], topic)
      }
    }
  })
})

t.test('events are delivered while the upload goes on', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  const reader = await EventReader.open(hub, '/feed?topic=**')
  await reader.take(1)
  const stream = client.open('/topics/live', { ':method': 'POST', ...NDJSON }, false)
  for (let number = 0; number < 20; number++) {
    stream.write(`${number}\n`)
    const [event] = await reader.take(1)
    t.match(JSON.parse(event?.data ?? ''), { topic: 'live', data: number })
  }
  stream.end()
  t.match(JSON.parse((await answerTo(stream)).text), { published: 20 })
  reader.close()
})

t.test('an upload that is faster than maxPublishRate waits at its sender', async t => {
  const hub = await startHub(t, { maxPublishRate: 1000 })
  const client = new Http2Client(t, hub)
  // Not compressed: inflating it takes this process longer than the upload does.
  const reader = await EventReader.open(hub, '/topics/flood', { 'accept-encoding': 'identity' })
  const stream = client.open('/topics/flood', { ':method': 'POST', ...NDJSON }, false)
  const line = `"${'x'.repeat(10_000)}"\n`
  const startedAt = performance.now()
  stream.end(line.repeat(2000))
  await reader.take(1001)
  t.ok(stream.writableLength > 8_000_000, `${stream.writableLength} bytes of 20 MB wait at the sender`)
  const answer = await answerTo(stream)
  t.equal(answer.status, 201)
  t.match(JSON.parse(answer.text), { published: 2000 })
  // The bucket holds a second's worth to begin with.
  t.ok(performance.now() - startedAt > 900)
  reader.close()
})

t.test('an upload that is repeated with its key goes on where it stopped', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  const key = { 'idempotency-key': 'upload-1' }
  const reader = await EventReader.open(hub, '/topics/resumed')
  const stream = client.open('/topics/resumed', { ':method': 'POST', ...NDJSON, ...key }, false)
  stream.write(linesOf(numbers(0, 500)))
  await reader.take(501)
  stream.close(constants.NGHTTP2_CANCEL)
  await once(stream, 'close')
  for (const duplicates of [500, 1000]) {
    const response = await upload(hub, '/topics/resumed', linesOf(numbers(0, 1000)), key)
    t.equal(response.status, 201)
    const { events } = await pageOf(hub, 'resumed')
    t.same(await response.json(), { published: 1000, duplicates, id: events.at(-1)?.id })
    t.same(
      events.map(event => event.data),
      numbers(0, 1000),
    )
  }
  const mended = { 'idempotency-key': 'upload-2' }
  const bad = await upload(hub, '/topics/mended', '1\n2\noops\n4\n', mended)
  t.match(await expectProblem(t, bad, 'MILLRACE_JSON_INVALID'), { line: 3, published: 2 })
  const good = await upload(hub, '/topics/mended', '1\n2\n3\n4\n', mended)
  t.match(await good.json(), { published: 4, duplicates: 2 })
  t.same(await dataOf(hub, 'mended'), [1, 2, 3, 4])
  const other = await upload(hub, '/topics/mended', '\n\n5\n', mended)
  const problem = await expectProblem(t, other, 'MILLRACE_KEY_REUSED')
  t.match(problem, { published: 0 })
  t.notOk('line' in problem, 'it is about the request, not about a line')
  reader.close()
})

t.test('/events takes lines that name their topic', async t => {
  const hub = await startHub(t)
  const reader = await EventReader.open(hub, '/feed?topic=**')
  const sent = [
    { topic: 'a', data: 'text' },
    { topic: 'b/c', data: { json: [1, null] }, type: 'update' },
    { topic: 'a', data: '{"text":"that looks like JSON"}' },
    { topic: 'ü', data: null },
    { topic: 'a', data: 0 },
    { topic: 'a', data: '' },
  ]
  const answer = await upload(hub, '/events', linesOf(sent))
  t.match(await answer.json(), { published: sent.length, duplicates: 0, id: /-/ })
  const events = (await reader.take(sent.length + 1)).slice(1).map(event => JSON.parse(event.data) as object)
  t.match(events, sent)
  t.match(await pageOf(hub, 'b/c'), { events: [{ type: 'update', data: { json: [1, null] } }] })
  reader.close()
})

t.test('/events says what is wrong with a line', async t => {
  const hub = await startHub(t)
  const good = '{"topic":"good","data":1}\n'
  for (const [code, line] of [
    ['MILLRACE_JSON_INVALID', '{topic:"a"}'],
    ['MILLRACE_LINE_INVALID', '"a"'],
    ['MILLRACE_LINE_INVALID', '[]'],
    ['MILLRACE_LINE_INVALID', 'null'],
    ['MILLRACE_LINE_INVALID', '{}'],
    ['MILLRACE_LINE_INVALID', '{"topic":"a"}'],
    ['MILLRACE_LINE_INVALID', '{"topic":7,"data":1}'],
    ['MILLRACE_LINE_INVALID', '{"topic":"a","data":1,"type":null}'],
    ['MILLRACE_LINE_INVALID', '{"topic":"a","data":1,"id":"x"}'],
    ['MILLRACE_LINE_INVALID', '{"topic":"a","data":"\\ud800"}'],
    ['MILLRACE_TOPIC_INVALID', '{"topic":"","data":1}'],
    ['MILLRACE_TOPIC_INVALID', '{"topic":"a/*","data":1}'],
    ['MILLRACE_TOPIC_INVALID', '{"topic":"\\ud800","data":1}'],
    ['MILLRACE_TOPIC_INVALID', `{"topic":"${'x'.repeat(257)}","data":1}`],
    ['MILLRACE_TYPE_INVALID', '{"topic":"a","data":1,"type":""}'],
    ['MILLRACE_TYPE_INVALID', '{"topic":"a","data":1,"type":"millrace:reset"}'],
    ['MILLRACE_TYPE_INVALID', '{"topic":"a","data":1,"type":"a\\nid: 7"}'],
  ] as const) {
    const problem = await expectProblem(t, await upload(hub, '/events', `${good}${line}\n${good}`), code)
    t.match(problem, { line: 2, published: 1 }, line)
  }
  t.equal((await dataOf(hub, 'good')).length, 17)
  const text = await hub.fetch('/events', { method: 'POST', body: good })
  await expectProblem(t, text, 'MILLRACE_MEDIA_TYPE_UNSUPPORTED')
})

t.test('/events keeps the lines before one that is not granted', async t => {
  const hub = await startHub(t, { anonymousPublish: ['open/**'] })
  const body = linesOf(['open/a', 'open/b', 'closed', 'open/c'].map(topic => ({ topic, data: 1 })))
  const problem = await expectProblem(t, await upload(hub, '/events', body), 'MILLRACE_FORBIDDEN')
  t.match(problem, { line: 3, published: 2 })
  await expectProblem(t, await upload(hub, '/topics/closed', '1\n'), 'MILLRACE_FORBIDDEN')
  t.match(await (await hub.fetch('/topics')).json(), { topics: [{ topic: 'open/a' }, { topic: 'open/b' }] })
})

t.test('a state is one value, not lines', async (t: Test) => {
  const hub = await startHub(t)
  const response = await hub.fetch('/topics/a', { method: 'PUT', body: '1\n', headers: NDJSON })
  await expectProblem(t, response, 'MILLRACE_MEDIA_TYPE_UNSUPPORTED')
})
