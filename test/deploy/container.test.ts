// deploy/Dockerfile: its environment, its health check and its signals, with the hub's own command in the place of the image.

import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../support/commands.ts'
import { freePort, spawnCommand } from '../support/hub-process.ts'

const root = new URL('../../', import.meta.url)
const dockerfile = readFileSync(new URL('deploy/Dockerfile', root), 'utf8')

function settings(pattern: RegExp): string[] {
  return [...dockerfile.matchAll(pattern)].map(match => match[1]!)
}

t.test('a hub with its environment is healthy while it runs, and drained by SIGTERM', async t => {
  const data = t.testdir({})
  const port = await freePort()
  const image = Object.fromEntries(
    settings(/^ENV (MILLRACE_.*)$/gm).map(text => text.replace('/data', data).split(/=(.*)/, 2)),
  ) as Record<string, string>
  t.equal(image['MILLRACE_PORT'], settings(/^EXPOSE (\d+)$/gm)[0])
  const given = {
    MILLRACE_PORT: String(port),
    MILLRACE_JWT_KEY: 'a secret of at least 32 bytes, for this test',
  }
  const env = { ...process.env, ...image, ...given }
  const child = spawnCommand(t, JSON.parse(settings(/^CMD (.*)$/gm)[0]!) as string[], env)
  for await (const text of child.stderr!) if (String(text).includes('listens on')) break
  child.stderr!.resume()
  child.stdout!.resume()
  t.ok(existsSync(join(data, 'log')), 'events are in the volume')

  const [, ...check] = JSON.parse(settings(/^HEALTHCHECK .*CMD (.*)$/gm)[0]!) as string[]
  const healthOf = async (): Promise<unknown> => (await run(process.execPath, check, { env })).code
  t.equal(await healthOf(), 0)
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  t.same(await exit, [0, null])
  t.equal(await healthOf(), 1)
})

t.test('what it copies is there, and is not ignored', async t => {
  const ignored = readFileSync(new URL('deploy/Dockerfile.dockerignore', root), 'utf8').split('\n')
  for (const names of settings(/^COPY (?!--from)(.*) \S+$/gm)) {
    for (const name of names.split(' ')) {
      t.ok(existsSync(new URL(name, root)), name)
      t.ok(ignored.includes(`!${name}`), name)
    }
  }
})
