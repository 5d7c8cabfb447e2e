// The certificates of a benchmark's servers: an authority of its own, in a directory that goes with it.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCertificates } from '../../src/http/certificates.ts'

export interface Trust {
  readonly certsDir: string
  /** PEM of the authority. */
  readonly ca: string
  remove(): Promise<void>
}

export async function openTrust(): Promise<Trust> {
  const certsDir = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const { certificateAuthority } = await openCertificates({ certsDir })
  const ca = await readFile(certificateAuthority!, 'utf8')
  return { certsDir, ca, remove: () => rm(certsDir, { recursive: true, force: true }) }
}
