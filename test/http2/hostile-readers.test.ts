// Clients that ask and do not read, over HTTP/2: windows that stay shut, and more streams than there may be.

import t from 'tap'
import { metric, metricIs } from '../support/metrics.ts'
import { CODE, FLAG, FRAME, frame, RawHttp2, requestBlock, SETTING } from '../support/raw-http2.ts'
import { servesOthers, startVictim, survives, type Victim } from '../support/victim.ts'

const SSE = [['accept', 'text/event-stream']] as const

/** A topic of so many events of 100 kB. */
async function fill(hub: Victim, topic: string, events: number): Promise<void> {
  for (let number = 0; number < events; number++) await hub.publish(topic, 'x'.repeat(100_000))
}

function ids(count: number, from = 1): number[] {
  return Array.from({ length: count }, (_, number) => from + number * 2)
}

t.test('stallTimeoutMs: streams behind a window that stays shut are ended', async t => {
  const hub = await startVictim(t, ['--stall-timeout-ms=300', '--heartbeat-ms=50'])
  await fill(hub, 'flood', 10)
  await survives(t, hub, async () => {
    const raw = await RawHttp2.connect(t, hub, { settings: { [SETTING.initialWindowSize]: 0 } })
    // One has nothing to send but its beginning, one its events, one a page.
    raw.request(1, '/topics/quiet', 'GET', SSE)
    raw.request(3, '/topics/flood?after=earliest', 'GET', SSE)
    raw.request(5, '/topics/flood')
    for (const id of [1, 3, 5]) t.type(await raw.resetCode(id), 'number', `stream ${id} is reset`)
    t.equal(raw.isClosed, false, 'the connection may go on')
    t.equal(await metric(hub, 'millrace_closes_total{reason="stalled"}'), 2)
    t.equal(await metric(hub, 'millrace_abuse_total{reason="unread"}'), 1)
    t.equal(await metric(hub, 'millrace_streams'), 0)
    raw.cut()
  })
})

t.test('stallTimeoutMs: a window that shuts half-way is no different', async t => {
  const hub = await startVictim(t, ['--stall-timeout-ms=300', '--heartbeat-ms=50'])
  await fill(hub, 'flood', 10)
  await survives(t, hub, async () => {
    // The connection's own window has 65,535 bytes, and nobody opens it any further.
    const raw = await RawHttp2.connect(t, hub, { settings: { [SETTING.initialWindowSize]: 2 ** 31 - 1 } })
    raw.request(1, '/topics/flood?after=earliest', 'GET', SSE)
    raw.request(3, '/topics/flood')
    await Promise.all([raw.resetCode(1), raw.resetCode(3)])
    raw.cut()
  })
})

t.test(
  'maxHeldBytesPerConnection: of the pages that nobody reads, a connection gets only so many',
  async t => {
    const hub = await startVictim(t, ['--max-held-bytes-per-connection=1000000'])
    await fill(hub, 'flood', 10)
    await survives(t, hub, async () => {
      const raw = await RawHttp2.connect(t, hub, { settings: { [SETTING.initialWindowSize]: 0 } })
      const all = ids(400)
      raw.send(
        ...all.map(id =>
          frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, id, requestBlock('/topics/flood')),
        ),
      )
      const statuses = await Promise.all(all.map(id => raw.status(id)))
      const served = statuses.filter(status => status === 200).length
      // A page is of up to 256 KiB and one event.
      t.ok(served >= 2 && served <= 5, `${served} of 400 are served`)
      t.equal(statuses.filter(status => status === 429).length, 400 - served)
      t.equal(await metric(hub, 'millrace_abuse_total{reason="held"}'), 400 - served)
      t.ok((await servesOthers(hub)) < 2000)
      // Once they are read there is room again.
      raw.send(frame(FRAME.windowUpdate, 0, 0, Buffer.from([0x0f, 0, 0, 0])))
      for (const id of all.filter((_, at) => statuses[at] === 200)) {
        raw.send(frame(FRAME.windowUpdate, 0, id, Buffer.from([0x0f, 0, 0, 0])))
        await raw.ended(id)
      }
      raw.request(1001, '/topics/flood')
      t.equal(await raw.status(1001), 200)
      raw.cut()
    })
  },
)

