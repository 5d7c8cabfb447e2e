// Floods of frames that cost a client nothing: each ends with the connection that it came on, and nobody else notices.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { metric, metricIs } from '../support/metrics.ts'
import {
  CODE,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  RawHttp2,
  requestBlock,
  settings,
} from '../support/raw-http2.ts'
import { servesOthers, startVictim, survives, type Victim } from '../support/victim.ts'

// Far more than a hub may take before it hangs up.
const PATIENCE_MS = 15_000

const NO_INCREMENT = Buffer.alloc(4)
const CANCEL = Buffer.from([0, 0, 0, CODE.cancel])

function times(bytes: Buffer, count: number): Buffer {
  return Buffer.concat(Array<Buffer>(count).fill(bytes))
}

/** Floods until the hub hangs up. */
async function isEnded(t: Test, raw: RawHttp2, bytes: Buffer, pauseMs?: number): Promise<void> {
  const startedAt = performance.now()
  while (!raw.isClosed && performance.now() - startedAt < PATIENCE_MS) {
    await raw.flood(bytes, 1)
    if (pauseMs !== undefined) await sleep(pauseMs)
    else if (raw.goawayCode !== undefined) await raw.closed
  }
  t.ok(raw.isClosed, `the hub hung up after ${Math.round(performance.now() - startedAt)} ms`)
}

const abuse = (hub: Victim, reason: string): Promise<number> =>
  metric(hub, `millrace_abuse_total{reason="${reason}"}`)

interface Flood {
  readonly name: string
  readonly bytes: Buffer
  /** Sent before. */
  readonly first?: (raw: RawHttp2) => void | Promise<unknown>
  /** Slow enough for HTTP/2 itself to let it pass. */
  readonly pauseMs?: number
}

const upload = (raw: RawHttp2): void =>
  raw.request(1, '/topics/a', 'POST', [['content-type', 'application/x-ndjson']])

// What Node and nghttp2 end by themselves: a queue of answers that is too long, or too much that is odd.
const VIOLATIONS: readonly Flood[] = [
  { name: 'PING', bytes: times(frame(FRAME.ping, 0, 0, Buffer.alloc(8)), 3000) },
  { name: 'SETTINGS', bytes: times(settings(), 3000) },
  {
    name: 'a SETTINGS frame of a thousand values',
    bytes: frame(FRAME.settings, 0, 0, times(Buffer.from([0, 4, 0, 0, 0, 9]), 1000)),
  },
  {
    name: 'PRIORITY',
    bytes: times(frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 0, 1])), 500),
    pauseMs: 1,
  },
  { name: 'frames of unknown types', bytes: times(frame(77, 0, 0), 500), pauseMs: 1 },
  { name: 'empty DATA', first: upload, bytes: times(frame(FRAME.data, 0, 1), 500), pauseMs: 1 },
  {
    name: 'DATA of padding only',
    first: upload,
    bytes: times(frame(FRAME.data, FLAG.padded, 1, Buffer.of(0)), 500),
    pauseMs: 1,
  },
  {
    name: 'empty CONTINUATION',
    first: raw => raw.send(frame(FRAME.headers, 0, 1, requestBlock('/'))),
    bytes: frame(FRAME.continuation, 0, 1),
  },
  {
    name: 'large CONTINUATION',
    first: raw => raw.send(frame(FRAME.headers, 0, 1, requestBlock('/'))),
    bytes: frame(FRAME.continuation, 0, 1, headerBlock([['x', 'y'.repeat(16_000)]])),
  },
]

// What they let pass for ever.
const OVERHEADS: readonly Flood[] = [
  { name: 'PING', bytes: times(frame(FRAME.ping, 0, 0, Buffer.alloc(8)), 100), pauseMs: 5 },
  {
    name: 'SETTINGS',
    // Of ten values, so that it is a flood on a slow machine too.
    bytes: times(frame(FRAME.settings, 0, 0, times(Buffer.from([0, 4, 0, 0, 0xff, 0xff]), 10)), 100),
    pauseMs: 5,
  },
  {
    name: 'WINDOW_UPDATE',
    bytes: times(frame(FRAME.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 1])), 1000),
    pauseMs: 2,
  },
  {
    name: 'DATA for a stream that has ended',
    first: raw => (raw.request(1, '/healthz'), raw.status(1)),
    bytes: times(frame(FRAME.data, 0, 1, Buffer.of(1)), 1000),
    pauseMs: 2,
  },
  {
    name: 'DATA with 254 bytes of padding each',
    first: upload,
    bytes: times(
      frame(FRAME.data, FLAG.padded, 1, Buffer.concat([Buffer.of(254, 10), Buffer.alloc(254)])),
      100,
    ),
    pauseMs: 2,
  },
]

