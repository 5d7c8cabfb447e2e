// Programs of the system that tests run as clients: skipped visibly where they are missing, required in CI.

import { execFile, spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
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
export function run(
  program: string,
  args: readonly string[],
  options: Pick<SpawnOptions, 'cwd' | 'env'> = {},
): Promise<Ended> {
  return new Promise(resolve => {
    execFile(program, args, { encoding: 'utf8', ...options }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    )
  })
}

/** Starts the program; it is killed when the test ends, if it still runs. */
export function start(
  t: Test,
  program: string,
  args: readonly string[],
  options: Pick<SpawnOptions, 'cwd' | 'env'> = {},
): ChildProcess {
  const child = spawn(program, args, { stdio: 'pipe', ...options })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}

/** Whether something listens on this port of loopback. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
