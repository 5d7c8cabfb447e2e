// The proxies of deploy/, run with the very files there: only addresses, certificates and, for haste, timeouts are others.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { Agent } from 'undici'
import { openCertificates } from '../../src/http/certificates.ts'
import { accepts, start } from './commands.ts'
import { reach, type Reachable } from './hub.ts'
import { freePort } from './hub-process.ts'

export interface Place {
  /** Where the proxy is to listen. */
  readonly port: number
  readonly hubPort: number
  /** A directory with `cert.pem` and `key.pem`, where the proxy may write too. */
  readonly directory: string
  /** After how many seconds of silence the proxy gives up. Default: 60. */
  readonly timeoutSeconds?: number
  /** It does not wait for a hub that is away, if it would. */
  readonly isImpatient?: boolean
}

export interface Proxy {
  /** In deploy/. */
  readonly file: string
  readonly program: string
  /** What in the file is written otherwise: each must be there, once. */
  readonly changes: (place: Place) => readonly (readonly [string, string])[]
  /** Given the changed text, writes what the program wants and says how it is started. */
  readonly args: (text: string, place: Place) => readonly string[]
}

export function needsProxy({ program }: Proxy): { skip?: string } {
  return existsSync(program) || process.env['CI'] !== undefined ? {} : { skip: `${program} does not exist` }
}

/** Every client has an address of its own, out of 127.0.0.0/8. */
export type Deployed = Reachable & { clientAt(address: string): Reachable }

export async function deploy(
  t: Test,
  proxy: Proxy,
  options: Omit<Place, 'port' | 'directory'>,
): Promise<Deployed> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-deploy-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const ca = await makeCertificate(directory)
  const place = { ...options, directory, port: await freePort() }
  // Caddy keeps files in its home.
  const env = { HOME: directory }
  const child = start(t, proxy.program, proxy.args(changed(proxy, place), place), { env })
  let complaints = ''
  for (const output of [child.stdout!, child.stderr!]) output.on('data', text => (complaints += text))
  while (!(await accepts(place.port))) {
    if (child.exitCode !== null) throw new Error(`${proxy.program} ended: ${complaints}`)
    await sleep(20)
  }
  const url = `https://localhost:${place.port}`
  const clientAt = (localAddress: string): Reachable => {
    const agent = new Agent({ connect: { ca }, localAddress, allowH2: true })
    t.teardown(() => agent.destroy())
    return reach(url, ca, agent)
  }
  return { ...clientAt('127.0.0.1'), clientAt }
}

function changed({ file, changes }: Proxy, place: Place): string {
  let text = readFileSync(new URL(`../../deploy/${file}`, import.meta.url), 'utf8')
  for (const [from, to] of changes(place)) {
    const count = text.split(from).length - 1
    if (count !== 1) throw new Error(`deploy/${file} has ${JSON.stringify(from)} ${count} times`)
    text = text.replace(from, () => to)
  }
  return text
}

async function makeCertificate(certsDir: string): Promise<string> {
  const certificates = await openCertificates({ certsDir, cert: undefined, key: undefined, names: [] })
  certificates.close()
  const pair = ['cert.pem', 'key.pem'].map(name => readFileSync(join(certsDir, name), 'utf8'))
  writeFileSync(join(certsDir, 'pair.pem'), pair.join('\n'))
  return readFileSync(join(certsDir, 'ca.pem'), 'utf8')
}