for (const [reason, floods] of [
  ['protocol', VIOLATIONS],
  ['overhead', OVERHEADS],
] as const) {
  t.test(`floods that end for reason ${reason}`, async t => {
    const hub = await startVictim(t)
    for (const { name, bytes, first, pauseMs } of floods) {
      await t.test(name, async t => {
        const counted = await abuse(hub, reason)
        await survives(t, hub, async () => {
          const raw = await RawHttp2.connect(t, hub)
          await first?.(raw)
          await isEnded(t, raw, bytes, pauseMs)
          if (reason === 'overhead') t.equal(raw.goawayCode, CODE.enhanceYourCalm)
        })
        await metricIs(hub, `millrace_abuse_total{reason="${reason}"}`, counted + 1)
      })
    }
    const lines = hub.logged.map(line => JSON.parse(line) as { reason?: string; address?: string })
    t.match(lines[0], { level: 40, reason, address: '127.0.0.1' })
    t.ok(lines.length <= floods.length, `${lines.length} lines were logged`)
  })
}

t.test('requests that are cancelled at once, one after another', async t => {
  const hub = await startVictim(t)
  const sse = [['accept', 'text/event-stream']] as const
  for (const [name, path, fields, end] of [
    ['event streams', '/topics/a', sse, (id: number) => frame(FRAME.reset, 0, id, CANCEL)],
    ['pages', '/topics/a', [], (id: number) => frame(FRAME.reset, 0, id, CANCEL)],
    // "MadeYouReset": the client provokes the hub into resetting.
    [
      'event streams that the hub must reset',
      '/topics/a',
      sse,
      (id: number) => frame(FRAME.windowUpdate, 0, id, NO_INCREMENT),
    ],
    ['malformed heads', '/topics/a', [['UPPER', 'x']] as const, () => Buffer.alloc(0)],
  ] as const) {
    await t.test(name, async t => {
      await survives(t, hub, async () => {
        const raw = await RawHttp2.connect(t, hub)
        const flags = FLAG.endHeaders | FLAG.endStream
        for (let id = 1; !raw.isClosed && id < 100_000;) {
          const frames: Buffer[] = []
          for (const last = id + 200; id < last; id += 2) {
            frames.push(frame(FRAME.headers, flags, id, requestBlock(path, 'GET', fields)), end(id))
          }
          await raw.flood(Buffer.concat(frames), 1)
          if (raw.goawayCode !== undefined) await raw.closed
        }
        t.ok(raw.isClosed, 'the hub hung up')
      })
    })
  }
})

// Each has a hub of its own, and waits for most of its time.
t.jobs = 3

t.test('a client that resets and pings as clients do is left alone', async t => {
  const hub = await startVictim(t, ['--max-overhead-rate=2048'])
  const raw = await RawHttp2.connect(t, hub)
  for (let round = 0; round < 25; round++) {
    for (let id = 1 + round * 80; id < 1 + round * 80 + 40; id += 2) {
      raw.request(id, '/topics/a', 'GET', [['accept', 'text/event-stream']])
      await raw.status(id)
      raw.send(frame(FRAME.reset, 0, id, CANCEL), frame(FRAME.ping, 0, 0, Buffer.alloc(8)))
      raw.send(frame(FRAME.windowUpdate, 0, 0, Buffer.from([0, 0, 0, 100])))
    }
    await sleep(200)
  }
  raw.request(9001, '/healthz')
  t.equal(await raw.status(9001), 200)
  t.ok((await servesOthers(hub)) < 2000)
})

t.test('a client that returns each little window twice is left alone', async t => {
  const hub = await startVictim(t, ['--max-overhead-rate=2048'])
  const raw = await RawHttp2.connect(t, hub, { returns: true })
  const streams = Array.from({ length: 20 }, (_, number) => 1 + number * 2)
  for (const id of streams) raw.request(id, '/topics/a', 'GET', [['accept', 'text/event-stream']])
  await Promise.all(streams.map(id => raw.status(id)))
  const endsAt = performance.now() + 5000
  let events = 0
  // One by one: events that come together leave together.
  for (; performance.now() < endsAt; events++) await hub.publish('a', 'x')
  raw.request(9001, '/healthz')
  t.equal(await raw.status(9001), 200)
  // At 26 bytes each, much more than is allowed without a reason.
  const rate = (events * streams.length) / 5
  t.ok(rate > 200, `${Math.round(rate)} deliveries a second`)
})

t.test('a publisher whose uploads wait is left alone', async t => {
  const hub = await startVictim(t, ['--max-publish-rate=10'])
  const raw = await RawHttp2.connect(t, hub)
  const ids = Array.from({ length: 8 }, (_, number) => 1 + number * 2)
  for (const id of ids) {
    raw.request(id, '/topics/a', 'POST', [['content-type', 'application/x-ndjson']])
    raw.send(frame(FRAME.data, 0, id, Buffer.from('1\n'.repeat(100))))
  }
  // Until the hub has looked at what came. Then as much as HTTP/2 lets a client send before any of it is read.
  await sleep(2500)
  for (const id of ids) {
    for (let part = 0; part < 6; part++) raw.send(frame(FRAME.data, 0, id, Buffer.alloc(10_000, '1\n')))
  }
  await sleep(5000)
  raw.request(9001, '/healthz')
  t.equal(await raw.status(9001), 200)
  raw.cut()
})
