// `millrace subscribe` against a hub whose streams are cut: each event is printed once, in the format asked for.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { encodeSse } from '../../src/protocol/sse.ts'
import { cuttingStream, send } from './event-source-log.ts'
import { FlakyHub, randomNumbers, refuse } from './flaky-hub.ts'
import { Cli, runCli } from './run-cli.ts'

// Dozens of processes are started, one after another.
t.setTimeout(180_000)

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `event ${at} ${'ü'.repeat(at % 30)}`)
}

t.test('through streams that are cut anywhere, each event is printed once and in order', async t => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const random = randomNumbers(seed)
  const hub = await FlakyHub.open(t)
  const data = numbered(400)
  hub.serve = cuttingStream({ data, cutAfterBytes: () => 100 + Math.floor(random() * 6000) })
  const args = ['subscribe', 'a', '--after', 'earliest', '--count', '400', ...hub.flags]
  const { code, stdout, stderr } = await runCli(t, args)
  t.equal(code, 0, `seed ${seed}: ${stderr}`)
  t.strictSame(stdout.split('\n'), [...data, ''], `seed ${seed}`)
})

t.test('a stream that says goodbye is taken up again where it ended', async t => {
  const hub = await FlakyHub.open(t)
  const data = numbered(3)
  const ids: (string | undefined)[] = []
  const serve = cuttingStream({ data, cutAfterBytes: () => Infinity, endsWithBye: true })
  hub.serve = (stream, path, id) => {
    ids.push(id)
    if (ids.length > 1) data.push(`event ${data.length}`)
    serve(stream, path, id)
  }
  const { stdout } = await runCli(t, ['subscribe', 'a', '--after', 'earliest', '--count', '5', ...hub.flags])
  t.strictSame(stdout.split('\n').slice(0, -1), data)
  t.strictSame(ids, [undefined, 'id-3', 'id-4'])
})

t.test('before the first event, it resumes from the position that the stream opened with', async t => {
  const hub = await FlakyHub.open(t)
  const data = ['old']
  const ids: (string | undefined)[] = []
  const serve = cuttingStream({ data, cutAfterBytes: () => Infinity, endsWithBye: true })
  hub.serve = (stream, path, id) => {
    ids.push(id)
    serve(stream, path, id)
    data.push(`event ${data.length}`)
  }
  const { stdout } = await runCli(t, ['subscribe', 'a', '--count', '1', ...hub.flags])
  t.equal(stdout, 'event 1\n')
  t.strictSame(ids, [undefined, 'id-1'])
})

t.test('it waits through a restart of the hub', async t => {
  const hub = await FlakyHub.open(t)
  const data = numbered(2)
  hub.serve = cuttingStream({ data, cutAfterBytes: () => Infinity })
  const cli = new Cli(t, ['subscribe', 'a', '--after', 'earliest', '--count', '3', ...hub.flags])
  await cli.says('event 1')
  data.push('after the restart')
  await hub.restart()
  t.strictSame((await cli.ended).stdout.split('\n'), [...data, ''])
})

const ENVELOPES = [
  '{"topic":"a","time":"2026-11-22T17:00:00.000Z","data":"plain \\"text\\""}',
  '{"topic":"b,\\"data\\":","type":"t","time":"2026-11-22T17:00:00.000Z","data":{"n":12345678901234567890,\n"d":[1.0]}}',
]
const FEED =
  encodeSse({ id: '0-0', type: 'millrace:open', data: '{}' }) +
  encodeSse({ data: ENVELOPES[0]! }) +
  encodeSse({ id: '0-1', type: 't', data: ENVELOPES[1]! })

async function printed(t: Parameters<typeof runCli>[0], ...args: string[]) {
  const hub = await FlakyHub.open(t)
  let asked = ''
  hub.serve = (stream, path) => {
    asked = path
    send(stream, FEED)
  }
  const { stdout } = await runCli(t, ['subscribe', ...args, '--count', '2', ...hub.flags])
  return { stdout, asked }
}

t.test('a feed prints the topic beside the data, as it was published', async t => {
  const { stdout, asked } = await printed(t, 'a', 'b/**')
  t.equal(stdout, 'a\tplain "text"\nb,"data":\t{"n":12345678901234567890,\n"d":[1.0]}\n')
  t.equal(asked, '/feed?topic=a&topic=b%2F**')
})

t.test('--data-only prints no topics', async t => {
  const { stdout } = await printed(t, '**', '--data-only')
  t.equal(stdout, 'plain "text"\n{"n":12345678901234567890,\n"d":[1.0]}\n')
})

t.test('--ndjson prints an envelope a line, with its id, digit for digit', async t => {
  const { stdout, asked } = await printed(t, 'a', '--ndjson', '--after', 'earliest')
  t.strictSame(stdout.split('\n'), [
    `{"id":null,${ENVELOPES[0]!.slice(1)}`,
    `{"id":"0-1",${ENVELOPES[1]!.slice(1).replace('\n', ' ')}`,
    '',
  ])
  t.equal(asked, '/feed?topic=a&after=earliest')
})

t.test('one topic is asked for by its own path, unless --feed is given', async t => {
  t.equal((await printed(t, 'ü/a b')).asked, '/topics/%C3%BC/a%20b')
  t.equal((await printed(t, 'ü', '--feed')).asked, '/feed?topic=%C3%BC')
})

