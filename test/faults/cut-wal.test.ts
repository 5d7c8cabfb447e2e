// The write-ahead log of a hub that was killed under load is cut and flipped: the hub starts, and if it lost what it had
// answered for, it goes on under a new epoch and tells who comes back. No id ever stands for two events.

import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { deliveryFaults, nameOf, reuseFaults, storeFaults } from './support/checker.ts'
import {
  follow,
  progress,
  startPublisher,
  untilCaughtUp,
  type Follower,
  type Publisher,
} from './support/clients.ts'
import { FaultyHub } from './support/hub.ts'
import { ALL_TOPICS } from './support/lanes.ts'
import { readStored } from './support/stored.ts'
import type { SubscriberLine } from './support/subscriber.ts'

t.setTimeout(180_000)

const EPOCH_WIDTH = 11
const WAL_HEADER_BYTES = 32
const FRAME_BYTES = 24 + 4096

/** What is done to the file of so many bytes, and whether that loses something for certain. */
const DAMAGES: readonly [name: string, loses: boolean, damage: (file: string, size: number) => void][] = [
  ['untouched', false, () => {}],
  ['cut anywhere', true, (file, size) => truncateSync(file, random(size * 0.9))],
  ['cut between two pages', true, (file, size) => truncateSync(file, frameIn(size * 0.9))],
  ['emptied', true, file => truncateSync(file, 0)],
  ['flipped anywhere', true, (file, size) => flip(file, WAL_HEADER_BYTES + random(size * 0.9))],
  ['flipped in its header', true, file => flip(file, 20)],
  ['untouched again', false, () => {}],
]

interface Told {
  readonly id: string
  readonly name: string
}

t.test('a log whose end was cut off never passes for the log it was', async t => {
  const hub = await FaultyHub.create(t)
  await hub.start()
  const live = follow(t, hub, 'live', [ALL_TOPICS])
  await live.subscriber.until(() => true)
  const publisher = startPublisher(t, hub, { padding: 600 })
  const told: Told[] = []
  await progress(publisher, 1)
  let epoch = epochOf((await readStored(hub)).events[0]!.id)
  let judged = 0
  for (const [name, loses, damage] of DAMAGES) {
    await progress(publisher, 400)
    await hub.kill()
    const lines = publisher.lines()
    const wal = join(hub.directory, 'log.db-wal')
    damage(wal, statSync(wal).size)
    await hub.start()
    await progress(publisher, 50)
    const stored = await readStored(hub)
    told.push(...stored.events.map(({ id, data }) => ({ id, name: nameOf(data) })))
    // What was acknowledged since the damage before this one: what is older is out of reach.
    const lost = storeFaults(lines.slice(judged), stored).filter(fault => fault.endsWith('is missing'))
    judged = lines.length
    t.equal(lost.length > 0, loses, `${name}: ${lost.length} acknowledged events are lost`)
    const next = epochOf(stored.events[0]!.id)
    t.ok(loses ? next > epoch : next === epoch, `${name}: the epoch is ${loses ? 'new' : 'the same'}`)
    epoch = next
  }
  await publisher.stop()
  await judge(t, hub, publisher, live, told)
})

async function judge(
  t: Test,
  hub: FaultyHub,
  publisher: Publisher,
  live: Follower,
  told: readonly Told[],
): Promise<void> {
  const stored = await readStored(hub)
  await untilCaughtUp([live], stored.events)
  const lines = live.subscriber.lines()
  t.strictSame(epochFaults(lines), [], 'each new epoch was announced before any of its events')
  const since = lines.slice(lines.findLastIndex(({ kind }) => kind === 'gap') + 1)
  t.strictSame(deliveryFaults({ name: 'live', names: [ALL_TOPICS], lines: since }, stored), [])
  const received = lines.flatMap(line =>
    line.kind === 'event' ? [{ id: line.id, name: nameOf(line.data) }] : [],
  )
  const answered = publisher.lines().flatMap(line => {
    return line.kind === 'acknowledged' && line.id !== undefined
      ? [{ id: line.id, name: nameOf({ lane: line.lane, seq: line.last }) }]
      : []
  })
  t.strictSame(reuseFaults([...told, ...received, ...answered]), [], 'no id stood for two events')
}

/** Each change of the epoch, as a subscriber sees it, comes with a gap of the reason `unknown`; nothing else does. */
function epochFaults(lines: readonly SubscriberLine[]): string[] {
  const faults: string[] = []
  let epoch: string | undefined
  for (const line of lines) {
    if (!('id' in line)) continue
    const next = epochOf(line.id)
    const isNew = epoch !== undefined && next !== epoch
    if (isNew && (line.kind !== 'gap' || line.reason !== 'unknown'))
      faults.push(`${next} began with ${line.kind}`)
    if (!isNew && line.kind === 'gap') faults.push(`a gap (${line.reason}) within ${next}`)
    epoch = next
  }
  return faults
}

function epochOf(id: string): string {
  return id.slice(0, EPOCH_WIDTH)
}

function frameIn(bytes: number): number {
  return WAL_HEADER_BYTES + FRAME_BYTES * Math.floor(random(bytes) / FRAME_BYTES)
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file)
  bytes[at] = bytes[at]! ^ (1 << (random(8) - 1))
  writeFileSync(file, bytes)
}

/** From 1 to this. */
function random(most: number): number {
  return 1 + Math.floor(Math.random() * Math.floor(most))
}
