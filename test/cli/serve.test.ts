// `millrace serve` as a process: what it prints, how it starts, fails and ends; and the other commands against it.

import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { flagName } from '../../src/config/option-names.ts'
import { OPTION_NAMES, OPTIONS } from '../../src/config/schema.ts'
import { Cli, runCli } from './run-cli.ts'

// Dozens of processes are started, one after another.
t.setTimeout(180_000)

const run = promisify(execFile)

async function serve(
  t: Test,
  ...flags: string[]
): Promise<{ cli: Cli; url: string; cwd: string; port: string }> {
  const cwd = t.testdir()
  const cli = new Cli(t, ['serve', '--port', '0', '--log-format', 'json', ...flags], { cwd })
  await cli.says(/publish .*\n/, 'stderr')
  const url = /https?:\/\/\S+/.exec(cli.stderr)![0]
  return { cli, url, cwd, port: new URL(url).port }
}

t.test('the help has every option, grouped, and examples', async t => {
  const { code, stdout } = await runCli(t, ['serve', '--help'])
  t.equal(code, 0)
  for (const name of OPTION_NAMES) {
    const flag = OPTIONS[name].default === true ? flagName(name).replace('--', '--no-') : flagName(name)
    if (OPTIONS[name].isSecret === true) t.notMatch(stdout, new RegExp(`${flag} `), 'a secret has no flag')
    else t.match(stdout, flag)
  }
  for (const heading of ['Listening:', 'Access:', 'Event log:', 'Examples:', '--config <file>'])
    t.match(stdout, heading)
  t.notMatch(stdout, '--tls')
})

