// Bodies that are cut half-way, anywhere and in any manner: of a single event nothing is published, of lines exactly
// those that were complete, and no half of one.

import fc from 'fast-check'
import t from 'tap'
import { Http1Client } from '../support/http1-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { metricIs } from '../support/metrics.ts'
import { holds } from '../support/properties.ts'
import { CODE, FLAG, FRAME, frame, RawHttp2 } from '../support/raw-http2.ts'

const NDJSON = [['content-type', 'application/x-ndjson']] as const
const LINES = Array.from({ length: 20 }, (_, number) => `{"number":${number},"text":"${'ü'.repeat(number)}"}`)
const BODY = Buffer.from(`${LINES.join('\n')}\n`)

/** The body up to `end`, in frames of any size. */
function pieces(stream: number, end: number, sizes: readonly number[]): Buffer {
  const frames: Buffer[] = []
  for (let from = 0, at = 0; from < end; at++) {
    const to = Math.min(end, from + sizes[at % sizes.length]!)
    frames.push(frame(FRAME.data, 0, stream, BODY.subarray(from, to)))
    from = to
  }
  return Buffer.concat(frames)
}

async function published(hub: TestHub, topic: string): Promise<string[]> {
  const page = (await (await hub.fetch(`/topics/${topic}`)).json()) as { events: { data: unknown }[] }
  return page.events.map(({ data }) => JSON.stringify(data))
}

/** Throws unless the topic holds complete lines of what was sent, from the first on. */
async function isPrefix(hub: TestHub, topic: string, end: number): Promise<number> {
  const complete = BODY.subarray(0, end).toString().split('\n').length - 1
  const kept = await published(hub, topic)
  const wanted = LINES.slice(0, kept.length)
  if (kept.length > complete || kept.some((line, at) => line !== wanted[at])) {
    throw new Error(`of ${complete} lines these are kept: ${kept.join('\n')}`)
  }
  return kept.length
}

const CANCEL = Buffer.from([0, 0, 0, CODE.cancel])

const cuts = fc.record({
  end: fc.integer({ min: 0, max: BODY.length - 1 }),
  sizes: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 }),
  goodbye: fc.constantFrom('reset', 'taken back', 'no error', 'too short', 'nonsense', 'gone'),
})

function bye(raw: RawHttp2, goodbye: string): void {
  if (goodbye === 'reset') raw.send(frame(FRAME.reset, 0, 1, CANCEL))
  if (goodbye === 'taken back') {
    // As Node's client does: it ends the body of a request that is aborted, and then resets the stream.
    for (const id of [1, 3])
      raw.send(frame(FRAME.data, FLAG.endStream, id), frame(FRAME.reset, 0, id, CANCEL))
  }
  if (goodbye === 'no error') raw.send(frame(FRAME.reset, 0, 1, Buffer.alloc(4)))
  if (goodbye === 'too short') raw.send(frame(FRAME.data, FLAG.endStream, 1))
  if (goodbye === 'nonsense') raw.send(frame(FRAME.ping, 0, 0, Buffer.alloc(7)))
  if (goodbye === 'gone') raw.cut()
}

t.test('over HTTP/2', async t => {
  const hub = await startHub(t)
  let topics = 0
  const property = fc.asyncProperty(cuts, async ({ end, sizes, goodbye }) => {
    const topic = `cut-${topics++}`
    // Half are sent to the end before they are cut, so that the hub has lines to publish.
    for (const waits of [false, true]) {
      const name = `${topic}-${waits}`
      const raw = await RawHttp2.connect(t, hub)
      const length = goodbye === 'too short' ? ([['content-length', String(BODY.length)]] as const) : []
      raw.request(1, `/topics/${name}`, 'POST', [...NDJSON, ...length])
      raw.request(3, `/topics/${name}-whole`, 'POST', length)
      raw.send(pieces(1, end, sizes), pieces(3, end, sizes))
      if (waits) {
        raw.request(5, '/healthz')
        await raw.status(5)
      }
      bye(raw, goodbye)
      raw.cut()
      await isPrefix(hub, name, end)
    }
  })
  await holds(t, property, { numRuns: 60 })
  await metricIs(hub, 'millrace_connections', 1)
  const { topics: kept } = (await (await hub.fetch('/topics?limit=1000')).json()) as {
    topics: { topic: string }[]
  }
  t.same(
    kept.filter(({ topic }) => topic.endsWith('-whole')),
    [],
  )
  t.ok(kept.length > 10, `lines of ${kept.length} uploads were kept`)
})

t.test('over HTTP/2, a client that is still there learns how many lines were kept', async t => {
  const hub = await startHub(t, { bodyTimeoutMs: 200 })
  const raw = await RawHttp2.connect(t, hub)
  raw.request(1, '/topics/acknowledged', 'POST', NDJSON)
  raw.send(pieces(1, BODY.length - 5, [100]))
  t.equal(await raw.status(1), 408)
  t.equal(await isPrefix(hub, 'acknowledged', BODY.length - 5), LINES.length - 1)
})

t.test('over HTTP/1.1', async t => {
  const hub = await startHub(t)
  let topics = 0
  const property = fc.asyncProperty(cuts, fc.boolean(), async ({ end }, isChunked) => {
    const topic = `cut-${topics++}`
    const part = BODY.subarray(0, end)
    for (const [name, type] of [
      [topic, 'application/x-ndjson'],
      [`${topic}-whole`, 'text/plain'],
    ] as const) {
      const client = await Http1Client.connect(t, hub)
      const framing = isChunked ? 'transfer-encoding: chunked' : `content-length: ${BODY.length}`
      client.send(`POST /topics/${name}`, [`content-type: ${type}`, framing])
      const chunk = Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')])
      if (part.length > 0) client.socket.write(isChunked ? chunk : part)
      await new Promise<void>(resolve => client.socket.end(resolve))
      client.socket.destroy()
    }
    await isPrefix(hub, topic, end)
  })
  await holds(t, property, { numRuns: 60 })
  await metricIs(hub, 'millrace_connections', 1)
  const { topics: kept } = (await (await hub.fetch('/topics?limit=1000')).json()) as {
    topics: { topic: string }[]
  }
  t.same(
    kept.filter(({ topic }) => topic.endsWith('-whole')),
    [],
  )
  t.ok(kept.length > 10, `lines of ${kept.length} uploads were kept`)
})
