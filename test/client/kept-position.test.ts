// The position that a page keeps over a reload.

import t from 'tap'
import { KeptPosition } from '../../src/client/kept-position.ts'
import { startHub } from '../support/hub.ts'
import { connectTo, Received, until } from './support.ts'

class Store extends Map<string, string> {
  getItem(key: string): string | null {
    return this.get(key) ?? null
  }

  setItem(key: string, value: string): void {
    this.set(key, value)
  }
}

const ID = '0mwxxvpu4lv-00000000004'

t.test('only what was followed, and is followed for the first time, goes on', async t => {
  const store = new Store()
  new KeptPosition(store, 'page').keep(ID, new Set(['a', 'b/*']))
  const kept = new KeptPosition(store, 'page')
  t.equal(kept.of(['a', 'b/*']), ID)
  t.equal(kept.of(['a', 'c']), undefined)
  t.equal(new KeptPosition(store, 'another').of(['a']), undefined)
  kept.settled(['a'])
  t.equal(kept.of(['a']), undefined, 'a second subscription begins anew')
  t.equal(kept.of(['b/*']), ID)
})

t.test('what is none of ours is left alone', async t => {
  const store = new Store([['millrace:page', 'rubbish\na']])
  t.equal(new KeptPosition(store, 'page').of(['a']), undefined)
})

t.test('a client that is made anew goes on where the last one was, and each subscription of it', async t => {
  const hub = await startHub(t)
  const store = new Store()
  const before = connectTo(t, hub, { resume: 'page', store })
  const first = new Received(before.client, ['a', 'b'])
  await first.ready
  await hub.publish('a', '1')
  await first.take(1)
  await until(() => store.size === 1)
  before.client.close()
  await hub.publish('b', '2')
  await hub.publish('c', 'unseen')

  const after = connectTo(t, hub, { resume: 'page', store })
  const again = [new Received(after.client, ['a', 'b']), new Received(after.client, 'b')]
  const fresh = new Received(after.client, 'c')
  await Promise.all([...again, fresh].map(({ ready }) => ready))
  const late = new Received(after.client, 'b')
  await late.ready
  for (const topic of ['b', 'c']) await hub.publish(topic, '3')
  for (const received of again) t.same(await received.take(2), ['2', '3'])
  t.same(await fresh.take(1), ['3'])
  t.same(await late.take(1), ['3'])
})
