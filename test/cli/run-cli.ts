// Runs the `millrace` command as a process of its own, as a shell would.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

export interface CliOptions {
  readonly input?: string | Buffer
  readonly env?: Record<string, string>
  readonly cwd?: string
}

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command under way. It is ended with its test. */
export class Cli {
  readonly child: ChildProcess
  readonly ended: Promise<CliResult>
  stdout = ''
  stderr = ''

  constructor(t: Test, args: readonly string[], options: CliOptions = {}) {
    const env = { ...withoutOurs(process.env), ...options.env }
    this.child = spawn(process.execPath, [MAIN, ...args], { env, cwd: options.cwd, stdio: 'pipe' })
    this.child.stdout!.setEncoding('utf8').on('data', text => (this.stdout += text))
    this.child.stderr!.setEncoding('utf8').on('data', text => (this.stderr += text))
    // A command that ends early leaves its input unread.
    this.child.stdin!.on('error', () => {})
    this.ended = once(this.child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }))
    t.teardown(() => this.child.kill('SIGKILL'))
  }

  /** Resolves when the output holds the text. Rejects when the command ends without it. */
  async says(text: string | RegExp, from: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    const isThere = (): boolean =>
      typeof text === 'string' ? this[from].includes(text) : text.test(this[from])
    while (!isThere()) {
      const chunk = once(this.child[from]!, 'data').then(() => undefined)
      const result = await Promise.race([chunk, this.ended])
      if (result !== undefined && !isThere())
        throw new Error(`ended without ${text}: ${JSON.stringify(result)}`)
    }
  }
}

export async function runCli(t: Test, args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const cli = new Cli(t, args, options)
  cli.child.stdin!.end(options.input)
  return cli.ended
}

function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('MILLRACE_')))
}
