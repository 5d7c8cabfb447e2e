// The hub is killed at random moments and started again, while publishers publish and subscribers follow, each in a
// process of its own; every other time with two workers. Six kills here; FAULT_KILLS=60 makes it as many.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { deliveryFaults, stateFaults, storeFaults } from './support/checker.ts'
import {
  follow,
  progress,
  startPublisher,
  startSubscriber,
  untilCaughtUp,
  type Follower,
  type Publisher,
} from './support/clients.ts'
import { FaultyHub } from './support/hub.ts'
import { ALL_TOPICS, LANES } from './support/lanes.ts'
import { readStored, type Stored } from './support/stored.ts'

const KILLS = Number(process.env['FAULT_KILLS'] ?? 6)

// One in so many restarts is killed before it is ready.
const EARLY_KILLS = 3
// How far the publisher comes between two kills.
const MOST_EVENTS = 800
const PADDING = 600

t.setTimeout(60_000 + KILLS * 10_000)

t.test('a hub that is killed loses nothing it answered for, and nobody gets anything twice', async t => {
  const hub = await FaultyHub.create(t)
  await hub.start()
  const followers = startFollowers(t, hub)
  // They begin before there is any event, and have an id nevertheless.
  for (const { subscriber } of followers) await subscriber.until(() => true)
  const publisher = startPublisher(t, hub, { padding: PADDING })
  for (let kill = 1; kill <= KILLS; kill++) {
    await killAndRestart(hub, publisher, kill)
    if (kill % 2 === 0) await followers[0]!.subscriber.restart()
    if (kill === Math.ceil(KILLS / 2))
      followers.push(follow(t, hub, 'late', [ALL_TOPICS], { isEarliest: true }))
  }
  await progress(publisher, 1)
  await publisher.stop()
  const stored = await readStored(hub)
  await untilCaughtUp(followers, stored.events)
  judge(t, publisher, followers, stored)
  report(t, hub, publisher, followers)
})

function startFollowers(t: Test, hub: FaultyHub): Follower[] {
  return [
    follow(t, hub, 'mortal', [ALL_TOPICS]),
    follow(t, hub, 'patterns', ['orders/*', 'logs/**']),
    follow(t, hub, 'slow', [ALL_TOPICS], { windowBytes: 8192, pauseMs: 1 }),
    { names: ['orders/0'], subscriber: startSubscriber(t, hub, 'topic', { path: '/topics/orders/0' }) },
  ]
}

async function killAndRestart(hub: FaultyHub, publisher: Publisher, kill: number): Promise<void> {
  await progress(publisher, random(MOST_EVENTS))
  await sleep(random(30))
  await hub.kill()
  const workers = [`--workers=${1 + (kill % 2)}`]
  if (kill % EARLY_KILLS === 0) {
    hub.spawn(workers)
    await sleep(random(1000))
    await hub.kill()
  }
  await hub.start(workers)
}

function judge(t: Test, publisher: Publisher, followers: readonly Follower[], stored: Stored): void {
  const published = publisher.lines()
  t.strictSame(storeFaults(published, stored), [], 'the store holds what was acknowledged, and once')
  const stateLanes = LANES.flatMap((kind, lane) => (kind === 'state' ? [lane] : []))
  t.strictSame(stateFaults(published, stored, stateLanes), [], 'each state is the last that was set')
  for (const { names, subscriber } of followers) {
    const { name } = subscriber
    const faults = deliveryFaults({ name, names, lines: subscriber.lines() }, stored)
    t.strictSame(faults, [], `${name} got every event once and in order`)
  }
  t.ok(
    published.some(({ kind }) => kind === 'unanswered'),
    'kills came while requests were under way',
  )
}

function report(t: Test, hub: FaultyHub, publisher: Publisher, followers: readonly Follower[]): void {
  const deliveries = followers
    .flatMap(({ subscriber }) => subscriber.lines())
    .filter(({ kind }) => kind === 'event')
  const starts = hub.startTimes.toSorted((one, other) => one - other).map(Math.round)
  t.comment(
    `${KILLS} kills, ${publisher.told!.acknowledged} events acknowledged, ${deliveries.length} deliveries, ` +
      `starts of ${starts[0]} to ${starts.at(-1)} ms, median ${starts[starts.length >> 1]} ms`,
  )
}

/** Up to this, and at least 1. */
function random(most: number): number {
  return 1 + Math.floor(Math.random() * most)
}
