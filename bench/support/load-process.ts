// Runs a load generator in a process, and on a core, of its own.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { onCore, stop } from './server-process.ts'

const DEADLINE_MS = 60_000

/** `name`: a module of bench/load, which gets the options as JSON and sends its result as a message. */
export async function runLoad<Result>(
  name: string,
  options: object,
  deadlineMs = DEADLINE_MS,
): Promise<Result> {
  const module = join(import.meta.dirname, `../load/${name}.ts`)
  const command = onCore('1', [module, JSON.stringify(options)])
  const child = spawn(...command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the load ended with ${code} before it had a result`)
  })
  try {
    const signal = AbortSignal.timeout(deadlineMs)
    const [result] = await Promise.race([once(child, 'message', { signal }), exited])
    return result as Result
  } finally {
    await stop(child)
  }
}
