// A hub as a process of its own that can be killed and started again: the port, the certificates and the log stay.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { freePort } from '../../support/hub-process.ts'

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
const PRELOAD = new URL('./preload.ts', import.meta.url).href

export interface FaultyHubOptions {
  /** Of the log. Default: a directory of the test's own. */
  readonly directory?: string
  readonly flags?: readonly string[]
}

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
  readonly stderr: string
}

export class FaultyHub {
  readonly url: string
  readonly caFile: string
  readonly directory: string
  /** Where the test's own files may go. */
  readonly root: string
  /** How long the starts took until the hub listened, in milliseconds. */
  readonly startTimes: number[] = []
  /** What it told its log, of all its lives. */
  stdout = ''
  readonly #args: readonly string[]
  #child: ChildProcess | undefined
  #stderr = ''

  static async create(t: Test, options: FaultyHubOptions = {}): Promise<FaultyHub> {
    const root = mkdtempSync(join(tmpdir(), 'millrace-faults-'))
    t.teardown(() => rmSync(root, { recursive: true, force: true }))
    const hub = new FaultyHub(root, await freePort(), options)
    t.teardown(() => hub.kill())
    return hub
  }

  private constructor(
    root: string,
    port: number,
    { directory = join(root, 'log'), flags = [] }: FaultyHubOptions,
  ) {
    this.root = root
    const certsDir = join(root, 'certs')
    mkdirSync(certsDir)
    this.url = `https://localhost:${port}`
    this.caFile = join(certsDir, 'ca.pem')
    this.directory = directory
    this.#args = [
      'serve',
      `--port=${port}`,
      `--certs-dir=${certsDir}`,
      '--log-format=json',
      '--log-level=warn',
      `--log=sqlite:${directory}`,
      '--retry-ms=50',
      ...flags,
    ]
  }

  get pid(): number {
    return this.#child!.pid!
  }

  get isRunning(): boolean {
    const child = this.#child
    return child !== undefined && child.exitCode === null && child.signalCode === null
  }

  /** Resolves when it listens. Rejects when it ends instead. `clockShiftMs` is what its clock is off by. */
  async start(flags: readonly string[] = [], clockShiftMs?: number): Promise<void> {
    const exit = await this.tryStart(flags, clockShiftMs)
    if (exit !== undefined) throw new Error(`the hub ended: ${JSON.stringify(exit)}`)
  }

  /** Resolves when it listens, or with how it ended. */
  async tryStart(flags: readonly string[] = [], clockShiftMs?: number): Promise<Exit | undefined> {
    const startedAt = performance.now()
    const child = this.spawn(flags, clockShiftMs)
    const ended = once(child, 'close').then(([code, signal]): Exit => {
      return { code: code as number | null, signal: signal as string | null, stderr: this.#stderr }
    })
    while (!this.#stderr.includes('listens on')) {
      const exit = await Promise.race([ended, once(child.stderr!, 'data').then(() => undefined)])
      if (exit !== undefined) return exit
    }
    this.startTimes.push(performance.now() - startedAt)
    return undefined
  }

  /** Starts it without waiting. */
  spawn(flags: readonly string[] = [], clockShiftMs?: number): ChildProcess {
    const env = {
      ...process.env,
      ...(clockShiftMs !== undefined && { CLOCK_SHIFT_MS: String(clockShiftMs) }),
    }
    const args = ['--import', PRELOAD, MAIN, ...this.#args, ...flags]
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.#child = child
    this.#stderr = ''
    child.stdout!.setEncoding('utf8').on('data', text => (this.stdout += text))
    child.stderr!.setEncoding('utf8').on('data', text => (this.#stderr += text))
    return child
  }

  /** Has a hub that was started with a clock shift set it anew; resolves when that is done. */
  async shiftClock(milliseconds: number): Promise<void> {
    const done = once(this.#child!, 'message')
    this.#child!.send(milliseconds)
    await done
  }

  /** SIGKILL, unless another signal is named; resolves when the process is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.isRunning) return
    const exited = once(this.#child!, 'exit')
    this.#child!.kill(signal)
    await exited
  }
}