t.test('maxHeldBytesPerConnection: bodies that never end count as well', async t => {
  // Node overlooks a reset that comes while it writes: then it takes a PING to see that the client is gone.
  const pings = ['--ping-interval-ms=200', '--ping-timeout-ms=500']
  const hub = await startVictim(t, ['--max-held-bytes-per-connection=1000000', ...pings])
  const piece = frame(FRAME.data, 0, 1, Buffer.alloc(10_000, '"'))
  for (const type of ['text/plain', 'application/x-ndjson']) {
    await survives(t, hub, async () => {
      const raw = await RawHttp2.connect(t, hub)
      const all = ids(100)
      for (const id of all) raw.request(id, '/topics/held', 'POST', [['content-type', type]])
      for (let round = 0; round < 5; round++) {
        for (const id of all) {
          piece.writeUInt32BE(id, 5)
          raw.send(Buffer.from(piece))
        }
      }
      const refused = Promise.all(all.slice(-50).map(id => raw.status(id)))
      t.same(new Set(await refused), new Set([429]), 'what came last is refused')
      t.ok((await servesOthers(hub)) < 2000)
      raw.cut()
    })
  }
  t.equal((await hub.fetch('/topics/held', { method: 'HEAD' })).status, 404, 'nothing was published')
})

t.test('more streams than a connection may have', async t => {
  const hub = await startVictim(t, ['--max-streams-per-connection=256'])
  await t.test('the next ones are refused, those that are there go on', async t => {
    await survives(t, hub, async () => {
      const raw = await RawHttp2.connect(t, hub)
      for (const id of ids(256)) raw.request(id, '/topics/a', 'GET', SSE)
      t.same(new Set(await Promise.all(ids(256).map(id => raw.status(id)))), new Set([200]))
      for (const id of ids(100, 1001)) raw.request(id, '/topics/a', 'GET', SSE)
      t.same(new Set(await Promise.all(ids(100, 1001).map(id => raw.status(id)))), new Set([429]))
      await metricIs(hub, 'millrace_streams', 256)
      t.equal(raw.isClosed, false)
      raw.cut()
    })
  })
  await t.test('whoever goes on for ever is cut off', async t => {
    await survives(t, hub, async () => {
      const raw = await RawHttp2.connect(t, hub)
      for (let from = 1; !raw.isClosed && raw.goawayCode === undefined && from < 100_000; from += 200) {
        const flags = FLAG.endHeaders | FLAG.endStream
        await raw.flood(
          Buffer.concat(
            ids(100, from).map(id => frame(FRAME.headers, flags, id, requestBlock('/topics/a', 'GET', SSE))),
          ),
          1,
        )
      }
      await raw.closed
    })
  })
  await t.test('maxHeldBytesPerConnection: each with as many patterns as it may name', async t => {
    await survives(t, hub, async () => {
      const raw = await RawHttp2.connect(t, hub)
      for (const id of ids(256)) {
        const query = Array.from({ length: 1000 }, (_, number) => `topic=${id}/${number}/*`).join('&')
        raw.request(id, `/feed?${query}`, 'GET', SSE)
      }
      const statuses = await Promise.all(ids(256).map(id => raw.status(id)))
      const served = statuses.filter(status => status === 200).length
      t.ok(served > 10 && served < 50, `${served} of 256 are served`)
      t.equal(statuses.filter(status => status === 429).length, 256 - served)
      t.ok((await servesOthers(hub)) < 2000)
      raw.cut()
    })
  })
})

t.test('a window that overflows, and other nonsense of frames', async t => {
  const hub = await startVictim(t)
  const most = Buffer.from([0x7f, 0xff, 0xff, 0xff])
  for (const [name, bytes] of [
    [
      'a window of more than 2^31',
      Buffer.concat([frame(FRAME.windowUpdate, 0, 0, most), frame(FRAME.windowUpdate, 0, 0, most)]),
    ],
    ['a window that grows by nothing', frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(4))],
    ['a frame that is too large', frame(FRAME.data, 0, 1, Buffer.alloc(100_000))],
    ['DATA on a stream that never was', frame(FRAME.data, 0, 77, Buffer.of(1))],
    ['HEADERS on an even stream', frame(FRAME.headers, FLAG.endHeaders, 2, requestBlock('/'))],
    ['PUSH_PROMISE from a client', frame(5, FLAG.endHeaders, 1, Buffer.alloc(4))],
    ['a SETTINGS frame of five bytes', frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
    ['a PING of seven bytes', frame(FRAME.ping, 0, 0, Buffer.alloc(7))],
    ['CONTINUATION of nothing', frame(FRAME.continuation, FLAG.endHeaders, 1, requestBlock('/'))],
    ['no HPACK at all', frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.alloc(100, 0xff))],
    ['HTTP/1.1 in place of frames', Buffer.from('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(1000))],
  ] as const) {
    const raw = await RawHttp2.connect(t, hub)
    raw.send(bytes)
    await raw.closed
    t.not(raw.goawayCode, CODE.noError, `${name} ends the connection`)
  }
  await survives(t, hub, async () => {})
})
