// Any text as topic, pattern, type, id or key: it is taken or refused, quickly, and what is taken comes out as it went
// in. Nothing of it ends a header or a field of the event stream.

import fc from 'fast-check'
import t, { type Test } from 'tap'
import { topicFault, patternFault, typeFault } from '../../src/event.ts'
import { TopicIndex } from '../../src/hub/topic-index.ts'
import { encodeSse } from '../../src/protocol/sse.ts'
import { parseId } from '../../src/protocol/ids.ts'
import { patternCovers, patternMatcher, patternsOverlap, selectorOf } from '../../src/topic-pattern.ts'
import { EventReader } from '../support/event-reader.ts'
import { headOf, Http2Client, type Answer } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { holds } from '../support/properties.ts'

// Bytes that mean something to one of the layers, and any others.
const evil = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom(
      '/',
      '*',
      '.',
      '%',
      '\r',
      '\n',
      '\0',
      ':',
      ' ',
      '"',
      '\\',
      '\u2028',
      '\ud800',
      'ü',
      'a',
      '-',
      '0',
      '#',
      '?',
      '&',
    ),
    maxLength: 40,
  }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'millrace:bye',
    'earliest',
    '..',
    '%2e%2e',
    '%00',
    '\ufeff',
    'data: x\n\nid: 1',
  ),
)

// A surrogate by itself cannot be sent; as bytes it can.
const escaped = (text: string): string =>
  Buffer.from(text).reduce((sum, byte) => `${sum}%${byte.toString(16).padStart(2, '0')}`, '')

const AT_ONCE_MS = 2000

/** Asserts that the request is answered quickly, and that it is not the hub that failed. */
async function isHandled(ask: () => Promise<Answer>): Promise<Answer> {
  const startedAt = performance.now()
  const answer = await ask()
  if (answer.status >= 500) throw new Error(`${answer.status} ${answer.text}`)
  if (performance.now() - startedAt > AT_ONCE_MS) throw new Error('it took too long')
  const text = JSON.stringify(answer.headers)
  if (/[\r\n\0]/.test(Object.values(answer.headers).join(''))) throw new Error(text)
  return answer
}

async function clientOf(t: Test): Promise<{ hub: TestHub; client: Http2Client }> {
  const hub = await startHub(t)
  return { hub, client: new Http2Client(t, hub) }
}

t.test('any text as a topic', async t => {
  const { client } = await clientOf(t)
  const property = fc.asyncProperty(evil, async topic => {
    const path = `/topics/${escaped(topic)}`
    const published = await isHandled(() => client.post(path, 'x', { 'content-type': 'text/plain' }))
    if (published.status === 201 && /[\u0000-\u001f\u007f-\u009f*]/.test(topic))
      throw new Error('it was taken')
    const isValid = topic.isWellFormed() && topicFault(topic, 256) === undefined
    if (topic.isWellFormed() && (published.status === 201) !== isValid) throw new Error(published.text)
    for (const ask of [client.get(path), client.get(`${path}?limit=1`)]) await isHandled(() => ask)
    if (!isValid) return
    const page = JSON.parse((await client.get(path)).text) as { topic: string }
    if (page.topic !== topic) throw new Error(`it came back as ${JSON.stringify(page.topic)}`)
    await isHandled(() => client.get(`/topics?after=${escaped(topic)}&limit=1`))
  })
  await holds(t, property, { numRuns: 150 })
})

