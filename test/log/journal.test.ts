// A journal against an array.

import fc from 'fast-check'
import t from 'tap'
import { Journal, type JournalEntry } from '../../src/log/journal.ts'
import { holds } from '../support/properties.ts'

// Enough for several segments of 1,024, of which some empty and some shrink.
const MOST = 6000

const operation = fc.oneof(
  fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: MOST / 4 }) }),
  // Takes out every `step`-th of a range.
  fc.record({
    kind: fc.constant('remove' as const),
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    count: fc.integer({ min: 1, max: MOST / 2 }),
    step: fc.integer({ min: 1, max: 3 }),
  }),
)

t.test('a journal is an array from which any entry can be taken', async t => {
  const probe = fc.record({
    after: fc.integer({ min: 0, max: MOST }),
    through: fc.integer({ min: 0, max: MOST }),
    wanted: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 1500 })),
  })
  const property = fc.property(
    fc.array(operation, { maxLength: 10 }),
    fc.array(probe),
    (operations, probes) => {
      const journal = new Journal()
      let array: JournalEntry[] = []
      let position = 0
      for (const step of operations) {
        if (step.kind === 'push') {
          for (let each = 0; each < step.count && position < MOST; each++) {
            const entry = { topic: 'a', data: '', time: 0, position: ++position, isGone: false }
            array.push(entry)
            journal.push(entry)
          }
        } else {
          const start = Math.floor(step.from * array.length)
          for (const [at, entry] of array.slice(start, start + step.count).entries()) {
            if (at % step.step !== 0) continue
            entry.isGone = true
            journal.remove(entry)
          }
          array = array.filter(entry => !entry.isGone)
        }
      }
      return probes.every(({ after, through, wanted }) => scansAlike(journal, array, after, through, wanted))
    },
  )
  await holds(t, property, { numRuns: 150 })
})

function scansAlike(
  journal: Journal,
  array: readonly JournalEntry[],
  after: number,
  through: number,
  wanted: number,
): boolean {
  const expected = array.filter(entry => entry.position > after && entry.position <= through).slice(0, wanted)
  const visited: JournalEntry[] = []
  const stoppedAt = journal.scan(after, through, Infinity, entry => visited.push(entry) < wanted)
  const isSame = visited.length === expected.length && expected.every((entry, at) => visited[at] === entry)
  return isSame && stoppedAt === (expected.length === wanted ? expected.at(-1)!.position : undefined)
}

t.test('a scan that has looked at enough goes on where it stopped', async t => {
  const property = fc.property(
    fc.integer({ min: 1, max: 700 }),
    fc.array(fc.boolean(), { maxLength: 3000 }),
    (most, kept) => {
      const journal = new Journal()
      const entries = kept.map((_, at) => ({
        topic: 'a',
        data: '',
        time: 0,
        position: 2 * at + 1,
        isGone: false,
      }))
      for (const entry of entries) journal.push(entry)
      for (const [at, entry] of entries.entries()) {
        if (kept[at]) continue
        entry.isGone = true
        journal.remove(entry)
      }
      const visited: JournalEntry[] = []
      let rounds = 0
      let after: number | undefined = 0
      while (after !== undefined && rounds++ <= kept.length) {
        const before: number = visited.length
        after = journal.scan(after, Infinity, most, entry => visited.push(entry) > 0)
        if (visited.length - before > most) return false
      }
      const expected = entries.filter(entry => !entry.isGone)
      return (
        after === undefined &&
        visited.length === expected.length &&
        expected.every((each, at) => each === visited[at])
      )
    },
  )
  await holds(t, property, { numRuns: 100 })
})
