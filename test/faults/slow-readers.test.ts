// Readers of every speed beside well-behaved ones, against a hub in a process of its own: one that reads 5 KB a second,
// one that stops for a while and comes back, one with a zero window, and one that opens 100 streams and reads none.
//
// TEST_SCALE=20 takes as long as in life: the one reads 1 KB a second, the next stops for a minute, and the hub gives up
// after more than two.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ClientHttp2Stream } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { memoryKiB } from '../../bench/support/process-figures.ts'
import { startHubProcess } from '../support/hub-process.ts'
import { Http2Client } from '../support/http2-client.ts'
import { Inbox } from '../support/inbox.ts'
import { metric } from '../support/metrics.ts'
import { NumberedEvents, quantile, SteadyPublisher, summary } from '../support/numbered-events.ts'

const scale = Number(process.env.TEST_SCALE ?? 1)
const QUIET_MS = 4000
const PAUSE_MS = 3000 * scale
const STALL_TIMEOUT_MS = 7000 * scale
const RATE = 50
// A write is of 16 KiB at most, and all of it has to be taken before the hub gives up.
const TRICKLE_BYTES_PER_S = scale >= 5 ? 1000 : 5000
const EVENT_BYTES = 4000
const UNREAD = 100

// What all the streams that nobody reads would take, if each had a queue, is more than twice as much.
const MAX_GROWTH_KIB = 80 * 1024

// Neighbours of 103 streams that do not move. Their latency is some milliseconds; on a machine that others use as well, the
// slowest percent take some tenths of a second at times, with those streams or without. One that waits for them waits seconds.
const BOUNDS = [
  { share: 0.5, ratio: 3, spareMs: 10 },
  { share: 0.99, ratio: 4, spareMs: 400 },
]

interface Report {
  readonly reason?: string
  readonly remotePort?: number
  readonly positionsBehind?: number
}

