import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Pieces } from '../../src/http/body.ts'

t.test('many small pieces cost hardly more than they hold', async t => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const slab = Buffer.alloc(65_536, 'x')
  const pieces = new Pieces()
  gc()
  const before = process.memoryUsage()
  for (let at = 0; at < 200_000; at++) pieces.add(slab.subarray(at % 65_536, (at % 65_536) + 1))
  gc()
  const after = process.memoryUsage()
  const grown = after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers
  t.ok(grown < 4_000_000, `${grown} bytes for 200,000`)
  t.ok(pieces.take().equals(Buffer.alloc(200_000, 'x')))
  t.equal(pieces.length, 0)
})
