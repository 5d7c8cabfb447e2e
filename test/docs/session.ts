// A page's snippets in order: one folder, one shell environment, and the hubs that they start.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as wholeText } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { SignJWT } from 'jose'
import type { Test } from 'tap'
import { Agent, fetch } from 'undici'
import { accepts, run } from '../support/commands.ts'
import { freePort } from '../support/hub-process.ts'
import type { Feed, PageSetup } from './pages.ts'

const bin = new URL('./bin', import.meta.url).pathname
const root = new URL('../../', import.meta.url).pathname
const main = new URL('../../src/cli/main.ts', import.meta.url).pathname

// Many processes start from the same sources: each strips the types once.
const compileCache = new URL('../../.tap/compile-cache', import.meta.url).pathname

// Ports of the pages; each gets a free one in its place.
const PORTS = ['9443', '9444', '9080', '8080', '8000', '3000']

export class Session {
  readonly #directory: string
  readonly #ports: Readonly<Record<string, string>>
  readonly #env: NodeJS.ProcessEnv

  static async open(t: Test, setup: PageSetup): Promise<Session> {
    const free = await Promise.all(PORTS.map(freePort))
    const session = new Session(Object.fromEntries(PORTS.map((port, at) => [port, String(free[at])])), setup)
    t.teardown(() => session.#close())
    if (setup.before !== undefined) await session.run(setup.before)
    const feeding = new AbortController()
    const fed = session.#feed(setup.feeds ?? [], feeding.signal)
    t.teardown(async () => {
      feeding.abort()
      await fed
    })
    return session
  }

  private constructor(ports: Readonly<Record<string, string>>, { env = {}, files = {} }: PageSetup) {
    this.#directory = mkdtempSync(join(tmpdir(), 'millrace-docs-'))
    this.#ports = ports
    mkdirSync(this.#path('.state'))
    mkdirSync(this.#path('app/node_modules'), { recursive: true })
    symlinkSync(root, this.#path('app/node_modules/millrace'))
    symlinkSync(join(root, 'node_modules/fastify'), this.#path('app/node_modules/fastify'))
    for (const [name, text] of Object.entries(files)) writeFileSync(this.#path(name), text)
    this.#env = {
      ...process.env,
      ...env,
      PATH: `${bin}:${process.env['PATH']}`,
      MILLRACE_PORT: ports['9443'],
      MILLRACE_URL: this.hubUrl,
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? compileCache,
      SNIPPET_NODE: process.execPath,
      SNIPPET_MAIN: main,
      SNIPPET_STATE: this.#path('.state'),
      SNIPPET_CA: this.#path('certs/ca.pem'),
    }
  }

  get hubUrl(): string {
    return `https://localhost:${this.#ports['9443']}`
  }

  /** The text with the ports of this session. */
  placed(text: string): string {
    return text.replace(new RegExp(`\\b(${PORTS.join('|')})\\b`, 'g'), port => this.#ports[port]!)
  }

  /** Runs a shell snippet; rejects if any of its commands fails. Variables are there for the next one. */
  async run(snippet: string): Promise<void> {
    // The stand-in for `millrace serve` ends once the hub listens: what comes next must not come before that.
    const text = this.placed(snippet).replace(/^(\s*millrace serve.*) &$/gm, '$1')
    const script = `set -a -euo pipefail\n. .state/env 2>/dev/null || true\n${text}\nexport -p >.state/env`
    const { code, stdout, stderr } = await run('timeout', ['60', 'bash', '-c', script], {
      cwd: this.#directory,
      env: this.#env,
    })
    if (code !== 0)
      throw new Error(
        [`the shell ended with ${code}:`, stdout, stderr, ...this.#logs()]
          .map(said => said.slice(-2000))
          .join('\n'),
      )
  }

  /** A script for the browser, with the hub's address and the variables that it names as `$NAME`. */
  script(text: string): string {
    let script = this.placed(text).replaceAll('https://hub.example.org', this.hubUrl)
    for (const [whole, name] of script.matchAll(/\$([A-Z_]+)/g)) {
      script = script.replaceAll(whole, this.variable(name!) ?? whole)
    }
    return script
  }

  /** A variable that snippets or the setup have set. */
  variable(name: string): string | undefined {
    const file = this.#path('.state/env')
    const kept = existsSync(file) ? readFileSync(file, 'utf8') : ''
    const value = new RegExp(`^declare -x ${name}="(.*)"$`, 'm').exec(kept)?.[1]
    return value?.replace(/\\(.)/g, '$1') ?? this.#env[name]
  }

  /** Writes a file into the folder; returns its path. */
  write(name: string, text: string): string {
    writeFileSync(this.#path(name), text)
    return this.#path(name)
  }

  /** Runs a module with Node, which trusts the hub, in a folder that has the package: to its end, or until it listens. */
  async runNode(files: ReadonlyMap<string, string>): Promise<void> {
    for (const [path, text] of files) this.write(`app${path}`, text)
    const env = { ...this.#env, NODE_EXTRA_CA_CERTS: this.#path('certs/ca.pem') }
    const child = spawn(process.execPath, ['--conditions=millrace-source', 'snippet.js'], {
      cwd: this.#path('app'),
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 30_000,
    })
    this.write('.state/node.pid', String(child.pid))
    const ended = Promise.all([once(child, 'exit'), wholeText(child.stderr)])
    const port = /\.listen\(\{ port: (\d+)/.exec(files.get('/snippet.js')!)?.[1]
    const end = await Promise.race([ended, ...(port === undefined ? [] : [listening(Number(port))])])
    if (end !== undefined && end[0][0] !== 0) throw new Error(`Node failed:\n${end[1].slice(-2000)}`)
  }

  /** Publishes what the page takes for granted, again and again; while there is no hub, to nobody. */
  async #feed(feeds: readonly Feed[], signal: AbortSignal): Promise<void> {
    const agent = new Agent({ connect: { rejectUnauthorized: false }, allowH2: true })
    while (feeds.length > 0 && !signal.aborted) {
      const key = this.variable('MILLRACE_JWT_KEY')
      const authorization = key === undefined ? {} : { authorization: `Bearer ${await feedersToken(key)}` }
      for (const { path, body, type = 'text/plain' } of feeds) {
        const headers = { ...authorization, 'content-type': type }
        await fetch(this.hubUrl + path, { method: 'POST', body, headers, dispatcher: agent }).catch(() => {})
      }
      await sleep(200)
    }
    await agent.destroy()
  }

  /** What the hubs have said. */
  #logs(): string[] {
    return globSync(this.#path('.state/*.log')).map(file => `${file}:\n${readFileSync(file, 'utf8')}`)
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }

  async #close(): Promise<void> {
    for (const file of globSync(this.#path('.state/*.pid'))) await killed(Number(readFileSync(file, 'utf8')))
    if (existsSync(this.#directory)) rmSync(this.#directory, { recursive: true, force: true })
  }
}

function feedersToken(key: string): Promise<string> {
  const grants = { millrace: { publish: ['**'] }, mercure: { publish: ['*'] } }
  return new SignJWT(grants).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(key))
}

async function listening(port: number): Promise<undefined> {
  while (!(await accepts(port))) await sleep(20)
}

async function killed(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL')
    while (process.kill(pid, 0)) await sleep(10)
  } catch {
    // It is gone.
  }
}
