// The hub and the other commands as processes of their own, as a user starts them.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

const main = new URL('../../src/cli/main.ts', import.meta.url).pathname

// As `npm start` and the installed command have it.
const NODE_FLAGS = ['--max-semi-space-size=8']

export interface HubProcess {
  readonly url: string
  readonly caFile: string
  readonly child: ChildProcess
  /** The environment in which the other commands find this hub. */
  readonly env: NodeJS.ProcessEnv
}

/** Starts `millrace serve` on a free port, its log in memory unless told otherwise; SIGKILLed when the test ends. */
export async function startHubProcess(
  t: Test,
  flags: readonly string[] = [],
  env = process.env,
): Promise<HubProcess> {
  const certsDir = mkdtempSync(join(tmpdir(), 'millrace-certs-'))
  const port = await freePort()
  const own = [`--port=${port}`, `--certs-dir=${certsDir}`, '--log-format=json', '--log=memory:']
  const args = ['serve', ...own, ...flags]
  const child = spawnCommand(t, args, env)
  // The banner comes on stderr once the hub listens.
  for await (const text of child.stderr!) if (String(text).includes('listens on')) break
  child.stderr!.resume()
  const url = `https://localhost:${port}`
  const caFile = join(certsDir, 'ca.pem')
  return { url, caFile, child, env: { ...process.env, MILLRACE_URL: url, MILLRACE_CACERT: caFile } }
}

/** Runs `millrace ...`; SIGKILLed when the test ends, if it still runs. */
export function spawnCommand(t: Test, args: readonly string[], env = process.env): ChildProcess {
  const child = spawn(process.execPath, [...NODE_FLAGS, main, ...args], {
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return child
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
