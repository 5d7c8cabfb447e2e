// What every client that resumes must get, whatever happens to its connections: each event once, in order, whole.

import type { Test } from 'tap'
import { startHub, type TestHub } from '../support/hub.ts'
import { Inbox } from '../support/inbox.ts'
import { CuttingRelay } from '../support/cutting-relay.ts'

/** Follows the topic at this address with the client under test; returns the function that ends it. */
export type Follow = (
  url: string,
  relay: CuttingRelay,
  deliver: (data: string) => void,
) => (() => void) | Promise<() => void>

/** What is followed, and how events get there. */
export interface Source {
  readonly hub: TestHub
  /** From the earliest event on. */
  readonly path: string
  readonly publish: (data: string) => Promise<unknown>
}

// An event spans several TLS records and HTTP/2 frames, so cuts fall inside events as well as between them.
const LONGEST_EVENT = 50_000
const CUTS = [90_001, 130_017, 101_003, 250_007, 115_551, 96_461]

export async function resumesExactly(
  t: Test,
  follow: Follow,
  open: (t: Test) => Promise<Source> = openTopic,
  events = 200,
): Promise<void> {
  const { hub, path, publish } = await open(t)
  let cuts = 0
  const cutAfterBytes = (): number => CUTS[cuts++ % CUTS.length]!
  const relay = await CuttingRelay.open(t, hub, { cutAfterBytes })
  const inbox = new Inbox<string>()
  t.teardown(await follow(relay.url + path, relay, data => inbox.push(data)))

  const sent = Array.from({ length: events }, (_, number) => eventData(number))
  for (const data of sent) await publish(data)
  const received = await inbox.take(sent.length)
  t.same(received.map(label), sent.map(label), 'every event once, in order')
  t.ok(
    received.every((data, at) => data === sent[at]),
    'every event whole',
  )
  t.ok(relay.taken >= events / 40, `over ${relay.taken} connections`)

  relay.cut()
  await publish('the end')
  t.equal((await inbox.take(sent.length + 1)).at(-1), 'the end', 'nothing is repeated after the last event')
}

async function openTopic(t: Test): Promise<Source> {
  const hub = await startHub(t, { retryMs: 5 })
  return { hub, path: '/topics/numbers?after=earliest', publish: data => hub.publish('numbers', data) }
}

// Every seventh one is long.
function eventData(number: number): string {
  const length = number % 7 === 3 ? LONGEST_EVENT - (number % 5) * 7001 : (number % 11) * 40
  return `${number} ${String.fromCodePoint(0x1f300 + number)} ${'.'.repeat(length)}`
}

function label(data: string): string {
  return data.slice(0, 12)
}