t.test('--cursor resumes the next run behind the last event that was printed', async t => {
  const hub = await FlakyHub.open(t)
  hub.serve = cuttingStream({ data: numbered(10), cutAfterBytes: () => Infinity })
  const file = join(t.testdir(), 'cursor')
  const run = (count: number) =>
    runCli(t, [
      'subscribe',
      'a',
      '--after',
      'earliest',
      '--cursor',
      file,
      '--count',
      `${count}`,
      ...hub.flags,
    ])
  t.match((await run(3)).stdout, /^event 0 .*\nevent 1 .*\nevent 2 .*\n$/)
  t.equal(readFileSync(file, 'utf8'), 'id-3\n')
  t.match((await run(2)).stdout, /^event 3 .*\nevent 4 .*\n$/)
  t.equal(readFileSync(file, 'utf8'), 'id-5\n')
  writeFileSync(file, 'no id\n')
  t.match(await run(1), { code: 1, stderr: /holds no event id/ })
})

t.test('SIGINT and SIGTERM end it well, the cursor saved', async t => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const hub = await FlakyHub.open(t)
    hub.serve = cuttingStream({ data: numbered(2), cutAfterBytes: () => Infinity })
    const file = join(t.testdir(), 'cursor')
    const cli = new Cli(t, ['subscribe', 'a', '--after', 'earliest', '--cursor', file, ...hub.flags])
    await cli.says('event 1')
    cli.child.kill(signal)
    t.equal((await cli.ended).code, 0)
    t.equal(readFileSync(file, 'utf8'), 'id-2\n')
  }
})

t.test('losses are announced, and --fail-on-gap ends with 3', async t => {
  const hub = await FlakyHub.open(t)
  const gap = { reason: 'expired', resumesAfter: '0-8', lostThrough: '0-8' }
  hub.serve = stream =>
    send(
      stream,
      encodeSse({ id: '0-8', type: 'millrace:gap', data: JSON.stringify(gap) }) +
        encodeSse({ id: '0-9', type: 'millrace:reset', data: '{"topic":"a"}' }) +
        encodeSse({ id: '0-10', data: 'newer' }),
    )
  const run = (...args: string[]) => runCli(t, ['subscribe', 'a', '--count', '1', ...args, ...hub.flags])
  const strict = await run('--fail-on-gap')
  t.match(strict, { code: 3, stdout: 'newer\n', stderr: /events are lost.*0-8\n.*the topic a was deleted/ })
  t.equal((await run()).code, 0)
})

t.test('a reader that goes away ends it quietly', async t => {
  const hub = await FlakyHub.open(t)
  hub.serve = cuttingStream({ data: numbered(50_000), cutAfterBytes: () => Infinity })
  const cli = new Cli(t, ['subscribe', 'a', '--after', 'earliest', ...hub.flags])
  await cli.says('event 0')
  cli.child.stdout!.destroy()
  const { code, stderr } = await cli.ended
  t.same({ code, stderr }, { code: 0, stderr: '' })
})

t.test('a reader that stops reading stops the hub from sending', async t => {
  const hub = await FlakyHub.open(t)
  let sent = 0
  hub.serve = stream => {
    send(stream, encodeSse({ id: 'id-0', type: 'millrace:open', data: '{}' }))
    const chunk = Buffer.from(encodeSse({ id: 'id-1', data: 'x'.repeat(60_000) }))
    const more = (): void => {
      while (sent < 400_000_000) {
        sent += chunk.length
        if (!stream.write(chunk)) return
      }
    }
    stream.on('drain', more)
    more()
  }
  const cli = new Cli(t, ['subscribe', 'a', ...hub.flags])
  await cli.says('x')
  cli.child.stdout!.pause()
  let before = -1
  while (before !== sent) {
    before = sent
    await new Promise(resolve => setTimeout(resolve, 300))
  }
  t.ok(sent < 50_000_000, `${sent} bytes were taken`)
})

t.test('a refusal ends it with the detail', async t => {
  const hub = await FlakyHub.open(t)
  hub.serve = stream => refuse(stream, 403, { code: 'MILLRACE_FORBIDDEN', detail: 'Not for you.' })
  const result = await runCli(t, ['subscribe', 'a', ...hub.flags])
  t.match(result, { code: 1, stdout: '', stderr: 'millrace: Not for you (MILLRACE_FORBIDDEN)\n' })
})

t.test('a hub that is busy is asked again', async t => {
  const hub = await FlakyHub.open(t)
  let tries = 0
  const serve = cuttingStream({ data: ['x'], cutAfterBytes: () => Infinity })
  hub.serve = (stream, path, id) => (++tries === 1 ? refuse(stream, 503, {}, '0') : serve(stream, path, id))
  const result = await runCli(t, ['subscribe', 'a', '--after', 'earliest', '--count', '1', ...hub.flags])
  t.match(result, { code: 0, stdout: 'x\n', stderr: /503\); trying again/ })
})

t.test('it gives up after the time it was given', async t => {
  const hub = await FlakyHub.open(t)
  await hub.close()
  const result = await runCli(t, ['subscribe', 'a', '--give-up-after', '0.2', ...hub.flags])
  t.match(result, { code: 1, stderr: /gave up: nothing listens there/ })
})

t.test('an answer that is no event stream is told apart', async t => {
  const hub = await FlakyHub.open(t)
  hub.serve = stream => {
    stream.respond({ ':status': 200, 'content-type': 'text/html' })
    stream.end('<p>hello')
  }
  t.match(await runCli(t, ['subscribe', 'a', ...hub.flags]), { code: 1, stderr: /no event stream/ })
})

t.test('a command line that means nothing ends with 2', async t => {
  const wrong = [
    ['subscribe'],
    ['subscribe', 'a*b'],
    ['subscribe', 'a/../b'],
    ['subscribe', 'a', '--count', '0'],
    ['subscribe', 'a', '--ndjson', '--data-only'],
  ]
  for (const args of wrong) {
    const { code, stderr } = await runCli(t, args)
    t.equal(code, 2, `${args.join(' ')}: ${stderr}`)
  }
})
