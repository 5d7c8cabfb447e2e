// Reads a certificate and its private key, and says exactly what is wrong when they cannot serve.

import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { MillraceError } from '../errors.ts'

export interface PairFiles {
  readonly cert: string
  readonly key: string
}

export interface CertificatePair {
  /** PEM: the certificate first, then its intermediates. */
  readonly cert: string
  /** PEM. */
  readonly key: string
  readonly leaf: X509Certificate
}

export const DAY_MS = 86_400_000

/** A certificate with less life left than this is renewed if it is ours, and warned about if it is not. */
export const RENEWAL_MS = 30 * DAY_MS

/**
 * Reads both files and checks that a server could use them at the time `now`; a certificate that has
 * expired could not. Throws MILLRACE_CERTIFICATE_UNUSABLE, whose message names the file and the fault.
 */
export async function readPair(files: PairFiles, now: number): Promise<CertificatePair> {
  const [cert, key] = await Promise.all([readPem(files.cert), readPem(files.key)])
  const leaf = parseCertificate(files.cert, cert)
  const privateKey = parseKey(files.key, key)
  if (!leaf.checkPrivateKey(privateKey)) throw unusable(mismatch(files, cert, privateKey))
  if (leaf.validToDate.getTime() <= now) {
    throw unusable(`${files.cert} expired at ${leaf.validToDate.toISOString()}: renew it`)
  }
  checkWithOpenSsl(files, cert, key)
  return { cert, key, leaf }
}

/** Says why a usable certificate needs attention soon, or returns undefined. */
export function pairWarning(file: string, leaf: X509Certificate, now: number): string | undefined {
  const { validFromDate: from, validToDate: to } = leaf
  if (from.getTime() > now)
    return `${file} is not valid before ${from.toISOString()}: clients refuse it until then`
  if (to.getTime() - now > RENEWAL_MS) return undefined
  return `${file} expires at ${to.toISOString()}: renew it`
}

export async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw unusable(`${file} cannot be read: ${reason(error)}`, error)
  }
}

/** Parses the first certificate of a PEM text. */
export function parseCertificate(file: string, pem: string): X509Certificate {
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw unusable(`${file} ${notA('certificate', pem)}`)
  try {
    return new X509Certificate(pem)
  } catch (error) {
    throw unusable(`${file} holds a damaged certificate (${reason(error)})`, error)
  }
}

export function parseKey(file: string, pem: string): KeyObject {
  if (!/-----BEGIN ([A-Z]+ )*PRIVATE KEY-----/.test(pem))
    throw unusable(`${file} ${notA('private key', pem)}`)
  // The first line of the body tells it for the older formats (RFC 1421), the label for PKCS #8.
  if (pem.includes('BEGIN ENCRYPTED') || pem.includes('Proc-Type: 4,ENCRYPTED')) {
    throw unusable(`${file} is encrypted: decrypt it with \`openssl pkey\` and restrict its mode instead`)
  }
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw unusable(`${file} holds a damaged private key (${reason(error)})`, error)
  }
}

export function unusable(detail: string, cause?: unknown): MillraceError {
  return new MillraceError('MILLRACE_CERTIFICATE_UNUSABLE', detail, { cause })
}

/** The part of a failure that an operator can act on. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!('code' in error)) return error.message
  if (error.code === 'ENOENT') return 'it does not exist'
  if (error.code === 'EACCES' || error.code === 'EPERM') return 'this user lacks the permission'
  return error.message
}

function notA(wanted: 'certificate' | 'private key', pem: string): string {
  if (pem.trim() === '') return 'is empty'
  if (pem.includes('PRIVATE KEY-----'))
    return 'holds a private key and no certificate: are the two files swapped?'
  if (pem.includes('CERTIFICATE-----'))
    return 'holds a certificate and no private key: are the two files swapped?'
  return `holds no ${wanted} in PEM form (\`-----BEGIN ...\`)`
}

function mismatch(files: PairFiles, cert: string, key: KeyObject): string {
  const chain = cert.match(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs) ?? []
  const at = chain.findIndex(
    (pem, index) => index > 0 && parseCertificate(files.cert, pem).checkPrivateKey(key),
  )
  if (at === -1) return `${files.key} does not belong to ${files.cert}: they are not a pair`
  return `${files.key} belongs to certificate ${at + 1} in ${files.cert}: that one must come first`
}

// The last word is OpenSSL's: it also refuses weak keys, weak signatures and damaged intermediates.
function checkWithOpenSsl(files: PairFiles, cert: string, key: string): void {
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    throw unusable(`${files.cert} with ${files.key} is refused by OpenSSL (${reason(error)})`, error)
  }
}
