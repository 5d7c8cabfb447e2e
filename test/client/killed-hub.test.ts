// A hub that is killed, or stands still: its client waits, and goes on where it was.

import { readFileSync } from 'node:fs'
import t from 'tap'
import { Agent } from 'undici'
import { startHubProcess } from '../support/hub-process.ts'
import { reach } from '../support/hub.ts'
import { startKillableHub } from './killable-hub.ts'
import { banners, connectTo, numbers, publishAll, Received, until } from './support.ts'

t.test('a hub that is killed and started again', async t => {
  const hub = await startKillableHub(t)
  const tested = connectTo(t, hub)
  const received = new Received(tested.client, ['a', 'b/*'])
  await received.ready
  await publishAll(hub, ['a', 'b/1'], numbers(1, 20))
  await hub.kill()
  const waiting = tested.client.publish('a', 'sent while it was away')
  await until(() => tested.client.status.state === 'waiting')
  await hub.startAgain()
  await waiting
  await publishAll(hub, ['b/1'], ['after'])
  const expected = [...numbers(1, 20).flatMap(data => [data, data]), 'sent while it was away', 'after']
  t.same(await received.take(42), expected)
  t.same(received.gaps, [])
  t.equal(new Set(banners(tested)).size, 1)
})

t.test('a hub that stands still and goes on', async t => {
  const process = await startHubProcess(t, ['--retry-ms=5', '--heartbeat-ms=20'])
  const ca = readFileSync(process.caFile, 'utf8')
  const agent = new Agent({ connect: { ca }, allowH2: true })
  t.teardown(() => agent.destroy())
  const hub = { ...reach(process.url, ca, agent), agent }
  const tested = connectTo(t, hub, { silenceMs: 300 })
  const received = new Received(tested.client, 'news')
  await received.ready
  await publishAll(hub, ['news'], numbers(1, 5))
  process.child.kill('SIGSTOP')
  const waiting = tested.client.publish('news', 'while it stood')
  await until(() => tested.client.status.state === 'waiting')
  process.child.kill('SIGCONT')
  await waiting
  t.same(await received.take(6), [...numbers(1, 5), 'while it stood'])
})
