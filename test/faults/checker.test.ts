// The checker of the fault tests finds what is wrong in journals that are wrong on purpose.

import t from 'tap'
import { deliveryFaults, refusalFaults, reuseFaults, stateFaults, storeFaults } from './support/checker.ts'
import type { PublisherLine } from './support/publisher.ts'
import type { Stored, StoredLine } from './support/stored.ts'
import type { SubscriberLine } from './support/subscriber.ts'

const EPOCH = '0mabcdefg00'
const time = '2026-01-01T00:00:00.000Z'

function id(position: number, epoch = EPOCH): string {
  return `${epoch}-${position.toString(36).padStart(11, '0')}`
}

function stored(position: number, lane: number, seq: number): StoredLine {
  return { id: id(position), topic: `orders/${lane}`, time, data: { lane, seq, text: 'x' } }
}

function sent(lane: number, seq: number): PublisherLine {
  return { kind: 'sent', lane, seq, topic: `orders/${lane}`, data: { lane, seq, text: 'x' } }
}

function acknowledged(lane: number, seq: number, position: number): PublisherLine {
  return { kind: 'acknowledged', lane, first: seq, last: seq, id: id(position) }
}

const PUBLISHED = [
  sent(0, 0),
  acknowledged(0, 0, 1),
  sent(1, 0),
  acknowledged(1, 0, 2),
  sent(0, 1),
  { kind: 'unanswered', lane: 0, first: 1, last: 1 },
  sent(0, 2),
  acknowledged(0, 2, 4),
] satisfies PublisherLine[]

// The one that was not answered was stored.
const EVENTS = [stored(1, 0, 0), stored(2, 1, 0), stored(3, 0, 1), stored(4, 0, 2)]

function store(events: readonly StoredLine[], states: readonly StoredLine[] = []): Stored {
  return { events, states: new Map(states.map(state => [state.topic, state])) }
}

function got(event: StoredLine): SubscriberLine {
  return { kind: 'event', id: event.id, topic: event.topic, data: event.data }
}

t.test('the store', t => {
  const faults = (events: readonly StoredLine[]): string => storeFaults(PUBLISHED, store(events)).join('; ')
  t.equal(faults(EVENTS), '')
  t.equal(
    faults([stored(1, 0, 0), stored(2, 1, 0), stored(3, 0, 2)]),
    `0/2 was acknowledged as ${id(4)} and is stored as ${id(3)}`,
  )
  t.match(faults(EVENTS.slice(0, 3)), '0/2 was acknowledged')
  t.match(faults(EVENTS.slice(1)), /0\/0 was acknowledged .* is missing/)
  t.match(faults(EVENTS.toSpliced(1, 1)), `${id(3)} is where position 2`)
  t.match(faults([...EVENTS, stored(5, 1, 0)]), '1/0 is stored twice')
  t.match(faults([...EVENTS, stored(5, 1, 1)]), `1/1 (${id(5)}) is stored, but nobody sent it`)
  t.match(faults([{ ...EVENTS[0]!, topic: 'orders/1' }, ...EVENTS.slice(1)]), /0\/0 .* was altered/)
  t.match(
    faults([{ ...EVENTS[0]!, data: { lane: 0, seq: 0, text: '' } }, ...EVENTS.slice(1)]),
    /0\/0 .* was altered/,
  )
  t.match(
    faults([stored(1, 0, 1), stored(2, 1, 0), stored(3, 0, 0), stored(4, 0, 2)]),
    /0\/0 .* comes after 1/,
  )
  t.match(faults([...EVENTS.slice(0, 3), { ...EVENTS[3]!, id: id(4, '0mabcdefg01') }]), 'where position 4')
  t.end()
})