t.test('each command has help with examples, and there is a version', async t => {
  for (const args of [['--help'], ['publish', '--help'], ['subscribe', '--help']]) {
    t.match(await runCli(t, args), { code: 0, stdout: 'Examples:' })
  }
  t.match(await runCli(t, ['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
})

t.test('a mistyped flag or command ends with 2 and a suggestion', async t => {
  t.match(await runCli(t, ['serve', '--prot', '1']), { code: 2, stderr: /unknown option '--prot'[^]*--port/ })
  t.match(await runCli(t, ['serv']), { code: 2, stderr: /unknown command 'serv'[^]*serve/ })
  t.match(await runCli(t, ['serve', 'here']), { code: 2, stderr: 'too many arguments' })
  t.match(await runCli(t, []), { code: 2, stderr: 'Usage: millrace' })
})

t.test('a configuration that cannot be is one line on stderr and exit code 1', async t => {
  const refused = async (args: string[], message: RegExp, env: Record<string, string> = {}) => {
    const { code, stdout, stderr } = await runCli(t, ['serve', ...args], { env, cwd: t.testdir() })
    t.same({ code, stdout }, { code: 1, stdout: '' })
    t.match(stderr, message)
    t.equal(stderr.split('\n').length, 2, 'one line')
  }
  await refused(['--port', 'x'], /^millrace: MILLRACE_CONFIG_INVALID: --port is "x"/)
  await refused([], /MILLRACE_PORT is "y"/, { MILLRACE_PORT: 'y' })
  await refused(['--host', '0.0.0.0'], /MILLRACE_CONFIG_INVALID: --host 0\.0\.0\.0 .*--anonymous-receive/)
  await refused(['--config', 'none.json'], /none\.json cannot be read/)
  await refused(['--cert', 'none.pem', '--key', 'none.key'], /^millrace: MILLRACE_CERTIFICATE_UNUSABLE: /)
})

t.test('a port that is taken is one line on stderr and exit code 1', async t => {
  const blocker = createServer().listen(0, '127.0.0.1')
  t.teardown(() => blocker.close())
  await once(blocker, 'listening')
  const port = String((blocker.address() as AddressInfo).port)
  const { code, stderr } = await runCli(t, ['serve', '--port', port, '--no-tls'], { cwd: t.testdir() })
  t.equal(code, 1)
  t.match(stderr, /^millrace: MILLRACE_PORT_TAKEN: .+\n$/)
})

t.test('the lines that it prints publish and subscribe when they are pasted', async t => {
  const { cli, cwd } = await serve(t)
  const line = (name: string) => new RegExp(`^  ${name} +(.*)$`, 'm').exec(cli.stderr)![1]!
  const subscriber = run('sh', ['-c', `${line('subscribe')} --max-time 20 | grep -m 1 Hello`], { cwd })
  const published = async () => JSON.parse((await run('sh', ['-c', `${line('publish')} -s`], { cwd })).stdout)
  // Until the stream is open, what is published goes past it.
  let heard: { stdout: string } | undefined
  while (heard === undefined) {
    t.match(await published(), { topic: 'hello' })
    heard = await Promise.race([subscriber, sleep(20, undefined)])
  }
  t.equal(heard.stdout, 'data: Hello, world\n')
})

t.test('it says where the inspector is, if it is on', async t => {
  const { cli, url } = await serve(t)
  t.match(cli.stderr, `\n  inspect     ${url}/inspector in a browser\n`)
  const off = await serve(t, '--inspector', 'off')
  t.notMatch(off.cli.stderr, 'inspect')
})

t.test('with a key, what it says to try has a token', async t => {
  const { cli: open } = await serve(t)
  t.notMatch(open.stderr, 'TOKEN')
  const cwd = t.testdir({ 'keys.json': '{"keys": []}' })
  const flags = ['--port', '0', '--log-format', 'json', '--api-keys-file', 'keys.json']
  const cli = new Cli(t, ['serve', ...flags], { cwd })
  await cli.says('TOKEN is one', 'stderr')
  for (const command of ['subscribe', 'publish']) {
    t.match(cli.stderr, new RegExp(`  ${command} .* -H "authorization: Bearer \\$TOKEN" `))
  }
})

t.test('with JSON logs, stdout carries nothing else', async t => {
  const { cli, port } = await serve(t)
  cli.child.kill('SIGTERM')
  const { code, stdout } = await cli.ended
  t.equal(code, 0)
  const lines = stdout.trimEnd().split('\n')
  t.ok(lines.length > 1)
  for (const line of lines) t.type((JSON.parse(line) as { msg: string }).msg, 'string')
  t.match(stdout, `:${port}`)
})

t.test('with readable logs, the banner goes to stdout', async t => {
  const cli = new Cli(t, ['serve', '--port', '0', '--log-format', 'pretty', '--no-tls'], { cwd: t.testdir() })
  await cli.says(/publish +curl -d .*http:\/\/\S+\/topics\/hello/)
  t.notMatch(cli.stdout, '--cacert')
})

t.test('SIGINT ends the streams and then the process, with 0', async t => {
  const { cli, url, cwd } = await serve(t, '--drain-ms', '200')
  const env = { MILLRACE_URL: url }
  await runCli(t, ['publish', 'a', 'x'], { cwd, env })
  const subscriber = new Cli(t, ['subscribe', 'a', '--after', 'earliest'], { cwd, env })
  await subscriber.says('x')
  cli.child.kill('SIGINT')
  t.equal((await cli.ended).code, 0)
})

t.test('a second signal ends it at once', async t => {
  const { cli, url, cwd } = await serve(t, '--drain-ms', '60000')
  const env = { MILLRACE_URL: url }
  await runCli(t, ['publish', 'a', 'x'], { cwd, env })
  const subscriber = new Cli(t, ['subscribe', 'a', '--after', 'earliest'], { cwd, env })
  await subscriber.says('x')
  cli.child.kill('SIGTERM')
  await cli.says('draining')
  cli.child.kill('SIGTERM')
  t.equal((await cli.ended).code, 143)
})

t.test('SIGHUP puts a renewed certificate into service', async t => {
  const { cli, cwd, port } = await serve(t)
  const serial = async () => {
    const socket = connectTls({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }
  const before = await serial()
  rmSync(join(cwd, 'certs', 'cert.pem'))
  cli.child.kill('SIGHUP')
  await cli.says('certificate was reloaded')
  t.not(await serial(), before)
  t.equal(cli.child.exitCode, null)
})

t.test('what is published is received, once and in order, through a real hub', async t => {
  const { url, cwd } = await serve(t)
  const env = { MILLRACE_URL: url }
  const lines = Array.from({ length: 20_000 }, (_, at) => `line ${at}`)
  const follow = (...args: string[]) =>
    runCli(t, ['subscribe', 'logs/app', '--after', 'earliest', '--count', '20000', ...args], { cwd, env })
  const live = follow()
  const sent = await runCli(t, ['publish', 'logs/app'], { input: lines.join('\n'), cwd, env })
  t.match(sent, { code: 0, stderr: '20000 events published' })
  const ndjson = (await follow('--ndjson')).stdout.trimEnd().split('\n')
  t.strictSame((await live).stdout.trimEnd().split('\n'), lines)
  t.strictSame(
    ndjson.map(line => (JSON.parse(line) as { data: string }).data),
    lines,
  )
})

for (const [log, end] of [
  ['sqlite:data', { code: 0, stdout: 'before\nafter\n' }],
  // It begins anew, and the subscriber is told so.
  ['memory:', { code: 3, stdout: 'before\nafter\n', stderr: 'begun anew' }],
] as const) {
  t.test(`a publisher and a subscriber go through a restart of the hub, its log ${log}`, async t => {
    const { cli, url, cwd, port } = await serve(t, '--log', log, '--retry-ms', '50', '--drain-ms', '100')
    const env = { MILLRACE_URL: url }
    const publisher = new Cli(t, ['publish', 'a'], { cwd, env })
    publisher.child.stdin!.write('before\n')
    const args = ['subscribe', 'a', '--after', 'earliest', '--count', '2', '--fail-on-gap']
    const subscriber = new Cli(t, args, { cwd, env })
    await subscriber.says('before')
    cli.child.kill('SIGTERM')
    await cli.ended
    publisher.child.stdin!.end('after\n')
    await publisher.says('trying again', 'stderr')
    const again = new Cli(t, ['serve', '--port', port, '--log', log, '--log-format', 'json'], { cwd })
    await again.says('publish', 'stderr')
    t.match(await publisher.ended, { code: 0, stderr: '2 events published' })
    t.match(await subscriber.ended, end)
  })
}
