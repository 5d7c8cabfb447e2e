// Certbot's hook in docs/guide/production.md, with folders and the user of this machine, and the signal that systemd would send.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { X509Certificate } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openCertificates } from '../../src/http/certificates.ts'
import { fencesOf } from '../docs/fences.ts'
import { startHubProcess } from '../support/hub-process.ts'

const page = 'docs/guide/production.md'
const hook = fencesOf(page, readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8')).find(
  ({ text }) => text.includes('RENEWED_LINEAGE'),
)!.text

t.test('hands a renewed pair over to the hub, which serves it; the key is for its user alone', async t => {
  const directory = t.testdir({})
  const [old, renewed] = await Promise.all(['old', 'renewed'].map(name => makePair(join(directory, name))))
  const etc = join(directory, 'etc')
  const tls = join(etc, 'tls')
  mkdirSync(tls, { recursive: true })
  for (const name of ['fullchain.pem', 'privkey.pem']) copyFileSync(join(old!, name), join(tls, name))
  const files = [`--cert=${join(tls, 'fullchain.pem')}`, `--key=${join(tls, 'privkey.pem')}`]
  const { url, child } = await startHubProcess(t, files)
  const port = Number(new URL(url).port)
  t.equal(await servedBy(port), fingerprintIn(old!))

  const user = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim()
  const placed = hook
    .replaceAll('-o millrace', `-o ${user}`)
    .replaceAll('/etc/millrace', etc)
    .replace('systemctl reload millrace', `kill -HUP ${child.pid}`)
  t.not(placed, hook)
  execFileSync('sh', ['-c', placed], { env: { ...process.env, RENEWED_LINEAGE: renewed } })
  while ((await servedBy(port)) !== fingerprintIn(renewed!)) await sleep(20)
  t.equal(statSync(tls).mode & 0o777, 0o700)
  t.equal(statSync(join(tls, 'privkey.pem')).mode & 0o777, 0o600)
  // It watches the files, which go before it would be ended.
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [0, null])
})

/** Names the files as certbot does. */
async function makePair(directory: string): Promise<string> {
  mkdirSync(directory)
  const made = { certsDir: directory, cert: undefined, key: undefined, names: [] }
  ;(await openCertificates(made)).close()
  copyFileSync(join(directory, 'cert.pem'), join(directory, 'fullchain.pem'))
  copyFileSync(join(directory, 'key.pem'), join(directory, 'privkey.pem'))
  return directory
}

function fingerprintIn(directory: string): string {
  return new X509Certificate(readFileSync(join(directory, 'fullchain.pem'))).fingerprint256
}

async function servedBy(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerX509Certificate()!
  socket.destroy()
  return fingerprint256
}
