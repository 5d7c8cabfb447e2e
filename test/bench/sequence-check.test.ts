// The benchmark's own account: a load generator that cannot see a loss proves nothing.

import fc from 'fast-check'
import t from 'tap'
import { SequenceCheck, sequenceMark } from '../../bench/load/sequence-check.ts'

function check(numbers: number[], cut: (text: string) => string[] = text => [text]) {
  const seen: number[] = []
  const account = new SequenceCheck(0, sequence => seen.push(sequence))
  const text = numbers.map(number => `id: 1-S\ndata: ${sequenceMark(number)} SE fill\n\n`).join('')
  for (const part of cut(text)) account.feed(Buffer.from(part))
  return { account, seen }
}

t.test('a stream in order has no fault', async t => {
  const { account, seen } = check([1, 2, 3, 4])
  t.same(seen, [1, 2, 3, 4])
  t.match(account, { received: 4, highest: 4, repeated: 0, outOfOrder: 0 })
  t.equal(account.lost(4), 0)
})

t.test('what is lost is counted in the middle and at the end', async t => {
  t.equal(check([1, 2, 5, 6]).account.lost(6), 2)
  t.equal(check([1, 2]).account.lost(6), 4)
  t.equal(check([]).account.lost(6), 6)
})

t.test('what comes twice is counted, and not as found', async t => {
  const { account } = check([1, 2, 2, 4, 1])
  t.equal(account.repeated, 2)
  t.equal(account.lost(4), 1)
})

t.test('what comes late is out of order and not lost', async t => {
  const { account } = check([1, 3, 2, 4])
  t.match(account, { outOfOrder: 1, repeated: 0, received: 4 })
  t.equal(account.lost(4), 0)
})

t.test('where all events are alike, faults are found as surely', async t => {
  const edits = fc.array(
    fc.record({ at: fc.nat({ max: 40 }), what: fc.constantFrom('drop', 'repeat', 'swap', 'again') }),
    { maxLength: 6 },
  )
  fc.assert(
    fc.property(edits, list => {
      const numbers = Array.from({ length: 40 }, (_, at) => at + 1)
      for (const { at, what } of list) {
        if (what === 'drop') numbers.splice(at, 1)
        else if (what === 'repeat') numbers.splice(at, 0, numbers[at] ?? 1)
        else if (what === 'again') numbers.splice(at, 0, 1)
        else numbers.splice(at, 2, ...numbers.slice(at, at + 2).toReversed())
      }
      const { account, seen } = check(numbers)
      t.same(seen, numbers)
      t.equal(account.received - account.repeated, new Set(numbers).size)
      t.equal(account.lost(50), 50 - new Set(numbers).size)
    }),
  )
})

t.test('something else between two events does not hide what is repeated after it', async t => {
  const event = (number: number): string => `data: ${sequenceMark(number)}\n\n`
  const comment = `: ${'x'.repeat(event(1).length - 4)}\n\n`
  const seen: number[] = []
  const account = new SequenceCheck(0, sequence => seen.push(sequence))
  account.feed(Buffer.from([event(1), event(2), comment, event(3), event(3), event(4)].join('')))
  t.same(seen, [1, 2, 3, 3, 4])
  t.equal(account.repeated, 1)
})

t.test('chunks may be cut anywhere', async t => {
  const numbers = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 20 })
  const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 40 }))
  fc.assert(
    fc.property(numbers, sizes, (sent, lengths) => {
      const whole = check(sent)
      const cut = check(sent, text => cutAt(text, lengths))
      t.same(cut.seen, sent)
      t.match(cut.account, { received: sent.length, repeated: whole.account.repeated })
      t.equal(cut.account.lost(30), 30 - new Set(sent).size)
    }),
  )
})

function cutAt(text: string, lengths: Iterable<number>): string[] {
  const parts: string[] = []
  let rest = text
  for (const length of lengths) {
    if (rest === '') break
    parts.push(rest.slice(0, length))
    rest = rest.slice(length)
  }
  return parts
}
