// `millrace token`: what it mints and makes, a hub takes; what it explains is so; and keys stay out of sight.

import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { decodeJwt } from 'jose'
import t from 'tap'
import { makeApiKey, parseApiKeys } from '../../src/auth/api-keys.ts'
import { startHub } from '../support/hub.ts'
import { bearer, SECRET, secretOf } from '../support/tokens.ts'
import { runCli, type CliOptions, type CliResult } from './run-cli.ts'

const env = { MILLRACE_JWT_KEY: SECRET }
const closed = { anonymousPublish: [], anonymousReceive: [], anonymousMetrics: false }

// Some wait for a token to expire or for a lock.
t.jobs = 2

t.test('a minted token opens what it says, for as long as it says', async t => {
  const hub = await startHub(t, { ...closed, jwtKey: SECRET })
  const minted = async (expires: string): Promise<string> => {
    const args = [
      'token',
      'mint',
      '--receive',
      'a,b/*',
      '--publish',
      'a',
      '--presence',
      'a',
      '--subject',
      'ann',
    ]
    const { code, stdout, stderr } = await runCli(t, [...args, '--expires', expires], { env })
    t.same({ code, stderr }, { code: 0, stderr: '' })
    return stdout.trim()
  }
  const token = await minted('1h')
  t.equal((await hub.fetch('/topics/b/c', { headers: bearer(token) })).status, 200)
  t.equal((await hub.fetch('/topics/c', { headers: bearer(token) })).status, 403)
  const explained = await runCli(t, ['token', 'explain'], { env, input: token })
  t.match(
    explained.stdout,
    /signed +HS256\nholder +ann\nexpires .*\npublish +a\nreceive +a, b\/\*\npresence +a\nIt is good\.\n$/,
  )
  const short = await minted('2s')
  while ((await hub.fetch('/topics/a', { headers: bearer(short) })).status === 200)
    await new Promise(resolve => setTimeout(resolve, 100))
  t.match(await runCli(t, ['token', 'explain'], { env, input: short }), { code: 1, stderr: /has expired/ })
  const unknown = await runCli(t, ['token', 'explain'], { env: { MILLRACE_JWT_KEY: '' }, input: token })
  t.match(unknown, { code: 0, stdout: /Not verified/ })
})

t.test('a token for Mercure alone needs nothing of others, and publishes there', async t => {
  const hub = await startHub(t, { ...closed, jwtKey: SECRET, jwtIssuer: ['i'], jwtAudience: ['a'] })
  const args = ['token', 'mint', '--mercure-publish', 'https://a.org/{id}', '--mercure-subscribe', '*']
  const token = (await runCli(t, args, { env })).stdout.trim()
  const publish = async (topic: string): Promise<number> => {
    const body = new URLSearchParams({ topic, data: 'x' })
    const init = { method: 'POST', body, headers: bearer(token) }
    return (await hub.fetch('/.well-known/mercure', init)).status
  }
  t.equal(await publish('https://a.org/1'), 200)
  t.equal(await publish('https://b.org/1'), 403)
  t.match(decodeJwt(token), {
    mercure: { publish: ['https://a.org/{id}'], subscribe: ['*'] },
    millrace: undefined,
  })
})

t.test(
  'a token to explain comes from stdin, a file or the environment, and never from the command line',
  async t => {
    const mint = async (subject: string): Promise<string> =>
      (await runCli(t, ['token', 'mint', '--subject', subject], { env })).stdout
    const [piped, stored, exported] = [await mint('piped'), await mint('stored'), await mint('exported')]
    const tokenFile = join(t.testdir({ token: stored }), 'token')
    const explain = (args: string[], options: CliOptions): Promise<CliResult> =>
      runCli(t, ['token', 'explain', ...args], { ...options, env: { ...env, ...options.env } })
    const MILLRACE_TOKEN = exported.trim()
    t.match(await explain([], { input: piped, env: { MILLRACE_TOKEN } }), { stdout: /holder +piped/ })
    t.match(await explain([], { env: { MILLRACE_TOKEN } }), { stdout: /holder +exported/ })
    t.match(await explain([], { env: { MILLRACE_TOKEN_FILE: tokenFile } }), { stdout: /holder +stored/ })
    t.match(await explain(['--token-file', tokenFile], { input: piped }), { stdout: /holder +stored/ })
    const refused = await explain([piped.trim()], {})
    t.match(refused, { code: 2, stdout: '', stderr: /no argument.*stdin, --token-file or MILLRACE_TOKEN\n$/ })
    t.notMatch(refused.stderr, piped.trim())
    t.match(await explain([], {}), { code: 2, stderr: /there is no token/ })
  },
)

