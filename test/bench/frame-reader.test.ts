// The load generator's own reading of HTTP/2: what it overlooks, a benchmark would call lost.

import fc from 'fast-check'
import t from 'tap'
import { FrameReader } from '../../bench/load/frame-reader.ts'
import { FLAG, FRAME, frame } from '../support/raw-http2.ts'

interface Sent {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

function read(parts: readonly Buffer[]) {
  const carried = new Map<number, string>()
  const others: Sent[] = []
  const reader = new FrameReader({
    data: (stream, bytes) => void carried.set(stream, (carried.get(stream) ?? '') + bytes.toString('latin1')),
    frame: (type, flags, stream, payload) => void others.push({ type, flags, stream, payload }),
  })
  for (const part of parts) reader.feed(part)
  return { carried, others }
}

const frames = fc.array(
  fc.record({
    type: fc.constantFrom(FRAME.data, FRAME.headers, FRAME.settings, FRAME.ping),
    flags: fc.constantFrom(0, FLAG.endStream, FLAG.endHeaders),
    stream: fc.integer({ min: 0, max: 5 }),
    payload: fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
  }),
  { maxLength: 12 },
)

t.test('frames come out as they were sent, wherever the bytes are cut', async t => {
  const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 30 }))
  fc.assert(
    fc.property(frames, sizes, (sent, lengths) => {
      const bytes = Buffer.concat(
        sent.map(({ type, flags, stream, payload }) => frame(type, flags, stream, payload)),
      )
      const { carried, others } = read(cutAt(bytes, lengths))
      for (const stream of new Set(sent.map(each => each.stream))) {
        const data = sent.filter(each => each.type === FRAME.data && each.stream === stream)
        t.equal(carried.get(stream) ?? '', data.map(({ payload }) => payload.toString('latin1')).join(''))
      }
      const whole = sent.flatMap(({ type, flags, stream, payload }): Sent[] => {
        if (type !== FRAME.data) return [{ type, flags, stream, payload }]
        return (flags & FLAG.endStream) === 0 ? [] : [{ type, flags, stream, payload: Buffer.alloc(0) }]
      })
      t.same(others, whole)
    }),
  )
})

t.test('padding is refused: it would count as text', async t => {
  t.throws(() => read([frame(FRAME.data, FLAG.padded, 1, Buffer.from('\x02ab\0\0'))]), /padded/)
})

function cutAt(bytes: Buffer, lengths: Iterable<number>): Buffer[] {
  const parts: Buffer[] = []
  let rest = bytes
  for (const length of lengths) {
    if (rest.length === 0) break
    parts.push(rest.subarray(0, length))
    rest = rest.subarray(length)
  }
  return parts
}
