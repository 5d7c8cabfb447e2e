// `millrace publish` against a hub that misbehaves: every line arrives once and in order, or it says how far it got.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Cli, runCli } from './run-cli.ts'
import { FlakyHub, randomNumbers, type Mishap } from './flaky-hub.ts'

// Dozens of processes are started, one after another.
t.setTimeout(180_000)

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `line ${at} ${'x'.repeat(at % 50)}`)
}

function dataOf(kept: readonly string[]): string[] {
  return kept.map(line => (JSON.parse(line) as { data: string }).data)
}

function randomMishaps(seed: number): () => Mishap {
  const random = randomNumbers(seed)
  const choices: Mishap[] = [
    { do: 'cut', keep: 'all' },
    { do: 'cut', keep: 'half' },
    { do: 'cut', keep: 'nothing' },
    { do: 'reset', keep: 'half' },
    { do: 'restart', keep: 'all' },
    { do: 'restart', keep: 'nothing' },
    { do: 'refuse', status: 503, retryAfter: '0' },
    { do: 'refuse', status: 408, body: {} },
    { do: 'refuse', status: 400, body: { code: 'MILLRACE_BODY_CUT' } },
    { do: 'refuse', status: 502 },
  ]
  return () => (random() < 0.6 ? { do: 'answer' } : choices[Math.floor(random() * choices.length)]!)
}

t.test('through cuts, refusals and restarts, each line of stdin is kept once and in order', async t => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const hub = await FlakyHub.open(t, randomMishaps(seed))
  const lines = numbered(8000)
  const result = await runCli(t, ['publish', 'logs/app', ...hub.flags], { input: lines.join('\n') })
  t.equal(result.code, 0, `seed ${seed}: ${result.stderr}`)
  t.strictSame(dataOf(hub.kept), lines, `seed ${seed}`)
  t.match(result.stderr, /8000 events published/)
})

t.test('through a restart in the middle, nothing is lost or repeated', async t => {
  let publishes = 0
  const hub = await FlakyHub.open(t, () =>
    ++publishes === 3 ? { do: 'restart', keep: 'half' } : { do: 'answer' },
  )
  const lines = numbered(3000)
  const result = await runCli(t, ['publish', 'a', ...hub.flags], { input: `${lines.join('\r\n')}\r\n` })
  t.equal(result.code, 0, result.stderr)
  t.equal(hub.restarts, 1)
  t.strictSame(dataOf(hub.kept), lines)
  t.match(result.stderr, /trying again/)
  t.match(result.stderr, /250 of them earlier/)
})

t.test('100,000 lines take seconds, in batches that are bounded', async t => {
  const hub = await FlakyHub.open(t)
  const lines = Array.from({ length: 100_000 }, (_, at) => `line number ${at}`)
  const started = performance.now()
  const result = await runCli(t, ['publish', 'a', ...hub.flags], { input: lines.join('\n') })
  t.equal(result.code, 0, result.stderr)
  t.equal(hub.kept.length, 100_000)
  t.strictSame(dataOf(hub.kept), lines)
  t.ok(hub.publishes.every(publish => publish.lines.length <= 500))
  t.ok(performance.now() - started < 30_000, 'within seconds')
})

t.test('a batch is bounded in bytes, and a long line makes its own', async t => {
  const hub = await FlakyHub.open(t)
  const lines = ['a'.repeat(200_000), 'b'.repeat(100_000), 'c'.repeat(600_000), 'ü'.repeat(70_000), 'e']
  const result = await runCli(t, ['publish', 'a', ...hub.flags], { input: lines.join('\n') })
  t.equal(result.code, 0, result.stderr)
  t.strictSame(dataOf(hub.kept), lines)
  t.ok(hub.publishes.length >= 3)
})

t.test('a line that is typed is published at once, while stdin stays open', async t => {
  const hub = await FlakyHub.open(t)
  const cli = new Cli(t, ['publish', 'chat', ...hub.flags])
  const arrives = async (count: number) => {
    while (hub.kept.length < count) await new Promise(resolve => setTimeout(resolve, 5))
  }
  cli.child.stdin!.write('one\n')
  await arrives(1)
  cli.child.stdin!.write('two\nthr')
  await arrives(2)
  cli.child.stdin!.write('ee')
  cli.child.stdin!.end()
  t.equal((await cli.ended).code, 0)
  t.strictSame(dataOf(hub.kept), ['one', 'two', 'three'])
})

t.test('arguments are one event each, as text or as JSON', async t => {
  const hub = await FlakyHub.open(t)
  t.equal(
    (await runCli(t, ['publish', 'a/b', 'Hello, "world"\n', 'again', '--type', 'x', ...hub.flags])).code,
    0,
  )
  t.strictSame(hub.kept, [
    '{"topic":"a/b","data":"Hello, \\"world\\"\\n","type":"x"}',
    '{"topic":"a/b","data":"again","type":"x"}',
  ])
  const json = '{"n": 12345678901234567890,\n "s": "x"}'
  t.equal((await runCli(t, ['publish', 'a/ü b', json, '--json', '--type', 'x y', ...hub.flags])).code, 0)
  t.equal(hub.kept[2], '{"n": 12345678901234567890,  "s": "x"}')
  t.equal(hub.publishes.at(-1)!.path, '/topics/a/%C3%BC%20b?type=x%20y')
})