t.test(
  'slow readers cost their neighbours nothing, and lose nothing',
  { timeout: 60_000 + 20 * PAUSE_MS },
  async t => {
    const log = `--log=sqlite:${t.testdir()}`
    // What the log keeps in memory is none of theirs.
    const flags = [
      log,
      `--stall-timeout-ms=${STALL_TIMEOUT_MS}`,
      '--heartbeat-ms=250',
      '--log-cache-bytes=4000000',
    ]
    const { url, caFile, child } = await startHubProcess(t, flags)
    const hub = { url, ca: readFileSync(caFile, 'utf8') }
    const reports = new Inbox<Report>()
    let text = ''
    child.stdout!.setEncoding('utf8').on('data', (more: string) => {
      const lines = (text + more).split('\n')
      text = lines.pop()!
      for (const line of lines) reports.push(JSON.parse(line) as Report)
    })
    const own = new Http2Client(t, hub)
    const measured = { fetch: async (path: string) => ({ text: async () => (await own.get(path)).text }) }
    const shared = new Http2Client(t, hub)

    const neighbours = await Promise.all(
      Array.from({ length: 20 }, (_, at) => follow(at < 10 ? shared : new Http2Client(t, hub))),
    )
    const publisher = new SteadyPublisher(own.session, 'load', RATE, EVENT_BYTES)
    await sleep(QUIET_MS)
    const quiet = latencies(neighbours)
    const memoryBefore = await memoryKiB(child.pid!)

    const trickle = await Trickle.open(new Http2Client(t, hub, { settings: { initialWindowSize: 2048 } }))
    const pausing = await follow(shared)
    pausing.stream.pause()
    const zero = new Http2Client(t, hub, { settings: { initialWindowSize: 0 } })
    const unmoved = await zero.listen('/topics/load')
    const unread = await Promise.all(Array.from({ length: UNREAD }, () => shared.listen('/topics/load')))
    // Nobody keeps a connection open whose last stream was closed long ago.
    const [zeroPort, sharedPort] = [zero, shared].map(client => client.session.socket.localPort!)
    let memoryMost = 0
    const watch = setInterval(() => {
      void memoryKiB(child.pid!).then(now => (memoryMost = Math.max(memoryMost, now)))
    }, 200)
    t.teardown(() => clearInterval(watch))
    await sleep(PAUSE_MS)
    // Whoever has a window of 64 KiB and a backlog of as much is behind by now.
    t.ok((await metric(measured, 'millrace_subscribers_behind')) > UNREAD)
    t.equal(await metric(measured, 'millrace_closes_total{reason="stalled"}'), 0)
    pausing.stream.resume()
    const closed = [unmoved, ...unread].map(stream => once(stream.resume(), 'close'))
    for (const stream of [unmoved, ...unread]) stream.pause()
    const stalled = (): Report[] => reports.items.filter(each => each.reason === 'stalled')
    while (stalled().length <= UNREAD) await sleep(50)
    t.equal(await metric(measured, 'millrace_closes_total{reason="stalled"}'), UNREAD + 1)
    const disturbed = latencies(neighbours)
    clearInterval(watch)

    await t.test('neighbours are not disturbed', async t => {
      t.comment(`alone:  ${summary(quiet)}`)
      t.comment(`beside: ${summary(disturbed)}`)
      for (const { share, ratio, spareMs } of BOUNDS) {
        const [before, beside] = [quantile(quiet, share), quantile(disturbed, share)]
        const figures = `p${share * 100}: ${beside.toFixed(1)} ms, alone ${before.toFixed(1)}`
        t.ok(beside < before * ratio + spareMs, figures)
      }
    })
    await t.test('what the hub keeps for them is bounded', async t => {
      const growth = memoryMost - memoryBefore
      t.ok(growth < MAX_GROWTH_KIB, `it grew by ${growth} KiB`)
    })
    await t.test('those that read nothing were closed, and the log says who they were', async t => {
      const of = (port: number): Report[] => stalled().filter(each => each.remotePort === port)
      t.same([of(zeroPort!).length, of(sharedPort!).length], [1, UNREAD])
      t.ok(stalled().every(each => each.positionsBehind! > 0))
      t.equal(shared.session.closed, false)
    })
    await t.test('whoever reads slowly was not', async t => {
      trickle.stop()
      t.equal(trickle.stream.closed, false)
      const rate = trickle.bytes / (trickle.elapsedMs / 1000)
      const share = rate / TRICKLE_BYTES_PER_S
      t.ok(share > 0.7 && share < 1.3, `${rate.toFixed()} bytes/s`)
    })
    await publisher.stop()
    await t.test(
      'who stopped, who is slow and who was closed get what they missed when they read on',
      async t => {
        const { last } = publisher
        trickle.readOn()
        const resumed = new NumberedEvents()
        const feed = resumed.newStream()
        unread[0]!.on('data', feed)
        for (const stream of [unmoved, ...unread]) stream.resume()
        await Promise.all(closed)
        t.ok(resumed.number! < last, `the one that was closed has ${resumed.number} of ${last}`)
        await follow(own, resumed)
        const readers = {
          pausing: pausing.events,
          trickle: trickle.events,
          closed: resumed,
          neighbour: neighbours[0]!.events,
        }
        for (const [name, events] of Object.entries(readers)) {
          for (let patience = 500; events.number !== last && patience > 0; patience--) await sleep(20)
          t.same([events.number, events.faults], [last, []], name)
        }
        for (const { events } of neighbours) t.same([events.received, events.faults], [last, []])
      },
    )
  },
)

interface Following {
  readonly stream: ClientHttp2Stream
  readonly events: NumberedEvents
}

async function follow(client: Http2Client, events = new NumberedEvents()): Promise<Following> {
  const headers = events.lastId === undefined ? {} : { 'last-event-id': events.lastId }
  const stream = await client.listen('/topics/load', headers)
  stream.on('data', events.newStream())
  return { stream, events }
}

/** What came since the last time. */
function latencies(followed: readonly Following[]): number[] {
  return followed.flatMap(({ events }) => {
    const all = events.latenciesMs
    events.latenciesMs = []
    return all
  })
}

/** Reads so slowly that it is always behind. */
class Trickle {
  readonly stream: ClientHttp2Stream
  readonly events = new NumberedEvents()
  bytes = 0
  readonly #feed = this.events.newStream()
  readonly #startedAt = performance.now()
  readonly #timer: NodeJS.Timeout

  static async open(client: Http2Client): Promise<Trickle> {
    return new Trickle(await client.listen('/topics/load'))
  }

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream
    this.#timer = setInterval(() => this.#sip(), 100)
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  readOn(): void {
    this.stream.on('data', this.#feed)
  }

  #sip(): void {
    const chunk = this.stream.read(TRICKLE_BYTES_PER_S / 10) as Buffer | null
    if (chunk === null) return
    this.bytes += chunk.length
    this.#feed(chunk)
  }
}
