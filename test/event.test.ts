// Which names are valid for topics, patterns and types.

import fc from 'fast-check'
import t from 'tap'
import { patternFault, RESET, topicFault, typeFault } from '../src/event.ts'
import { selectorOf } from '../src/topic-pattern.ts'
import { holds } from './support/properties.ts'

t.test('topic names are slash-separated segments', async t => {
  for (const name of [
    'a',
    'orders/eu/42',
    'a//b',
    'ä/日本',
    '😀',
    ' a ',
    '...',
    '.a',
    'a..b',
    '%2F',
    'a?b#c',
  ]) {
    t.equal(topicFault(name, 256), undefined, name)
  }
})

t.test('what a URL, a pattern or a line cannot carry is no topic name', async t => {
  t.match(topicFault('', 256), 'empty')
  for (const name of ['/', '/a', 'a/']) t.match(topicFault(name, 256), 'slash', name)
  for (const name of ['.', '..', 'a/./b', 'a/..']) t.match(topicFault(name, 256), 'segment', name)
  for (const name of ['*', 'a/*', 'a*b', '**']) t.match(topicFault(name, 256), "'*'", name)
  for (const character of ['\0', '\n', '\r', '\t', '\u007f', '\u0085', '\u2028', '\u2029']) {
    t.match(topicFault(`a${character}b`, 256), 'control', `U+${character.charCodeAt(0).toString(16)}`)
  }
  t.match(topicFault('a\ud800', 256), 'Unicode')
})

t.test('names are measured in bytes of UTF-8', async t => {
  t.equal(topicFault('ä'.repeat(128), 256), undefined)
  t.match(topicFault('ä'.repeat(129), 256), 'longer than 256 bytes')
  t.match(patternFault(`${'ä'.repeat(128)}/*`, 256), 'longer than 256 bytes')
  t.equal(typeFault('ä'.repeat(64)), undefined)
  t.match(typeFault('ä'.repeat(65)), 'longer than 128 bytes')
})

t.test('stars stand alone in their segment, and two of them only at the end', async t => {
  for (const name of ['*', '**', 'a/*', '*/a', 'a/**', '*/*/**', 'a'])
    t.equal(patternFault(name, 256), undefined, name)
  for (const name of ['**/a', '**/**', 'a/**/b']) t.match(patternFault(name, 256), 'before the last', name)
  for (const name of ['a*', '*a', 'a/b*', '***', '*a*']) t.match(patternFault(name, 256), 'next to', name)
  for (const name of ['', '/', '*/', '/**', '../*', '*/\n']) t.type(patternFault(name, 256), 'string', name)
})

t.test('every topic name is a pattern for itself', async t => {
  const name = fc.string({ unit: 'binary', maxLength: 12 })
  const property = fc.property(name, topic => {
    if (topicFault(topic, 32) !== undefined) return true
    return patternFault(topic, 32) === undefined && selectorOf([topic]).matches(topic)
  })
  await holds(t, property, { numRuns: 3000 })
})

t.test('types have no line ends and do not pass for the hub itself', async t => {
  for (const type of ['message', 'order placed', ':', ' x', 'Millrace:open', 'millrace'])
    t.equal(typeFault(type), undefined)
  t.match(typeFault(''), 'empty')
  for (const type of ['a\nb', 'a\r', '\0', 'a\u2028']) t.match(typeFault(type), 'control')
  for (const type of [RESET, 'millrace:', 'millrace:x']) t.match(typeFault(type), 'reserved')
  t.match(typeFault('\udc00'), 'Unicode')
})
