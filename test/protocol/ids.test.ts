import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { newEpoch } from '../../src/log/epoch.ts'
import { formatId, parseId } from '../../src/protocol/ids.ts'
import { holds } from '../support/properties.ts'

const epoch = fc.nat({ max: 4e12 }).map(newEpoch)
const position = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER))

t.test('an id names its epoch and position', async t => {
  const property = fc.property(epoch, position, (life, at) => {
    const id = formatId(life, at)
    assert.deepEqual(parseId(id), { epoch: life, position: at })
    assert.match(id, /^[0-9a-z-]{23}$/)
  })
  await holds(t, property, { numRuns: 300 })
})

t.test('ids sort as strings: by position within an epoch, by time between epochs', async t => {
  const within = fc.property(epoch, position, position, (life, one, other) => {
    return Math.sign(one - other) === compare(formatId(life, one), formatId(life, other))
  })
  await holds(t, within, { numRuns: 1000 })
  const between = fc.property(fc.nat({ max: 4e12 }), fc.integer({ min: 1, max: 1e9 }), (time, later) => {
    return (
      compare(formatId(newEpoch(time), Number.MAX_SAFE_INTEGER), formatId(newEpoch(time + later), 0)) === -1
    )
  })
  await holds(t, between, { numRuns: 1000 })
})

t.test('whatever is not an id is not taken for one', async t => {
  const id = formatId(newEpoch(1.75e12), 4242)
  const faults = ['', '-', id.slice(1), `${id}0`, ` ${id}`, `${id} `, `${id}\n`, id.toUpperCase()]
  for (const separator of ['_', '--', '0']) faults.push(id.replace('-', separator))
  faults.push(`${id.slice(0, 12)}zzzzzzzzzzz`)
  for (const text of faults) t.equal(parseId(text), undefined, JSON.stringify(text))
  await holds(
    t,
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-z]{11}-[0-9a-z]{11}$/)), text => {
      const parsed = parseId(text)
      return parsed === undefined || formatId(parsed.epoch, parsed.position) === text
    }),
    { numRuns: 2000 },
  )
})

function compare(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
