// Makes the two certificates of the hub's own authority, in the form that strict verifiers demand.

import { createHash, createPrivateKey, createPublicKey, webcrypto, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { Extension, JsonGeneralName, X509CertificateCreateCommonParams } from '@peculiar/x509'
import { DAY_MS } from './certificate-pair.ts'

export interface Authority {
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

export const CA_NAME = 'Millrace local CA'
const CA_LIFE_MS = 3650 * DAY_MS
// Clients refuse certificates of more than 398 days; the first one lies in the past, for clocks that are slow.
export const LEAF_LIFE_MS = 396 * DAY_MS

/** The authority's certificate for its P-256 key (PEM both), valid from a day before the time `now`. */
export async function issueAuthority(key: string, now: number): Promise<string> {
  const x509 = await library()
  // Named after its key: two authorities of this machine never pass for each other in a trust store.
  const name = `CN=${CA_NAME} ${createHash('sha256').update(publicPart(key)).digest('hex').slice(0, 12)}`
  const { keyCertSign, cRLSign } = x509.KeyUsageFlags
  return issue(key, key, lifetime(now, CA_LIFE_MS), { subject: name, issuer: name }, [
    new x509.BasicConstraintsExtension(true, 0, true),
    new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
  ])
}

/** The server's certificate for its P-256 key; `names` are DNS names and addresses. */
export async function issueLeaf(
  authority: Authority,
  key: string,
  names: readonly string[],
  now: number,
): Promise<string> {
  const x509 = await library()
  const ca = new x509.X509Certificate(authority.cert)
  const { keyId } = ca.getExtension(x509.SubjectKeyIdentifierExtension)!
  // The very bytes of the authority's name: some verifiers (Go's) compare those.
  const parties = { subject: 'CN=localhost', issuer: ca.subjectName }
  return issue(key, authority.key, lifetime(now, LEAF_LIFE_MS), parties, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    new x509.SubjectAlternativeNameExtension(names.map(altName)),
    new x509.AuthorityKeyIdentifierExtension(keyId),
  ])
}

/**
 * Whether it carries a SubjectKeyIdentifier (RFC 5280, 4.2.1.2). Without one OpenSSL's strict mode, which is
 * Python's default since 3.13, refuses an authority and what it has signed.
 */
export function hasKeyIdentifier(cert: X509Certificate): boolean {
  return cert.raw.includes(SUBJECT_KEY_IDENTIFIER)
}

// The DER form of the object identifier 2.5.29.14.
const SUBJECT_KEY_IDENTIFIER = Buffer.from('0603551d0e', 'hex')

// Loaded when a certificate is made, which is about once a year.
function library() {
  return import('@peculiar/x509')
}

function altName(name: string): JsonGeneralName {
  return { type: isIP(name) === 0 ? 'dns' : 'ip', value: name }
}

function lifetime(now: number, lifeMs: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + lifeMs) }
}

function publicPart(key: string): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

async function issue(
  key: string,
  signer: string,
  validity: { notBefore: Date; notAfter: Date },
  parties: Pick<X509CertificateCreateCommonParams, 'subject' | 'issuer'>,
  extensions: readonly Extension[],
): Promise<string> {
  const { SubjectKeyIdentifierExtension, X509CertificateGenerator } = await library()
  const publicKey = publicPart(key)
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  // The serial number is left to the library: 128 random bits, never negative.
  const made = await X509CertificateGenerator.create(
    {
      ...parties,
      ...validity,
      publicKey,
      signingKey: createPrivateKey(signer).toCryptoKey(algorithm, false, ['sign']),
      signingAlgorithm: algorithm,
      extensions: [...extensions, await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto)],
    },
    webcrypto,
  )
  return made.toString('pem').trimEnd() + '\n'
}
