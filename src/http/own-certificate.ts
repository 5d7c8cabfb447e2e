// Makes the hub's own certificate authority and certificate, for whoever has none.
//
// Several processes may start in one directory at once. So a key is created once, by whoever is first, and
// never replaced; a certificate may be replaced at any time, because all make it for those same keys.

import { generateKeyPairSync, type X509Certificate } from 'node:crypto'
import { link, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import {
  parseCertificate,
  parseKey,
  readPem,
  reason,
  RENEWAL_MS,
  unusable,
  type PairFiles,
} from './certificate-pair.ts'
import {
  CA_NAME,
  hasKeyIdentifier,
  issueAuthority,
  issueLeaf,
  LEAF_LIFE_MS,
  type Authority,
} from './issue-certificate.ts'

export interface OwnFiles extends PairFiles {
  readonly ca: string
  readonly caKey: string
}

export function ownFiles(dir: string): OwnFiles {
  return {
    ca: join(dir, 'ca.pem'),
    caKey: join(dir, 'ca-key.pem'),
    cert: join(dir, 'cert.pem'),
    key: join(dir, 'key.pem'),
  }
}

/**
 * Makes what is missing in the directory, and renews what is about to expire at the time `now`. The authority
 * stays as long as it can, so that who trusts it need not trust it again. `names`: hosts that the certificate
 * shall cover beside this machine's. Throws MILLRACE_CERTIFICATE_UNUSABLE; never replaces a certificate that
 * somebody else made.
 */
export async function ensureOwnCertificate(
  dir: string,
  names: readonly string[],
  now: number,
): Promise<void> {
  const files = ownFiles(dir)
  const wanted = hostNames(names)
  try {
    await mkdir(dir, { recursive: true })
    if (await isGood(files, wanted, now)) return
    const authority = await ensureAuthority(files, now)
    const key = await ensureKey(files.key)
    await replace(files.cert, await issueLeaf(authority, key, wanted, now))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MILLRACE_CERTIFICATE_UNUSABLE')
      throw error
    throw unusable(`No certificate can be made in ${dir}: ${reason(error)}`, error)
  }
}

function hostNames(names: readonly string[]): string[] {
  // A host name that is no DNS name (some systems allow spaces and more) cannot stand in a certificate.
  const extra = [hostname(), ...names].map(name => plainAddress(name.toLowerCase()))
  const usable = extra.filter(
    name => isIP(name) !== 0 || /^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/.test(name),
  )
  const unspecified = ['0.0.0.0', '::']
  return [...new Set(['localhost', '127.0.0.1', '::1', ...usable])].filter(
    name => !unspecified.includes(name),
  )
}

// An address has many spellings, and a zone (`fe80::1%eth0`) is this machine's own affair.
function plainAddress(name: string): string {
  return isIP(name) === 6 ? new URL(`http://[${name.replace(/%.*/, '')}]`).hostname.slice(1, -1) : name
}

async function isGood(files: OwnFiles, names: readonly string[], now: number): Promise<boolean> {
  const [cert, ca] = await Promise.all([readOwn(files.cert, 'issuer'), readOwn(files.ca, 'subject')])
  const key = await readIfAny(files.key)
  if (!cert || !ca || key === undefined) return false
  return (
    cert.checkIssued(ca) &&
    cert.verify(ca.publicKey) &&
    cert.checkPrivateKey(parseKey(files.key, key)) &&
    [cert, ca].every(each => hasKeyIdentifier(each) && each.validToDate.getTime() - now > RENEWAL_MS) &&
    names.every(name => (isIP(name) === 0 ? cert.checkHost(name) : cert.checkIP(name)) !== undefined)
  )
}

async function ensureAuthority(files: OwnFiles, now: number): Promise<Authority> {
  const key = await ensureKey(files.caKey)
  const kept = await readOwn(files.ca, 'subject')
  const isOfKey = kept?.checkPrivateKey(parseKey(files.caKey, key))
  if (kept && isOfKey && hasKeyIdentifier(kept) && outlivesLeaf(kept, now)) {
    return { cert: kept.toString(), key }
  }
  const cert = await issueAuthority(key, now)
  if (kept) await replace(files.ca, cert)
  else await createOnce(files.ca, cert)
  return { cert: await readPem(files.ca), key }
}

// Renewed this early with the same name and key, the old one is still trusted while the new one gets around.
function outlivesLeaf(ca: X509Certificate, now: number): boolean {
  return ca.validToDate.getTime() > now + LEAF_LIFE_MS
}

/** Our certificate in this file; undefined if there is none. Somebody else's is not for us to replace. */
async function readOwn(file: string, field: 'issuer' | 'subject'): Promise<X509Certificate | undefined> {
  const pem = await readIfAny(file)
  if (pem === undefined) return undefined
  const cert = parseCertificate(file, pem)
  if (cert[field].includes(`CN=${CA_NAME}`)) return cert
  throw unusable(`${file} is not of Millrace's making: serve it with --cert and --key, or move it away`)
}

async function readIfAny(file: string): Promise<string | undefined> {
  try {
    return await readPem(file)
  } catch (error) {
    if (error instanceof Error && isErrno(error.cause, 'ENOENT')) return undefined
    throw error
  }
}

async function ensureKey(file: string): Promise<string> {
  if ((await readIfAny(file)) === undefined) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await createOnce(file, String(privateKey.export({ type: 'pkcs8', format: 'pem' })))
  }
  const pem = await readPem(file)
  if (parseKey(file, pem).asymmetricKeyDetails?.namedCurve === 'prime256v1') return pem
  throw unusable(`${file} is not of Millrace's making: serve it with --cert and --key, or move it away`)
}

/** Creates the file with its whole content, unless there is one: then that one stays. */
async function createOnce(file: string, content: string): Promise<void> {
  await withTemporary(file, content, async temporary => {
    try {
      await link(temporary, file)
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return
      // A file system without links: then the last of several processes wins, and a restart mends the pair.
      await rename(temporary, file)
    }
  })
}

/** Puts the content in the file's place at once: a reader sees the old or the new one, whole. */
function replace(file: string, content: string): Promise<void> {
  return withTemporary(file, content, temporary => rename(temporary, file))
}

async function withTemporary(
  file: string,
  content: string,
  use: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`
  try {
    const mode = file.endsWith('key.pem') ? 0o600 : 0o644
    await writeFile(temporary, content, { mode, flag: 'wx', flush: true })
    await use(temporary)
  } finally {
    await rm(temporary, { force: true })
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
