// What subscribers of one text are sent, put back together by Node's own inflater: one for each, from first to last.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createGunzip, crc32, gunzipSync, type Gunzip } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { shiftCrc } from '../../src/gzip/crc32.ts'
import { DICTIONARY_BYTES, stored, type Pieces } from '../../src/gzip/deflate.ts'
import { GzipStream, type GzipTotals } from '../../src/gzip/gzip-stream.ts'
import { SharedChunk, SharedText } from '../../src/gzip/shared-text.ts'
import { holds } from '../support/properties.ts'

const always = (): boolean => true
const never = (): boolean => false

const totals = (): GzipTotals => ({ plainBytes: 0, sentBytes: 0 })

/** A chunk of events such as prices: numbered, so that no two are alike. */
function prices(from: number, bytes: number): Buffer {
  let text = ''
  for (let number = from; text.length < bytes; number++) {
    const price = (100 + Math.sin(number) * 20).toFixed(4)
    text += `data: {"symbol":"ACME${number % 7}","price":${price},"venue":"XETR"}\nid: 0mxk3f9q2ab-${number}\n\n`
  }
  return Buffer.from(text.slice(0, bytes))
}

/** Bytes that do not get smaller. */
function noise(seed: number, bytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(bytes / 32) }, (_, at) =>
    createHash('sha256').update(`${seed} ${at}`).digest(),
  )
  return Buffer.concat(blocks).subarray(0, bytes)
}

/** A client: its inflater, and what it should have had. */
class Client {
  readonly stream = new GzipStream(totals())
  readonly #gunzip: Gunzip = createGunzip()
  readonly #decoded: Buffer[] = []
  readonly #plain: Buffer[] = []
  #failure: Error | undefined
  #onFailure = (): void => {}

  constructor() {
    this.#gunzip.on('data', (part: Buffer) => this.#decoded.push(part))
    this.#gunzip.on('error', error => {
      this.#failure = error
      this.#onFailure()
    })
  }

  /** Sends it this, after which it must have had all of it. */
  async take(sent: Pieces, plain: Buffer): Promise<void> {
    this.#plain.push(plain)
    await new Promise<void>(resolve => {
      this.#onFailure = resolve
      this.#gunzip.write(Buffer.concat(sent), () => resolve())
    })
    this.check()
  }

  async end(): Promise<void> {
    const ended = new Promise(resolve => this.#gunzip.once('close', resolve))
    this.#gunzip.end(Buffer.concat(this.stream.end()))
    await ended
    this.check()
  }

  check(): void {
    assert.equal(this.#failure, undefined)
    assert.ok(Buffer.concat(this.#decoded).equals(Buffer.concat(this.#plain)))
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('chunk' as const), absent: fc.nat(), pays: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('personal' as const), client: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('nothing' as const), client: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('page' as const), client: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('join' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('new text' as const) }) },
)
const size = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 900 }) },
  { weight: 2, arbitrary: fc.integer({ min: 900, max: 9000 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 2, 4095, 4096, 4097, 65_534, 65_535, 65_536, 140_000) },
)
const steps = fc.array(fc.tuple(step, size, fc.integer({ min: 0, max: 3 })), { maxLength: 60 })

t.test(
  'whoever joins, misses chunks and returns at random has each byte at once, and a sound end',
  async t => {
    await holds(
      t,
      fc.asyncProperty(steps, async given => {
        let text = new SharedText()
        const clients = [new Client(), new Client()]
        for (const [at, [what, bytes, taste]] of given.entries()) {
          const plain = taste === 0 ? noise(at, bytes) : prices(at * 1000, bytes)
          if (what.kind === 'join') clients.push(new Client())
          else if (what.kind === 'new text') text = new SharedText()
          else if (what.kind === 'chunk') {
            const chunk = text.next(plain, what.pays ? always : never)
            const present = clients.filter((_, number) => ((what.absent >> number) & 1) === 0 || number > 2)
            for (const client of present) await client.take(client.stream.shared(chunk), plain)
          } else {
            const client = clients[what.client % clients.length]!
            if (what.kind === 'nothing') await client.take(client.stream.nothing(), Buffer.alloc(0))
            if (what.kind === 'personal') await client.take(client.stream.personal(plain), plain)
            if (what.kind === 'page') {
              await client.take(client.stream.shared(new SharedChunk(plain, always)), plain)
            }
          }
        }
        for (const client of clients) await client.end()
      }),
      { numRuns: 200 },
    )
  },
)

