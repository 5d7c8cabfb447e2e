// What we write, read back with a parser that others wrote.

import assert from 'node:assert/strict'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import fc from 'fast-check'
import t from 'tap'
import { RESET, typeFault, type StoredEvent } from '../../src/event.ts'
import { newEpoch } from '../../src/log/epoch.ts'
import { formatId } from '../../src/protocol/ids.ts'
import { encodeSse, envelope, feedFrame, HEARTBEAT, stateFrame, topicFrame } from '../../src/protocol/sse.ts'
import { holds } from '../support/properties.ts'

const EPOCH = newEpoch(1.75e12)

// What could be taken for something else: line ends, fields, comments, the end of an event, marks that parsers strip.
const piece = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    '\n',
    '\r',
    '\r\n',
    '\n\r',
    '\n\n',
    '\0',
    '\ufeff',
    ' ',
    ':',
    '\u2028',
    '\u2029',
    '\u0085',
    '😀',
  ),
  fc.constantFrom(
    'id: x',
    'data: x',
    'data',
    'event: x',
    'retry: 1',
    'id:',
    ': comment',
    '\ndata: x\n\n',
    '\r\rid: 7\r\r',
  ),
)
const text = fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join(''))
const type = fc.string({ unit: 'binary', maxLength: 20 }).filter(each => typeFault(each) === undefined)
const id = fc
  .tuple(fc.nat({ max: 4e12 }), fc.maxSafeNat())
  .map(([time, position]) => formatId(newEpoch(time), position))
const fields = fc.record(
  {
    id,
    type: fc.oneof(type, fc.constantFrom(':', ' x', 'data: x', 'millrace')),
    data: text,
    retryMs: fc.nat(),
  },
  { requiredKeys: ['data'] },
)

t.test('whatever is encoded is read back, wherever the bytes are cut', async t => {
  const property = fc.property(fc.array(fields), fc.array(fc.integer({ min: 1, max: 40 })), (sent, sizes) => {
    const retries: number[] = []
    const received = parse(Buffer.from(sent.map(encodeSse).join('')), sizes, retries)
    assert.deepEqual(
      received,
      sent.map(each => ({ id: each.id, event: each.type, data: lines(each.data) })),
    )
    assert.deepEqual(
      retries,
      sent.flatMap(each => each.retryMs ?? []),
    )
  })
  await holds(t, property, { numRuns: 1000 })
})

t.test('a line of a mebibyte arrives whole', async t => {
  const data = `${'x'.repeat(1_048_576)}\r${'ä'.repeat(524_288)}`
  const [event, ...others] = parse(Buffer.from(encodeSse({ data })), [16_384])
  t.ok(event?.data === data.replace('\r', '\n'))
  t.same(others, [])
})

t.test('data ends where it ends', async t => {
  const cases = [
    ['', ''],
    ['\n', '\n'],
    ['\r', '\n'],
    ['\r\n', '\n'],
    ['\n\r', '\n\n'],
    ['a\n', 'a\n'],
    [' a', ' a'],
    ['\ufeffa', '\ufeffa'],
    ['a\0b', 'a\0b'],
    ['a\u2028b\u2029c\u0085d\u000be\u000cf', 'a\u2028b\u2029c\u0085d\u000be\u000cf'],
    ['\ud800', '\ufffd'],
  ]
  for (const [sent, received] of cases) {
    const events = parse(Buffer.from(encodeSse({ data: sent! })))
    t.ok(events.length === 1 && events[0]?.data === received, JSON.stringify(sent).replaceAll(/[^ -~]/g, '?'))
  }
})

t.test('heartbeats between events change nothing', async t => {
  const event = Buffer.from(encodeSse({ id: 'x', data: 'a' }))
  const events = parse(Buffer.concat([HEARTBEAT, event, HEARTBEAT, HEARTBEAT, event, HEARTBEAT]))
  t.same(
    events.map(each => each.data),
    ['a', 'a'],
  )
})

const json = fc
  .tuple(fc.jsonValue(), fc.constantFrom(undefined, 2, '\t'))
  .map(([value, indent]) => JSON.stringify(value, null, indent))
