// The soak's own account: a client that cannot see a repeat or a hole proves nothing.

import t from 'tap'
import { formatId } from '../../src/protocol/ids.ts'
import { SoakCheck, type ReceivedEvent } from '../../bench/load/soak-check.ts'

const EPOCH = '00000000abc'

function numbered(position: number, number: number): ReceivedEvent {
  return { id: formatId(EPOCH, position), data: `${number} xxx` }
}

function enveloped(position: number, topic: string, number: number): ReceivedEvent {
  return { id: formatId(EPOCH, position), data: JSON.stringify({ topic, data: `${number} xxx` }) }
}

function control(position: number, event: string): ReceivedEvent {
  return { id: formatId(EPOCH, position), event, data: '{}' }
}

function check(topic: string | undefined, events: readonly ReceivedEvent[]): SoakCheck {
  const account = new SoakCheck(topic)
  for (const event of events) account.take(event)
  return account
}

t.test('a stream in order has no fault, wherever it begins and across connections', async t => {
  const { faultCount, received, lastEventId } = check('a', [
    control(6, 'millrace:open'),
    numbered(7, 3),
    numbered(9, 4),
    control(9, 'millrace:open'),
    numbered(12, 5),
  ])
  t.match({ faultCount, received }, { faultCount: 0, received: 3 })
  t.equal(lastEventId, formatId(EPOCH, 12))
})

t.test('an event that comes again is a fault', async t => {
  t.equal(check('a', [numbered(7, 3), numbered(7, 3)]).faultCount, 2, 'by its id, and by its number')
})

t.test('an event that comes late is a fault', async t => {
  t.match(check('a', [numbered(9, 4), numbered(7, 5)]).faults, [/at or before/])
})

t.test('a hole is a fault in its topic alone', async t => {
  const { faults } = check(undefined, [
    enveloped(1, 'a', 1),
    enveloped(2, 'b', 1),
    enveloped(4, 'a', 3),
    enveloped(5, 'b', 2),
  ])
  t.same(faults, ['a: 3 after 1'])
})

t.test('a hole that was announced is none', async t => {
  const { faultCount, gaps } = check('a', [
    numbered(1, 1),
    control(1, 'millrace:gap'),
    numbered(9, 7),
    numbered(10, 8),
  ])
  t.match({ faultCount, gaps }, { faultCount: 0, gaps: 1 })
  t.equal(
    check('a', [numbered(1, 1), control(1, 'millrace:gap'), numbered(9, 7), numbered(10, 9)]).faultCount,
    1,
  )
})

t.test('a stream that starts before what was seen is a fault', async t => {
  t.equal(check('a', [numbered(7, 3), control(6, 'millrace:open')]).faultCount, 1)
})

t.test('states without an id do not count', async t => {
  const { faultCount, received } = check('a', [numbered(7, 3), { data: '1 xxx' }, numbered(8, 4)])
  t.match({ faultCount, received }, { faultCount: 0, received: 2 })
})
