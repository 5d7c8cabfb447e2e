// A page's snippets in order: one folder, one shell environment, and the hubs that they start.

import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SignJWT } from 'jose'
import type { Test } from 'tap'
import { Agent, fetch } from 'undici'
import { run } from '../support/commands.ts'
import { freePort } from '../support/hub-process.ts'
import type { Feed, PageSetup } from './pages.ts'

const bin = new URL('./bin', import.meta.url).pathname
const main = new URL('../../src/cli/main.ts', import.meta.url).pathname

// Many processes start from the same sources: each strips the types once.
const compileCache = new URL('../../.tap/compile-cache', import.meta.url).pathname

// Ports of the pages; each gets a free one in its place.
const PORTS = ['9443', '9444', '9080', '8080']

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
    return text.replace(/\b(9443|9444|9080|8080)\b/g, port => this.#ports[port]!)
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
      throw new Error(`the shell ended with ${code}:\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`)
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

  /** Runs a script with Node, which trusts the hub. It must end by itself. */
  async runNode(snippet: string, name: string): Promise<void> {
    const file = this.write(name, this.placed(snippet))
    const env = { ...this.#env, NODE_EXTRA_CA_CERTS: this.#path('certs/ca.pem') }
    const { code, stderr } = await run('timeout', ['30', process.execPath, file], {
      cwd: this.#directory,
      env,
    })
    if (code !== 0) throw new Error(`Node ended with ${code}:\n${stderr.slice(-2000)}`)
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

async function killed(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL')
    while (process.kill(pid, 0)) await sleep(10)
  } catch {
    // It is gone.
  }
}
