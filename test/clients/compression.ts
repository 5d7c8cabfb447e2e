// What every client must get of compressed streams, whatever it decodes them with: each event at once, and all of them,
// byte for byte, whenever it joins and however slowly it reads for a while.

import { createHash, randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { Http2Client } from '../support/http2-client.ts'
import { GzipFollower } from '../support/gzip-follower.ts'
import { startHub, type Reachable, type TestHub } from '../support/hub.ts'
import { Inbox } from '../support/inbox.ts'
import { metric, metricIs } from '../support/metrics.ts'
import { startRelay } from '../support/relay.ts'

/** Follows the topic at this address with the client under test, from now on. */
export type FollowCompressed = (
  t: Test,
  url: string,
  hub: TestHub,
  deliver: (data: string) => void,
) => Promise<void> | void

export interface Way {
  /** What stands between the clients and the hub. */
  readonly through?: (t: Test, hub: TestHub) => Promise<Reachable>
  /** In front of the path. */
  readonly prefix?: string
}

const MARK_BYTES = 170
// Events of these sizes, one after another: some in a write of their own, some together, some in many writes.
const SIZES = [3, 170, 170, 900, 0, 170, 5000, 170, 70_000, 1, 16_384, 170]

export async function getsAllCompressed(t: Test, follow: FollowCompressed, way: Way = {}): Promise<void> {
  const hub = await startHub(t, { compressionMinReaders: 2, compressionMinBytes: 0 })
  const relay = await startRelay(t, (await way.through?.(t, hub)) ?? hub)
  const url = `${relay.hub.url}${way.prefix ?? ''}/topics/t`
  // Company that never leaves: the others join a text that is under way.
  const others = new Http2Client(t, hub)
  const company = await Promise.all([1, 2].map(() => GzipFollower.open(others, '/topics/t')))
  const published: string[] = []
  const readers: Inbox<string>[] = []
  const publish = async (...sizes: number[]): Promise<void> => {
    const lines = sizes.map(size => eventData(published.length, size))
    published.push(...lines)
    await publishLines(hub, lines)
  }
  const join = async (): Promise<void> => {
    const inbox = new Inbox<string>()
    readers.push(inbox)
    await follow(t, url, hub, data => inbox.push(data))
  }
  const arrived = async (): Promise<void> => {
    await publish(MARK_BYTES)
    await Promise.all(readers.map(inbox => inbox.find(data => data === published.at(-1))))
    await metricIs(hub, 'millrace_subscribers_live', readers.length + company.length)
  }

  await join()
  await metricIs(hub, 'millrace_subscribers_live', 1 + company.length)
  await seeEachAtOnce(t, hub, arrived)
  for (let round = 0; round < 90; round++) {
    // While events go by.
    const joined = round === 20 || round === 50 ? join() : undefined
    await publish(...[0, 1, 2].slice(round % 3).map(at => SIZES[(round + at) % SIZES.length]!))
    await joined
  }
  await arrived()
  relay.freeze()
  while ((await metric(hub, 'millrace_fell_behind_total')) < readers.length) {
    // Nothing that compresses: sockets have room for megabytes.
    const noise = Array.from({ length: 10 }, () => JSON.stringify(randomBytes(50_000).toString('base64')))
    published.push(...noise)
    await publishLines(hub, noise)
  }
  await publish(170)
  relay.thaw()
  await arrived()
  for (const size of SIZES) await publish(size)
  await arrived()
  for (const [number, { items }] of readers.entries()) {
    t.equal(checksum(items), checksum(published.slice(-items.length)), `client ${number + 1} has it all`)
  }
  t.equal(readers[0]!.items.length, published.length)
  for (const { items } of readers) t.ok(items.length > 50, `${items.length} of ${published.length}`)
}

async function publishLines(hub: TestHub, lines: readonly string[]): Promise<void> {
  const headers = { 'content-type': 'application/x-ndjson' }
  const response = await hub.fetch('/topics/t', { method: 'POST', body: lines.join('\n'), headers })
  if (response.status !== 201) throw new Error(await response.text())
}

/** Each event has come before the next is published, and all are compressed. */
async function seeEachAtOnce(t: Test, hub: TestHub, arrived: () => Promise<void>): Promise<void> {
  const streams = await metric(hub, 'millrace_streams')
  const plain = await metric(hub, 'millrace_gzip_plain_bytes_total')
  const sent = await metric(hub, 'millrace_gzip_sent_bytes_total')
  for (let number = 0; number < 40; number++) {
    await arrived()
  }
  const grown = (await metric(hub, 'millrace_gzip_plain_bytes_total')) - plain
  t.ok(grown > streams * 40 * 170, 'all streams are gzip, that of the client too')
  const share = ((await metric(hub, 'millrace_gzip_sent_bytes_total')) - sent) / grown
  t.ok(share < 0.8, `${Math.round(share * 100)}% of the bytes were sent`)
}

/** A line of JSON, of about this size; from some size on, no two are alike. */
function eventData(number: number, bytes: number): string {
  const price = (100 + Math.sin(number) * 20).toFixed(4)
  let text = `ACME${number % 7} ${number} ${price} XETR`
  for (let at = 0; text.length < bytes; at++)
    text += ` ${((number * 7919 + at * 31_337) % 99_991).toString(36)}`
  return JSON.stringify(text.slice(0, bytes))
}

function checksum(events: readonly string[]): string {
  return createHash('sha256').update(events.join('\n')).digest('hex')
}
