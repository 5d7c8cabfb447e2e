// deploy/millrace.service: what systemd would do with it, done by hand, and what systemd says of it where it is installed.

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CLOSE_GRACE_MS } from '../../src/listener.ts'
import { DEFAULTS } from '../../src/config/schema.ts'
import { needs, run } from '../support/commands.ts'
import { freePort, spawnCommand } from '../support/hub-process.ts'
import { Inbox } from '../support/inbox.ts'

const unit = readFileSync(new URL('../../deploy/millrace.service', import.meta.url), 'utf8')

function settings(name: string): string[] {
  return [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(match => match[1]!)
}

t.test(
  'its command runs a hub with the files that it names; SIGHUP is survived, SIGTERM ends it',
  async t => {
    const port = await freePort()
    const config = JSON.parse(
      readFileSync(new URL('../../deploy/hub.json', import.meta.url), 'utf8'),
    ) as object
    const directory = t.testdir({
      'hub.json': JSON.stringify({ ...config, port }),
      'jwt-key': 'a secret of at least 32 bytes, made for this test\n',
      state: {},
    })
    const placed = (text: string): string =>
      text
        .replace('/etc/millrace', directory)
        .replace('/var/lib/millrace', join(directory, 'state'))
        .replace('%d', directory)
    const [command] = settings('ExecStart')
    const [, args] = /^\/usr\/bin\/env millrace (.*)$/.exec(command!) as unknown as [string, string]
    const env = Object.fromEntries(settings('Environment').map(text => placed(text).split(/=(.*)/, 2)))
    const child = spawnCommand(t, placed(args).split(' '), { ...process.env, ...env })
    const lines = new Inbox<string>()
    child
      .stdout!.setEncoding('utf8')
      .on('data', (text: string) => text.split('\n').forEach(line => lines.push(line)))
    await lines.find(line => line.includes('listening on'))

    const url = `http://127.0.0.1:${port}`
    t.equal((await fetch(`${url}/readyz`)).status, 200)
    t.equal((await fetch(`${url}/topics/a`, { method: 'POST', body: 'x' })).status, 401, 'it has the key')
    t.same(settings('ExecReload'), ['/bin/kill -HUP $MAINPID'])
    const otherKey = 'another secret of at least 32 bytes, for this test\n'
    writeFileSync(join(directory, 'jwt-key'), otherKey)
    child.kill('SIGHUP')
    await lines.find(line => line.includes('the keys of tokens were read again'))
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    t.same(await exit, [0, null])
  },
)

t.test('it leaves the hub the time that it takes to drain, and the files that it may open', async t => {
  t.ok(Number(settings('TimeoutStopSec')[0]) * 1000 > 2 * (DEFAULTS.drainMs + CLOSE_GRACE_MS))
  t.ok(Number(settings('LimitNOFILE')[0]) > DEFAULTS.maxConnections * 1.1)
})

t.test('systemd finds nothing wrong with it', needs('systemd-analyze'), async t => {
  const directory = t.testdir({
    'millrace.service': unit.replace('/usr/bin/env millrace', '/usr/bin/env true'),
  })
  const { code, stderr } = await run('systemd-analyze', ['verify', join(directory, 'millrace.service')])
  t.same([code, stderr], [0, ''])
})
