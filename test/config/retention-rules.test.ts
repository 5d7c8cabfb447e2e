// The rules of `--retention`.

import t from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { parseRetentionRule } from '../../src/config/retention-rules.ts'

t.test('a rule is a pattern and limits', async t => {
  t.same(parseRetentionRule('logs/** events=1000 bytes=5000000 ageMs=3600000', 256), {
    pattern: 'logs/**',
    maxEvents: 1000,
    maxBytes: 5_000_000,
    maxAgeMs: 3_600_000,
  })
  t.same(parseRetentionRule('a topic with spaces events=1', 256), {
    pattern: 'a topic with spaces',
    maxEvents: 1,
  })
})

t.test('what is wrong with a rule is said', async t => {
  for (const [text, fault] of [
    ['logs/**', 'names no limit'],
    ['', 'the pattern "", which is empty'],
    ['events=5', 'the pattern "", which is empty'],
    ['logs/** events=0', "'events=0', but a limit is a whole number from 1"],
    ['logs/** events=1.5', 'a whole number from 1'],
    ['logs/** age=5', "'age=', but a limit is one of events, bytes, ageMs"],
    ['a*b events=5', '"a*b"'],
    ['abcd events=5', 'is longer than 3 bytes'],
  ] as const) {
    t.match(parseRetentionRule(text, text.startsWith('abcd') ? 3 : 256), fault, text)
  }
})

t.test('the configuration takes several rules, and refuses one that cannot hold', async t => {
  const flags = { retention: ['a events=5', 'b/** ageMs=100'] }
  t.same(loadConfig({ env: {}, flags }).retention, flags.retention)
  const env = { MILLRACE_RETENTION: 'a events=5, b/** ageMs=100' }
  t.same(loadConfig({ env }).retention, flags.retention, 'comma-separated in the environment')
  for (const [rule, fault] of [
    ['a', '--retention "a" names no limit'],
    ['a bytes=10', '--max-body-bytes'],
  ] as const) {
    t.throws(() => loadConfig({ env: {}, flags: { retention: [rule] } }), {
      code: 'MILLRACE_CONFIG_INVALID',
      message: fault,
    })
  }
})

t.test('a log in memory keeps less than one on disk unless told otherwise', async t => {
  const logMaxBytes = (flags: object): number => loadConfig({ env: {}, flags: { ...flags } }).logMaxBytes
  t.equal(logMaxBytes({ log: 'memory:' }), 268_435_456)
  t.equal(logMaxBytes({ log: 'sqlite:data' }), 8_589_934_592)
  t.equal(logMaxBytes({ log: 'memory:', logMaxBytes: '9999999999' }), 9_999_999_999)
})