t.test('refusals', t => {
  const refused: PublisherLine = {
    kind: 'refused',
    lane: 0,
    first: 1,
    last: 1,
    code: 'X',
    retryAfter: '1',
    mediaType: 'a/b',
  }
  const faults = (...lines: PublisherLine[]): string[] => refusalFaults([sent(0, 1), ...lines], store(EVENTS))
  t.strictSame(faults(refused), ['0/1 was refused and is stored'])
  t.strictSame(faults(refused, acknowledged(0, 1, 3)), [], 'it was tried again')
  t.strictSame(
    faults(refused, { kind: 'unanswered', lane: 0, first: 1, last: 1 }),
    [],
    'it may have been stored later',
  )
  t.strictSame(refusalFaults([sent(0, 9), { ...refused, first: 9, last: 9 }], store(EVENTS)), [])
  t.end()
})

t.test('what a subscriber got', t => {
  const faults = (lines: readonly SubscriberLine[], names = ['**'], events = EVENTS): string =>
    deliveryFaults({ name: 'it', names, lines }, store(events)).join('; ')
  const all = EVENTS.map(got)
  const open = (sentId?: string, openId?: string): SubscriberLine => ({
    kind: 'open',
    ...(sentId !== undefined && { sentId }),
    ...(openId !== undefined && { id: openId }),
  })
  t.equal(faults([open(undefined, id(0)), ...all.slice(0, 2), open(id(2), id(2)), ...all.slice(2)]), '')
  t.equal(
    faults(
      all.filter((_, at) => at !== 1),
      ['orders/0'],
    ),
    '',
  )
  t.equal(faults([all[1]!], ['orders/1', 'none/**']), '')
  t.equal(faults([], ['orders']), '', 'a topic is not what is below it')
  t.equal(faults(all.toSpliced(1, 1)), `it got ${id(3)} where ${id(2)} was due`, 'a hole')
  t.equal(faults(all.slice(0, 3)), `it lacks 1 events, the first of them ${id(4)}`, 'the end is missing')
  t.match(faults(all.toSpliced(1, 0, all[0]!)), `it got ${id(1)} where ${id(2)}`, 'a repeat')
  t.match(faults([...all, all[3]!]), `it got ${id(4)} where nothing`, 'a repeat at the end')
  t.match(faults([all[0]!, all[2]!, all[1]!, all[3]!]), `it got ${id(3)} where ${id(2)}`, 'out of order')
  t.match(faults(all, ['orders/0']), `it got ${id(2)} where ${id(3)}`, 'what it did not ask for')
  t.match(
    faults([got({ ...EVENTS[0]!, id: id(1, '0mabcdefg01') }), ...all.slice(1)]),
    'was due',
    'another epoch',
  )
  t.match(faults([got({ ...EVENTS[0]!, topic: 'orders/1' }), ...all.slice(1)]), 'of another topic')
  t.match(faults([got({ ...EVENTS[0]!, data: { lane: 0, seq: 0, text: '' } }), ...all.slice(1)]), 'altered')
  t.match(
    faults([{ kind: 'gap', id: id(0), reason: 'unknown' }, ...all]),
    'a gap (unknown), and nothing was lost',
  )
  t.match(faults([...all, open(id(4), id(3))]), `it came with ${id(4)} and was put at ${id(3)}`)
  t.match(faults([...all, open(id(4))]), 'was put at undefined')
  t.end()
})

t.test('states', t => {
  const faults = (state: StoredLine | undefined, events = EVENTS): string =>
    stateFaults(PUBLISHED, store(events, state === undefined ? [] : [state]), [0]).join('; ')
  t.equal(faults(EVENTS[3]), '')
  t.equal(
    faults(EVENTS[2]),
    `the state of orders/0 is ${id(3)}, and ${id(4)} was stored last; 0/2 was set, and the state is older`,
  )
  t.match(faults(undefined), 'the state of orders/0 is undefined')
  t.match(faults(EVENTS[2], EVENTS.slice(0, 3)), '0/2 was set, and the state is older')
  t.end()
})

t.test('one id for two events', t => {
  const told = [
    { id: id(1), name: '0/0' },
    { id: id(2), name: '0/1' },
    { id: id(1), name: '0/0' },
  ]
  t.strictSame(reuseFaults(told), [])
  t.strictSame(reuseFaults([...told, { id: id(2), name: '1/1' }]), [`${id(2)} was 0/1, and then 1/1`])
  t.end()
})
