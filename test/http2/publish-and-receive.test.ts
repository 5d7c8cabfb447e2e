import t from 'tap'
import { EventReader } from '../support/event-reader.ts'
import { startHub } from '../support/hub.ts'

t.test('an event that is posted reaches a subscriber of its topic', async t => {
  const hub = await startHub(t)
  const reader = await EventReader.open(hub, '/topics/greetings')
  const [open] = await reader.take(1)
  t.equal(open?.event, 'millrace:open')
  const id = await hub.publish('greetings', 'hello')
  const [event] = await reader.take(1)
  t.same(event, { id, event: undefined, data: 'hello' })
  reader.close()
})