t.test('publish and subscribe bring the token that they are given', async t => {
  const hub = await startHub(t, { ...closed, jwtKey: SECRET })
  const { stdout } = await runCli(t, ['token', 'mint', '--publish', '**', '--receive', '**'], { env })
  const tokenFile = join(t.testdir(), 'token')
  writeFileSync(tokenFile, stdout)
  const at = ['--url', hub.url, '--cacert', hub.caFile]
  const refused = await runCli(t, ['publish', 'a', 'x', ...at])
  t.match(refused, {
    code: 1,
    stderr: /MILLRACE_TOKEN_MISSING\): MILLRACE_TOKEN or --token-file brings a token/,
  })
  const publish = ['publish', 'a', 'hello', ...at]
  t.equal((await runCli(t, publish, { env: { MILLRACE_TOKEN: stdout.trim() } })).code, 0)
  const subscribe = ['subscribe', 'a', '--after', 'earliest', '--count', '1', ...at]
  t.match(await runCli(t, [...subscribe, '--token-file', tokenFile]), { code: 0, stdout: 'hello\n' })
})

t.test('private keys in PEM sign, and their public halves verify', async t => {
  for (const pair of [
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    generateKeyPairSync('ed25519'),
  ]) {
    const directory = t.testdir()
    const [keyFile, publicFile] = [join(directory, 'key.pem'), join(directory, 'public.pem')]
    writeFileSync(keyFile, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    writeFileSync(publicFile, pair.publicKey.export({ type: 'spki', format: 'pem' }))
    const { stdout } = await runCli(t, ['token', 'mint', '--receive', 'a', '--key-file', keyFile])
    const explained = await runCli(t, ['token', 'explain', '--key-file', publicFile], { input: stdout })
    t.match(explained, { code: 0, stdout: 'It is good.' })
    t.match(await runCli(t, ['token', 'mint', '--key-file', publicFile]), { code: 1, stderr: /cannot sign/ })
  }
})

t.test('an API key is told once, and the file has its hash for its owner alone', async t => {
  const file = join(t.testdir(), 'keys.json')
  const one = await runCli(t, ['token', 'key', 'one', '--publish', 'a', '--file', file])
  const other = await runCli(t, [
    'token',
    'key',
    'other',
    '--receive',
    '**',
    '--admin',
    '--expires',
    '1h',
    '--file',
    file,
  ])
  t.match([one, other], [{ code: 0 }, { code: 0 }])
  t.equal(statSync(file).mode & 0o777, 0o600)
  const text = readFileSync(file, 'utf8')
  for (const { stdout } of [one, other]) t.notMatch(text, secretOf(stdout.trim()))
  const hub = await startHub(t, { ...closed, apiKeysFile: file })
  const status = async (path: string, key: string, init = {}): Promise<number> =>
    (await hub.fetch(path, { headers: bearer(key.trim()), ...init })).status
  t.equal(await status('/topics/a', one.stdout, { method: 'POST', body: 'x' }), 201)
  t.equal(await status('/topics/a', one.stdout), 403)
  t.equal(await status('/topics/a', other.stdout), 200)
  t.equal(await status('/metrics', other.stdout), 200)
  t.equal(await status('/metrics', one.stdout), 403)
})

t.test('keys that are made at the same time are all kept', { buffered: false }, async t => {
  const directory = t.testdir({ 'linked.json': t.fixture('symlink', 'keys.json') })
  const file = join(directory, 'keys.json')
  writeFileSync(file, '{"keys": []}', { mode: 0o600 })
  const entries = Array.from({ length: 8 }, (_, at) => makeApiKey({ name: `${at}`, receive: ['a'] }).entry)
  const work = new URL('../../src/cli/append-key.ts', import.meta.url).href
  // Each in a process of its own, and all begin when the slowest is ready.
  const beginAt = Date.now() + 2000
  const script = `
    const { appendKey } = await import(${JSON.stringify(work)})
    await new Promise(resolve => setTimeout(resolve, ${beginAt} - Date.now()))
    await appendKey(process.argv[1], JSON.parse(process.argv[2]))`
  await Promise.all(
    entries.map((entry, at) =>
      promisify(execFile)(process.execPath, [
        '--input-type=module',
        '--eval',
        script,
        join(directory, at % 2 === 0 ? 'keys.json' : 'linked.json'),
        JSON.stringify(entry),
      ]),
    ),
  )
  const names = parseApiKeys(readFileSync(file, 'utf8')).map(({ name }) => name)
  t.same(names.sort(), ['0', '1', '2', '3', '4', '5', '6', '7'])
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.same(readdirSync(directory).sort(), ['keys.json', 'linked.json'], 'nothing is left behind')
})

t.test(
  'a lock that nobody gives back is named, and a file that is no file of keys is left as it is',
  async t => {
    const directory = t.testdir({ 'keys.json': '{"keys": []}', 'keys.json.lock': '', 'other.json': '[1]' })
    const add = (file: string): Promise<CliResult> =>
      runCli(t, ['token', 'key', 'a', '--receive', 'a', '--file', join(directory, file)])
    t.match(await add('keys.json'), { code: 1, stdout: '', stderr: /keys\.json\.lock is there/ })
    t.match(await add('other.json'), { code: 1, stdout: '', stderr: /must hold/ })
    t.equal(readFileSync(join(directory, 'other.json'), 'utf8'), '[1]')
    t.same(readdirSync(directory).sort(), ['keys.json', 'keys.json.lock', 'other.json'])
  },
)

t.test('a token that grants nothing is minted, with a word about that', async t => {
  const minted = await runCli(t, ['token', 'mint', '--subject', 'ann'], { env })
  t.match(minted, { code: 0, stderr: /grants nothing: see --publish, --receive\n$/ })
  t.equal(decodeJwt(minted.stdout.trim()).sub, 'ann')
  for (const flags of [['--presence', 'a'], ['--mercure-subscribe', 'a'], ['--admin']])
    t.match(await runCli(t, ['token', 'mint', ...flags], { env }), { code: 0, stderr: /^$/ })
})

t.test('its help names defaults as they are typed', async t => {
  const { stdout } = await runCli(t, ['token', 'mint', '--help'])
  t.match(stdout, /\(default:\s+1h\)/)
  t.notMatch(stdout, /\[\]/)
})

t.test('what cannot be is said in a line', async t => {
  const refused = async (args: string[], message: RegExp, code: number, key = SECRET): Promise<void> => {
    const input = 'x.y'
    const result = await runCli(t, ['token', ...args], { env: { MILLRACE_JWT_KEY: key }, input })
    t.match(result, { code, stdout: '', stderr: message })
  }
  await refused(['mint', '--receive', 'a*b'], /has the pattern "a\*b"/, 2)
  await refused(['mint', '--expires', 'soon'], /90s, 15m, 12h, 30d/, 2)
  await refused(['mint'], /a key is needed: MILLRACE_JWT_KEY/, 2, '')
  await refused(['mint'], /at least 32 bytes/, 1, 'short')
  await refused(['mint', '--algorithm', 'none'], /one of HS256/, 2)
  await refused(['explain'], /no token/, 1)
  await refused(['key', 'a'], /--file/, 2)
})
