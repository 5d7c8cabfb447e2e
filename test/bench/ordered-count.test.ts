// What a load generator counts of a stream that gets only some of the events.

import fc from 'fast-check'
import t from 'tap'
import { OrderedCount } from '../../bench/load/ordered-count.ts'
import { numberedData } from '../../bench/load/sequence-check.ts'

t.test('every event is counted once, wherever the bytes are cut', async () => {
  const someEvents = fc.array(fc.record({ step: fc.integer({ min: 1, max: 50 }), bytes: fc.nat(40) }))
  const someCuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 })
  fc.assert(
    fc.property(someEvents, someCuts, (events, cuts) => {
      let sequence = 0
      const text = events
        .map(({ step, bytes }) => `data: ${numberedData((sequence += step), bytes)}\n\n`)
        .join('')
      const bytes = Buffer.from(text)
      let heard = 0
      const count = new OrderedCount(() => void heard++)
      let from = 0
      for (let at = 0; from < bytes.length; at++) {
        const length = cuts[at % cuts.length]!
        count.feed(bytes.subarray(from, from + length))
        from += length
      }
      return heard === events.length && count.received === heard && count.disordered === 0
    }),
  )
})

t.test('what is repeated or out of order is counted apart', async t => {
  const count = new OrderedCount(() => {})
  for (const sequence of [1, 5, 5, 3, 8]) count.feed(Buffer.from(numberedData(sequence, 20)))
  t.match(count, { received: 5, disordered: 2 })
})