t.test('any text as a pattern, a cursor, a type and a key', async t => {
  const { client } = await clientOf(t)
  await client.post('/topics/a', 'x')
  const property = fc.asyncProperty(evil, async text => {
    const value = escaped(text)
    const stream = { accept: 'text/event-stream' }
    for (const path of [
      `/topics?match=${value}`,
      `/topics/a?after=${value}`,
      `/topics/a?lastEventId=${value}`,
      `/topics/a?limit=${value}`,
      `/topics/a?wait=${value}`,
      `/${value}`,
    ]) {
      await isHandled(() => client.get(path))
    }
    await isHandled(() => client.post(`/topics/a?type=${value}`, 'x'))
    // Streams are opened or refused; those that are opened are left at once.
    for (const path of [`/feed?topic=${value}`, `/topics/a?lastEventId=${value}`]) {
      const opened = client.open(path, stream)
      const { status } = await headOf(opened)
      opened.close()
      if (status >= 500) throw new Error(`${path}: ${status}`)
    }
    const header = text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '').trim()
    for (const name of [
      'last-event-id',
      'idempotency-key',
      'accept',
      'content-type',
      'if-none-match',
      'origin',
    ]) {
      await isHandled(() => client.get('/topics/a', { [name]: header }))
      await isHandled(() => client.post('/topics/a', 'x', { [name]: header }))
    }
  })
  await holds(t, property, { numRuns: 60 })
})

t.test('any text as type and data makes one event and no other field', async t => {
  const { hub, client } = await clientOf(t)
  const reader = await EventReader.open(hub, '/topics/sse')
  const feed = await EventReader.open(hub, '/feed?topic=sse')
  await Promise.all([reader.next(), feed.next()])
  const property = fc.asyncProperty(evil, evil, async (type, data) => {
    const query = typeFault(type) === undefined ? `?type=${escaped(type)}` : ''
    const answer = await isHandled(() =>
      client.post(`/topics/sse${query}`, data, { 'content-type': 'text/plain' }),
    )
    if (answer.status !== 201) throw new Error(answer.text)
    const { id } = JSON.parse(answer.text) as { id: string }
    // What is no UTF-8 text was sent as U+FFFD.
    const lines = data.toWellFormed().replace(/\r\n|\r/g, '\n')
    const [event, enveloped] = await Promise.all([reader.next(), feed.next()])
    const wanted = { id, event: query === '' ? undefined : type, data: lines }
    if (event?.id !== id || event.event !== wanted.event || event.data !== lines)
      throw new Error(JSON.stringify({ event, wanted }))
    const envelope = JSON.parse(enveloped!.data) as { data: string; type?: string }
    if (enveloped?.id !== id || envelope.data !== data.toWellFormed() || envelope.type !== wanted.event)
      throw new Error(enveloped!.data)
  })
  await holds(t, property, { numRuns: 150 })
  reader.close()
  feed.close()
})

t.test('what decides about names takes time linear in them, whatever they are', async t => {
  // The worst that fits: many stars, many segments, and the difference at the very end.
  const segments = 2048
  const stars = `${'*/'.repeat(segments - 1)}*`
  const topics = [
    `${'a/'.repeat(segments - 1)}a`,
    `${'a/'.repeat(segments - 1)}b`,
    'a'.repeat(4096),
    '/'.repeat(4096),
  ]
  const patterns = [
    stars,
    `${'*/'.repeat(segments - 1)}b`,
    `${stars.slice(0, -1)}**`,
    `${'a/'.repeat(segments - 1)}*`,
    '**',
    '*'.repeat(4096),
  ]
  const startedAt = performance.now()
  const rounds = 20
  let found = 0
  for (let round = 0; round < rounds; round++) {
    const index = new TopicIndex<string>()
    for (const pattern of patterns) {
      patternFault(pattern, 4096)
      const matches = patternMatcher(pattern)
      for (const topic of topics) matches(topic)
      for (const other of patterns) {
        patternCovers(pattern, other)
        patternsOverlap(pattern, other)
      }
      if (patternFault(pattern, 4096) === undefined) index.add(selectorOf([pattern]), pattern)
    }
    for (const topic of topics) {
      topicFault(topic, 4096)
      index.match(topic, () => found++)
    }
    typeFault('\u2028'.repeat(1000))
    parseId('0'.repeat(100_000))
    encodeSse({ data: '\r\n\r'.repeat(10_000) })
  }
  const tookMs = (performance.now() - startedAt) / rounds
  t.ok(tookMs < 300, `${tookMs.toFixed(1)} ms a round`)
  t.equal(found, rounds * 12)
})
