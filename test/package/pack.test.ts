// The package as npm packs it, installed into an empty folder elsewhere: the command, the plugin, its types, and whatever
// else it exports, on each Node that it is for. Needs npm's registry: where that cannot be reached it is skipped visibly.

import { once } from 'node:events'
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { freePort } from '../support/hub-process.ts'
import { APP, TSCONFIG, TYPES } from './consumer.ts'

const root = new URL('../..', import.meta.url).pathname
const bin = join(root, 'node_modules/.bin')
const folder = mkdtempSync(join(tmpdir(), 'millrace-package-'))
t.teardown(() => rmSync(folder, { recursive: true }))

const OTHER_NODE = '26.9.0'
const NPM_QUIETLY = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']

const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly version: string
  readonly exports: Readonly<Record<string, unknown>>
  readonly devDependencies: Readonly<Record<string, string>>
}

/** npm and what it installs find the Node of this repository first. */
const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` }
// Of the npm that runs the tests.
for (const name of Object.keys(env)) if (/^npm_/i.test(name)) delete (env as NodeJS.ProcessEnv)[name]

const exec = promisify(execFile)
const run = (cwd: string, program: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  // tap has each Node that is started load something, which keeps TypeScript from starting.
  exec('env', ['-u', 'NODE_OPTIONS', program, ...args], { cwd, env })

function folderOf(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(folder, name)
  mkdirSync(path)
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text)
  return path
}

async function packAndInstall(): Promise<string> {
  await run(root, 'npm', 'run', '--silent', 'build')
  await run(root, 'npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder)
  const consumer = folderOf('consumer', {
    'package.json': JSON.stringify({ private: true, type: 'module' }),
    'app.mjs': APP,
    'types.ts': TYPES,
    'tsconfig.json': JSON.stringify(TSCONFIG),
  })
  const types = `@types/node@${packageJson.devDependencies['@types/node']}`
  await run(consumer, 'npm', 'install', ...NPM_QUIETLY, tarball, types)
  return consumer
}

async function installOtherNode(): Promise<string> {
  const path = folderOf('node', {
    'package.json': JSON.stringify({ private: true, allowScripts: { node: true } }),
  })
  await run(path, 'npm', 'install', ...NPM_QUIETLY, '--no-save', `node@${OTHER_NODE}`)
  return join(path, 'node_modules/node/bin/node')
}

interface Installed {
  /** Where the package is a dependency. */
  readonly consumer: string
  /** By what they are called. */
  readonly nodes: Readonly<Record<string, string>>
}

/** Undefined: the registry cannot be reached. */
async function install(): Promise<Installed | undefined> {
  try {
    const [consumer, otherNode] = await Promise.all([packAndInstall(), installOtherNode()])
    return { consumer, nodes: { 'this Node': process.execPath, [`Node ${OTHER_NODE}`]: otherNode } }
  } catch (error) {
    const isAway = /E(NOTFOUND|AI_AGAIN|CONNREFUSED|NETUNREACH|TIMEDOUT)/.test(String(error))
    if (isAway && process.env['CI'] === undefined) return undefined
    throw error
  }
}

const tarball = join(folder, `millrace-${packageJson.version}.tgz`)
const installed = await install()
if (installed === undefined) t.plan(0, "npm's registry cannot be reached")
else test(installed)

function test({ consumer, nodes }: Installed): void {
  // It takes a while, and another core.
  const compiled = run(consumer, join(bin, 'tsc'), '-p', '.').catch((error: { stdout: string }) => error)

  t.test('the package holds what was built, and nothing else', async t => {
    const { stdout } = await run(folder, 'tar', '-tzf', tarball)
    const files = stdout.trim().split('\n')
    const odd = files.filter(
      file => !/^package\/((dist|deploy)\/|(package\.json|LICENSE|README\.md|CHANGELOG\.md)$)/.test(file),
    )
    t.same(odd, [])
    t.same(
      files.filter(file => /\.map$|(?<!\.d)\.ts$|test/.test(file)),
      [],
      'no sources, no maps of them, no tests',
    )
    const pages = [
      'dist/routes/welcome.html',
      ...(existsSync(join(root, 'src/inspector')) ? ['dist/inspector/index.html'] : []),
    ]
    for (const file of ['dist/cli/main.js', 'dist/index.d.ts', 'LICENSE', 'CHANGELOG.md', ...pages]) {
      t.ok(files.includes(`package/${file}`), file)
    }
  })

  for (const [name, node] of Object.entries(nodes)) {
    // `#!/usr/bin/env node` finds it.
    const onNode = { ...env, PATH: `${dirname(node)}:${env.PATH}` }

    t.test(`all that it exports can be imported on ${name}`, async t => {
      for (const entry of Object.keys(packageJson.exports)) {
        const script = `console.log(Object.keys(await import('millrace${entry.slice(1)}')).length > 0)`
        const { stdout } = await run(consumer, node, '--input-type=module', '-e', script)
        t.equal(stdout, 'true\n', entry)
      }
    })

    t.test(`the command serves, publishes and subscribes on ${name}`, async t => {
      const command = join(consumer, 'node_modules/.bin/millrace')
      const port = await freePort()
      const own = join(consumer, `hub-${port}`)
      const hub = {
        ...onNode,
        MILLRACE_URL: `https://localhost:${port}`,
        MILLRACE_CACERT: join(own, 'ca.pem'),
      }
      const version = await exec('npx', ['--no-install', 'millrace', '--version'], {
        cwd: consumer,
        env: hub,
      })
      t.equal(version.stdout, `${packageJson.version}\n`)
      const flags = [`--port=${port}`, `--certs-dir=${own}`, `--log=sqlite:${own}/data`, '--workers=2']
      const server = start(t, command, ['serve', ...flags], hub)
      for await (const text of server.stderr) if (String(text).includes('listens on')) break
      server.stderr.resume()
      await exec(command, ['publish', 'greetings', 'hello from the package'], { cwd: consumer, env: hub })
      const subscribe = ['subscribe', 'greetings', '--after=earliest', '--count=1']
      const { stdout } = await exec(command, subscribe, { cwd: consumer, env: hub })
      t.match(stdout, 'hello from the package')
    })

    t.test(`the plugin works in an app on ${name}`, async t => {
      const log = join(consumer, `log-${process.hrtime.bigint()}`)
      const app = start(t, node, ['app.mjs', log], env)
      const [line] = (await once(app.stdout, 'data')) as [Buffer]
      const url = String(line).trim()
      const stream = await fetch(`${url}/push/feed?topic=counts`, {
        headers: { accept: 'text/event-stream' },
      })
      const published = (await (await fetch(`${url}/count`)).json()) as { id: string }
      const ended = once(app, 'exit')
      const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader()
      let text = ''
      while (!text.includes(published.id)) text += (await reader.read()).value!
      app.kill('SIGTERM')
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value
      t.match(text, 'millrace:bye')
      t.same(await ended, [0, null], 'the app ends by itself')
    })
  }

  t.test('its types are there, whole, for a strict program', async t => {
    t.equal((await compiled).stdout, '')
  })
}

function start(t: Test, program: string, args: readonly string[], withEnv: NodeJS.ProcessEnv) {
  const child = spawn(program, args, {
    cwd: join(folder, 'consumer'),
    env: withEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}