const loneSurrogates = fc
  .array(fc.oneof(fc.constantFrom(0xd800, 0xdfff, 0x61), fc.nat({ max: 0xffff })))
  .map(units => String.fromCharCode(...units))
const stored: fc.Arbitrary<StoredEvent> = fc
  .tuple(
    fc.record({
      topic: fc.string({ unit: 'binary' }),
      position: fc.maxSafeNat(),
      time: fc.nat({ max: 4e12 }),
    }),
    fc.option(type, { nil: undefined }),
    fc.oneof(
      fc.record({ data: fc.oneof(text, loneSurrogates), isJson: fc.constant(false) }),
      fc.record({ data: json, isJson: fc.constant(true) }),
    ),
  )
  .map(([event, eventType, data]) => Object.assign({ type: eventType }, event, data))

t.test('a topic stream carries data and type as they were published', async t => {
  const property = fc.property(stored, event => {
    const expected = { event: event.type, data: lines(event.data.toWellFormed()) }
    assert.deepEqual(parse(Buffer.from(topicFrame(event, EPOCH))), [
      { id: formatId(EPOCH, event.position), ...expected },
    ])
    assert.deepEqual(parse(Buffer.from(stateFrame(event, 'topic'))), [{ id: undefined, ...expected }])
  })
  await holds(t, property, { numRuns: 1000 })
})

t.test('a feed carries an envelope that is JSON, with JSON in it as such and text as a string', async t => {
  const property = fc.property(stored, event => {
    const expected = {
      topic: event.topic,
      ...(event.type !== undefined && { type: event.type }),
      time: new Date(event.time).toISOString(),
      data: event.isJson === true ? (JSON.parse(event.data) as unknown) : event.data,
    }
    for (const frame of [feedFrame(event, EPOCH), stateFrame(event, 'feed')]) {
      const [received, ...others] = parse(Buffer.from(frame))
      assert.deepEqual(JSON.parse(received!.data), expected)
      assert.equal(received!.event, undefined, 'an EventSource gets it as a message')
      assert.deepEqual(others, [])
    }
    assert.equal(parse(Buffer.from(feedFrame(event, EPOCH)))[0]!.id, formatId(EPOCH, event.position))
    assert.equal(parse(Buffer.from(stateFrame(event, 'feed')))[0]!.id, undefined)
    assert.deepEqual(JSON.parse(envelope(event, 'x')), { id: 'x', ...expected })
  })
  await holds(t, property, { numRuns: 1000 })
})

t.test('JSON stays as it was, down to what a number type cannot hold', async t => {
  const data = '{"n":1.0,"big":12345678901234567890123,"a":1,"a":2}'
  const event = { topic: 'a', data, isJson: true, position: 1, time: 0 }
  t.equal(envelope(event), `{"topic":"a","time":"1970-01-01T00:00:00.000Z","data":${data}}`)
})

t.test('a control event keeps its name on a feed', async t => {
  const event = { topic: 'a', type: RESET, data: '{"topic":"a"}', isJson: true, position: 1, time: 0 }
  t.same(parse(Buffer.from(feedFrame(event, EPOCH))), [
    { id: formatId(EPOCH, 1), event: RESET, data: event.data },
  ])
})

/** Feeds the bytes in pieces of these sizes, the last size again and again. */
function parse(bytes: Buffer, sizes: Iterable<number> = [], retries: number[] = []): EventSourceMessage[] {
  const events: EventSourceMessage[] = []
  const fault = (error: Error): never => {
    throw error
  }
  const parser = createParser({
    onEvent: event => events.push(event),
    onRetry: retry => retries.push(retry),
    onError: fault,
  })
  // As browsers do: one mark at the very start of a stream is no part of it. Ours never begins with one.
  const decoder = new TextDecoder('utf-8')
  const next = sizes[Symbol.iterator]()
  let size = bytes.length
  for (let from = 0; from < bytes.length; from += size) {
    size = (next.next().value as number | undefined) ?? size
    parser.feed(decoder.decode(bytes.subarray(from, from + size), { stream: true }))
  }
  return events
}

/** The data as SSE can carry it: every line end becomes LF. */
function lines(data: string): string {
  return data.replace(/\r\n?/g, '\n')
}