t.test('NDJSON goes to the topic, or to the topics that its lines name', async t => {
  const hub = await FlakyHub.open(t)
  const file = join(t.testdir(), 'events.ndjson')
  writeFileSync(file, '\uFEFF{"a":1}\r\n\n  \n[2]\n"three"')
  t.equal((await runCli(t, ['publish', 'a', '--ndjson', '--file', file, ...hub.flags])).code, 0)
  t.strictSame(hub.kept, ['{"a":1}', '[2]', '"three"'])
  const line = '{"topic":"b","data":{"x":1},"type":"t"}'
  t.equal((await runCli(t, ['publish', '--ndjson', ...hub.flags], { input: line })).code, 0)
  t.equal(hub.kept[3], line)
  t.strictSame(new Set(hub.publishes.map(publish => publish.path)), new Set(['/topics/a', '/events']))
})

t.test('an empty line of text is an empty event', async t => {
  const hub = await FlakyHub.open(t)
  await runCli(t, ['publish', 'a', ...hub.flags], { input: 'one\n\nthree\n' })
  t.strictSame(dataOf(hub.kept), ['one', '', 'three'])
})

t.test('the same input under the same key is published once, wherever the first run stopped', async t => {
  let publishes = 0
  const refusal: Mishap = { do: 'refuse', status: 403, body: { code: 'MILLRACE_FORBIDDEN', detail: 'No.' } }
  const hub = await FlakyHub.open(t, () => (++publishes === 3 ? refusal : { do: 'answer' }))
  const lines = numbered(2200)
  const run = () =>
    runCli(t, ['publish', 'a', '--key', 'import:1', ...hub.flags], { input: lines.join('\n') })
  const first = await run()
  t.notMatch(first.stderr, /Warning/)
  t.equal(first.code, 1)
  t.match(first.stderr, /No \(MILLRACE_FORBIDDEN\).*1000 events published/)
  const second = await run()
  t.match(second.stderr, /2200 events published, 1000 of them earlier/)
  t.strictSame(dataOf(hub.kept), lines)
  t.ok(hub.publishes.every(publish => publish.key.startsWith('import:1-')))
})

t.test('a refusal names the line of the input and says how far it got', async t => {
  const problem = { code: 'MILLRACE_LINE_INVALID', detail: 'Line 3: no data.', line: 3, published: 2 }
  let publishes = 0
  const hub = await FlakyHub.open(t, () =>
    ++publishes === 2 ? { do: 'refuse', status: 400, body: problem } : { do: 'answer' },
  )
  const result = await runCli(t, ['publish', 'a', ...hub.flags], { input: numbered(900).join('\n') })
  t.equal(result.code, 1)
  t.match(result.stderr, /line 503: no data.*MILLRACE_LINE_INVALID.*502 events published/)
})

t.test('it waits as long as Retry-After asks', async t => {
  let publishes = 0
  const hub = await FlakyHub.open(t, () =>
    ++publishes === 1 ? { do: 'refuse', status: 429, retryAfter: '1' } : { do: 'answer' },
  )
  const cli = new Cli(t, ['publish', 'a', 'x', ...hub.flags])
  await cli.says('trying again', 'stderr')
  const refusedAt = performance.now()
  t.equal((await cli.ended).code, 0)
  t.ok(performance.now() - refusedAt > 900)
})

t.test('it gives up after the time it was given, and says what it does not know', async t => {
  const hub = await FlakyHub.open(t)
  await hub.close()
  const result = await runCli(t, ['publish', 'a', 'x', '--give-up-after', '0.3', ...hub.flags])
  t.equal(result.code, 1)
  t.match(result.stderr, /nothing listens there; trying again/)
  t.match(result.stderr, /gave up: nothing listens there\. Line 1 may be published\. 0 events published/)
})

t.test('a certificate that is not trusted ends it at once, with a word on --cacert', async t => {
  const hub = await FlakyHub.open(t)
  const result = await runCli(t, ['publish', 'a', 'x', '--url', hub.url], { cwd: t.testdir() })
  t.equal(result.code, 1)
  t.match(result.stderr, /not trusted.*--cacert FILE/)
})

t.test('what lies in certs/ is trusted beside what everyone trusts', async t => {
  const hub = await FlakyHub.open(t)
  const cwd = t.testdir({ certs: { 'ca.pem': t.fixture('symlink', hub.caFile) } })
  const result = await runCli(t, ['publish', 'a', 'x'], { cwd, env: { MILLRACE_URL: hub.url } })
  t.equal(result.code, 0, result.stderr)
})

t.test('input that is not UTF-8 is refused', async t => {
  const hub = await FlakyHub.open(t)
  const input = Buffer.concat([Buffer.from('good\nbad '), Buffer.from([0xff, 0x0a])])
  const result = await runCli(t, ['publish', 'a', ...hub.flags], { input })
  t.equal(result.code, 1)
  t.match(result.stderr, /not UTF-8/)
})

t.test('--quiet says nothing when all is well', async t => {
  const hub = await FlakyHub.open(t)
  t.same(await runCli(t, ['publish', 'a', 'x', '--quiet', ...hub.flags]), { code: 0, stdout: '', stderr: '' })
})

t.test('a command line that means nothing ends with 2', async t => {
  const wrong = [
    ['publish'],
    ['publish', '--ndjson', '--type', 'x'],
    ['publish', 'a*', 'x'],
    ['publish', 'a/../b', 'x'],
    ['publish', 'a', 'x', '--file', 'f'],
    ['publish', 'a', '{', '--json'],
    ['publish', 'a', 'x', '--key', 'a b'],
    ['publish', 'a', 'x', '--give-up-after', 'soon'],
  ]
  for (const args of wrong) {
    const { code, stderr } = await runCli(t, args)
    t.equal(code, 2, `${args.join(' ')}: ${stderr}`)
    t.notMatch(stderr, /at .*\.ts/)
  }
})
