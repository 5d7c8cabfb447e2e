// A ring against an array.

import fc from 'fast-check'
import t from 'tap'
import type { StoredEvent } from '../../src/event.ts'
import { Ring } from '../../src/log/ring.ts'
import { holds } from '../support/properties.ts'

t.test('a ring is an array that loses its front', async t => {
  // Long runs of one kind: the ring moves its events together only when many were taken.
  const run = fc.record({
    isPush: fc.boolean(),
    count: fc.integer({ min: 1, max: 90 }),
    step: fc.integer({ min: 1, max: 3 }),
  })
  const property = fc.property(fc.array(run, { maxLength: 12 }), fc.nat({ max: 400 }), (runs, probe) => {
    const ring = new Ring<StoredEvent>()
    const array: StoredEvent[] = []
    let position = 0
    for (const { isPush, count, step } of runs) {
      for (let each = 0; each < count; each++) {
        if (isPush) {
          const event = { topic: 'a', data: '', time: 0, position: (position += step) }
          array.push(event)
          ring.push(event)
        } else if (ring.shift() !== array.shift()) return false
      }
      if (!isAlike(ring, array, probe)) return false
    }
    return true
  })
  await holds(t, property, { numRuns: 500 })
})

function isAlike(ring: Ring<StoredEvent>, array: readonly StoredEvent[], probe: number): boolean {
  const found = array.findIndex(event => event.position > probe)
  return (
    ring.length === array.length &&
    ring.first() === array[0] &&
    ring.last() === array.at(-1) &&
    ring.at(array.length) === undefined &&
    array.every((event, at) => ring.at(at) === event) &&
    ring.indexAfter(probe) === (found === -1 ? array.length : found) &&
    ring.slice(probe, probe + 5).every((event, at) => event === array[probe + at]) &&
    ring.slice(0, probe).length === Math.min(probe, array.length)
  )
}