t.test('those in step get the same bytes, compressed with what they had before', async t => {
  const text = new SharedText()
  const streams = [new GzipStream(totals()), new GzipStream(totals()), new GzipStream(totals())]
  for (const stream of streams) stream.personal(Buffer.from('hello'))
  for (let round = 0; round < 10; round++) {
    const chunk = text.next(prices(round * 10, 600), always)
    for (const stream of streams) stream.shared(chunk)
  }
  const chunk = text.next(prices(1000, 600), always)
  const [first, ...others] = streams.map(stream => stream.shared(chunk)[0]) as [Buffer, Buffer, Buffer]
  for (const other of others) t.equal(other, first, 'the very same buffer')
  const newcomer = new GzipStream(totals())
  newcomer.personal(Buffer.from('hello'))
  const alone = newcomer.shared(chunk)[0]!
  t.ok(alone.length < 450, `by itself ${alone.length} of 600 bytes`)
  t.ok(first.length < alone.length * 0.7, `in step ${first.length}`)
})

t.test('after bytes of its own, a stream is in step again when it has had the dictionary', async t => {
  const text = new SharedText()
  const [steady, stray] = [new GzipStream(totals()), new GzipStream(totals())]
  const isAlike = (number: number): boolean => {
    const chunk = text.next(prices(number * 10, 1000), always)
    return steady.shared(chunk)[0] === stray.shared(chunk)[0]
  }
  for (let number = 0; number < 8; number++) isAlike(number)
  t.equal(isAlike(8), true)
  stray.personal(Buffer.from(':\n'))
  const until = Array.from({ length: 8 }, (_, number) => isAlike(9 + number))
  const missing = Math.ceil(DICTIONARY_BYTES / 1000)
  t.same(until, [...Array<boolean>(missing).fill(false), ...Array<boolean>(8 - missing).fill(true)])
  stray.nothing()
  t.equal(isAlike(20), true, 'an empty block does not interrupt')
})

t.test('where it does not pay, chunks are sent as they are, for 5 bytes more each 65,535', async t => {
  const bytes = prices(0, 2000)
  const stream = new GzipStream(totals())
  stream.personal(Buffer.from('hello'))
  t.same(stream.shared(new SharedText().next(bytes, never)), stored(bytes))
  t.same(stream.shared(new SharedChunk(noise(1, 2000), always)), stored(noise(1, 2000)), 'noise')
  t.same(stream.shared(new SharedChunk(prices(0, 200), always)), stored(prices(0, 200)), 'too short')
  const large = Buffer.alloc(1024 * 1024 + 1, 'long ')
  t.same(stream.shared(new SharedChunk(large, always)), stored(large), 'too long')
  t.equal(Buffer.concat(stored(Buffer.alloc(65_535))).length, 65_540)
  t.equal(Buffer.concat(stored(Buffer.alloc(65_536))).length, 65_546)
  t.equal(stored(large)[1]!.buffer, large.buffer, 'large ones are not copied')
})

t.test('the end has the checksum of all that was sent', async t => {
  const text = new SharedText()
  const stream = new GzipStream(totals())
  const sent = [...stream.personal(Buffer.from('hello\n'))]
  for (let round = 0; round < 20; round++)
    sent.push(...stream.shared(text.next(prices(round * 10, 700), always)))
  const whole = Buffer.concat([...sent, ...stream.end()])
  t.equal(gunzipSync(whole).length, 6 + 20 * 700)
  const forged = Buffer.from(whole)
  forged[forged.length - 8]! ^= 1
  t.throws(() => gunzipSync(forged), { code: 'Z_DATA_ERROR' }, 'the inflater does look at it')
})

t.test('checksums of parts make that of the whole, whatever their lengths', t =>
  holds(
    t,
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 70_000 }), (one, other) => {
      const whole = crc32(Buffer.concat([one, other]))
      assert.equal((shiftCrc(crc32(one), other.length) ^ crc32(other)) >>> 0, whole)
    }),
  ),
)

t.test('checksums are right beyond 4 GiB', async t => {
  // Shifting by a length is shifting by its parts.
  const long = 5 * 2 ** 32 + 12_345
  const crc = crc32('anything')
  let inParts: number = crc
  for (let left = long; left > 0; left -= 2 ** 20) inParts = shiftCrc(inParts, Math.min(left, 2 ** 20))
  t.equal(shiftCrc(crc, long), inParts)
})
