// A hub in a process of its own that is killed, and started again on the same port and log.

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Agent } from 'undici'
import { freePort, startHubProcess } from '../support/hub-process.ts'
import { reach, type Reachable } from '../support/hub.ts'

export interface KillableHub extends Reachable {
  readonly agent: Agent
  kill(): Promise<void>
  startAgain(): Promise<void>
}

export async function startKillableHub(
  t: Test,
  flags: readonly string[] = [],
  env: NodeJS.ProcessEnv = process.env,
): Promise<KillableHub> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-client-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const port = await freePort()
  const places = [`--port=${port}`, `--log=sqlite:${directory}/log`, `--certs-dir=${directory}`]
  const start = async (): Promise<Awaited<ReturnType<typeof startHubProcess>>> =>
    startHubProcess(t, [...places, '--retry-ms=20', ...flags], env)
  let running = await start()
  const ca = readFileSync(join(directory, 'ca.pem'), 'utf8')
  const agent = new Agent({ connect: { ca }, allowH2: true })
  t.teardown(() => agent.destroy())
  return {
    ...reach(`https://localhost:${port}`, ca, agent),
    agent,
    async kill() {
      running.child.kill('SIGKILL')
      await once(running.child, 'exit')
    },
    async startAgain() {
      running = await start()
    },
  }
}
