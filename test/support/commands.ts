// Programs of the system that tests run as clients: skipped visibly where they are missing, required in CI.

import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Test } from 'tap'

/** Options for tests that need the program. */
export function needs(program: string): { skip?: string } {
  const isThere = spawnSync(program, ['--version']).error === undefined
  return isThere || process.env['CI'] !== undefined ? {} : { skip: `${program} is not installed` }
}

export interface Ended {
  readonly code: number | string | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the program to its end. */
export function run(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise(resolve => {
    execFile(program, args, (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }))
  })
}

/** Starts the program; it is killed when the test ends, if it still runs. */
export function start(t: Test, program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: 'pipe' })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}
