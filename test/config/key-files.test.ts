// Files of keys while a hub runs: which changes are seen, and what becomes of those that cannot be used.

import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { makeApiKey } from '../../src/auth/api-keys.ts'
import { KeyFiles } from '../../src/config/key-files.ts'
import { startHub } from '../support/hub.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'

const OTHER_SECRET = 'another secret, of more than 32 bytes'
const noOther = { jwtKey: undefined, jwtAlgorithms: [], pollMs: 10 }
const NO_KEYS = '{"keys": []}'

t.test('a change between the start and the first look is seen', async t => {
  const jwtKeyFile = join(t.testdir({ key: SECRET }), 'key')
  const files = new KeyFiles({ ...noOther, jwtKeyFile, apiKeysFile: undefined })
  writeFileSync(jwtKeyFile, OTHER_SECRET)
  const changes: boolean[] = []
  files.watch(() => void changes.push(files.reload((_, error) => t.error(error))))
  for (let at = 0; at < 200 && changes.length === 0; at++) await sleep(10)
  t.same(changes, [true])
  t.equal(files.texts.jwtKey, OTHER_SECRET)
  await sleep(50)
  t.same(changes, [true], 'once')
  // Not by `teardown`: `testdir` has removed the files by then.
  files.close()
})

t.test('a file that cannot be used holds up no other, and is reported once', async t => {
  const directory = t.testdir({ key: SECRET, 'keys.json': NO_KEYS })
  const [jwtKeyFile, apiKeysFile] = [join(directory, 'key'), join(directory, 'keys.json')]
  const files = new KeyFiles({ ...noOther, jwtKeyFile, apiKeysFile })
  const reports: string[] = []
  const reload = (): boolean => files.reload((option, { message }) => void reports.push(option, message))
  rmSync(jwtKeyFile)
  const text = JSON.stringify({ keys: [makeApiKey({ name: 'one', receive: ['a'] }).entry] })
  writeFileSync(apiKeysFile, text)
  t.ok(reload(), 'the other one is read')
  t.same(files.texts, { jwtKey: SECRET, apiKeys: text })
  t.match(reports.splice(0), ['jwtKeyFile', /cannot be read/])
  t.notOk(reload())
  t.same(reports, [], 'once')
  writeFileSync(jwtKeyFile, 'short')
  t.notOk(reload())
  t.match(reports.splice(0), ['jwtKeyFile', /at least 32 bytes/], 'something else is wrong')
  writeFileSync(jwtKeyFile, OTHER_SECRET)
  writeFileSync(apiKeysFile, '{"keys": [')
  t.ok(reload())
  t.same(files.texts, { jwtKey: OTHER_SECRET, apiKeys: text })
  t.match(reports.splice(0), ['apiKeysFile', /is not JSON/])
  writeFileSync(apiKeysFile, NO_KEYS)
  t.ok(reload())
  rmSync(apiKeysFile)
  t.notOk(reload())
  t.match(reports, ['apiKeysFile', /cannot be read/])
})

t.test('what is in a directory that is not there does not end the watch', async t => {
  const directory = join(t.testdir(), 'keys')
  mkdirSync(directory)
  const jwtKeyFile = join(directory, 'key')
  writeFileSync(jwtKeyFile, SECRET)
  const files = new KeyFiles({ ...noOther, jwtKeyFile, apiKeysFile: undefined })
  t.teardown(() => files.close())
  const calls: boolean[] = []
  files.watch(() => void calls.push(files.reload(() => {})))
  renameSync(directory, `${directory}-away`)
  // A file where there was a directory.
  writeFileSync(directory, '')
  while (calls.length < 1) await sleep(5)
  rmSync(directory)
  renameSync(`${directory}-away`, directory)
  while (calls.length < 2) await sleep(5)
  chmodSync(jwtKeyFile, 0o640)
  while (calls.length < 3) await sleep(5)
  t.equal(files.texts.jwtKey, SECRET)
})

t.test('without its file an API key stays good, and the log says what would revoke it', async t => {
  const lines: string[] = []
  const logTo = new Writable({
    write: (line: Buffer, _encoding, done) => (lines.push(line.toString()), done()),
  })
  const { key, entry } = makeApiKey({ name: 'one', receive: ['a'] })
  const directory = t.testdir({ key: SECRET, 'keys.json': JSON.stringify({ keys: [entry] }) })
  const [jwtKeyFile, apiKeysFile] = [join(directory, 'key'), join(directory, 'keys.json')]
  const closed = { anonymousPublish: [], anonymousReceive: [], anonymousMetrics: false }
  const hub = await startHub(t, { ...closed, jwtKeyFile, apiKeysFile }, logTo)
  const status = async (token: string): Promise<number> =>
    (await hub.fetch('/topics/a', { headers: bearer(token) })).status
  const jwt = await mint({ receive: ['a'] })
  rmSync(apiKeysFile)
  for (let at = 0; at < 2; at++) await hub.server.reload()
  t.same([await status(key), await status(jwt)], [200, 200])
  const reports = lines.filter(line => line.includes('"level":50'))
  t.equal(reports.length, 1)
  t.match(JSON.parse(reports[0]!), { err: { message: apiKeysFile }, msg: '{"keys": []}, revokes all' })
  rmSync(jwtKeyFile)
  writeFileSync(apiKeysFile, NO_KEYS)
  await hub.server.reload()
  t.same([await status(key), await status(jwt)], [401, 200])
})
