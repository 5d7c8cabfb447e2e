// The certificate that the TLS server presents: the operator's or our own, reloaded without a restart.

import { stat } from 'node:fs/promises'
import { readPair, pairWarning, RENEWAL_MS, unusable } from './certificate-pair.ts'
import type { CertificatePair, PairFiles } from './certificate-pair.ts'
import { ensureOwnCertificate, ownFiles } from './own-certificate.ts'

export interface CertificateOptions {
  /** PEM files of the operator: both or neither. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Where an authority and a certificate are made when no `cert` is given. */
  readonly certsDir: string
  /** Further hosts (names or addresses) for a certificate that is made here. Default: none. */
  readonly names?: readonly string[] | undefined
  /** How often `watch` looks at the files. Default: 2,000 ms. */
  readonly pollMs?: number | undefined
  /** The clock: milliseconds since 1970. Default: `Date.now`. */
  readonly now?: (() => number) | undefined
}

/** For `createSecureServer` and `setSecureContext`, which keeps the connections that there are. */
export interface TlsMaterial {
  /** PEM, as is the key. */
  readonly cert: string
  readonly key: string
  readonly minVersion: 'TLSv1.2'
}

export interface Certificates {
  secureContext(): TlsMaterial
  /** Path of the authority for clients to trust, when the certificate is our own. */
  readonly certificateAuthority: string | undefined
  /** Why the certificate needs attention (it expires within 30 days, say), or undefined. */
  warning(): string | undefined
  /**
   * Reads the files again, and renews our own. True if another certificate or key is in service now. Rejects
   * with MILLRACE_CERTIFICATE_UNUSABLE, the pair that was in service staying there, if they cannot be used.
   */
  reload(): Promise<boolean>
  /**
   * Watches the files from now on, and renews our own in time. Calls `onReload` each time another pair is in
   * service, and with the error when the files changed to something unusable. Does not keep the process alive.
   */
  watch(onReload: (error?: Error) => void): void
  /** Ends watching: `onReload` is not called again. */
  close(): void
}

/** Throws MILLRACE_CERTIFICATE_UNUSABLE; the message names the file and what is wrong with it. */
export async function openCertificates(options: CertificateOptions): Promise<Certificates> {
  const certificates = new FileCertificates(options)
  await certificates.reload()
  return certificates
}

// A renewal that failed (a full disk, say) is tried again after this time.
const RENEWAL_RETRY_MS = 3_600_000

class FileCertificates implements Certificates {
  readonly certificateAuthority: string | undefined
  readonly #options: CertificateOptions
  readonly #files: PairFiles
  readonly #now: () => number
  #pair: CertificatePair | undefined
  /** What the files looked like just before they were last read. */
  #readAs = ''
  #renewAt = Infinity
  #reloading: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #onReload: ((error?: Error) => void) | undefined

  constructor(options: CertificateOptions) {
    const own = ownFiles(options.certsDir)
    this.#options = options
    this.#files = givenFiles(options) ?? own
    this.certificateAuthority = this.#files === own ? own.ca : undefined
    this.#now = options.now ?? Date.now
  }

  secureContext(): TlsMaterial {
    const { cert, key } = this.#pair!
    return { cert, key, minVersion: 'TLSv1.2' }
  }

  warning(): string | undefined {
    return pairWarning(this.#files.cert, this.#pair!.leaf, this.#now())
  }

  reload(): Promise<boolean> {
    return this.#inTurn(async () => {
      await this.#renewOwn()
      return this.#read()
    })
  }

  watch(onReload: (error?: Error) => void): void {
    this.#onReload = onReload
    this.#pollAfter(this.#readAs)
  }

  close(): void {
    this.#onReload = undefined
    clearTimeout(this.#timer)
  }

  // One at a time: an older read that ends late must not take the place of a newer one.
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#reloading.then(work)
    this.#reloading = result.catch(() => {})
    return result
  }

  async #renewOwn(): Promise<void> {
    if (this.certificateAuthority === undefined) return
    this.#renewAt = this.#now() + RENEWAL_RETRY_MS
    await ensureOwnCertificate(this.#options.certsDir, this.#options.names ?? [], this.#now())
  }

  async #read(): Promise<boolean> {
    this.#readAs = await looks(this.#files)
    const pair = await readPair(this.#files, this.#now())
    const isChanged = pair.cert !== this.#pair?.cert || pair.key !== this.#pair.key
    this.#pair = pair
    if (this.certificateAuthority !== undefined) this.#renewAt = pair.leaf.validToDate.getTime() - RENEWAL_MS
    return isChanged
  }

  // Polling, because what is replaced may be the file, a symlink to it, or a symlinked directory above it
  // (editors, certbot, Kubernetes): a watch on the file follows none of them for long.
  #pollAfter(before: string): void {
    this.#timer = setTimeout(() => {
      void this.#poll(before).then(now => this.#onReload && this.#pollAfter(now))
    }, this.#options.pollMs ?? 2_000).unref()
  }

  async #poll(before: string): Promise<string> {
    const now = await looks(this.#files)
    if (this.#now() >= this.#renewAt) await this.#report(() => this.reload())
    // Alike twice: whoever replaces the two files one after the other has finished. Ours are not made anew
    // here when they vanish: a directory that somebody removes must not come back.
    else if (now === before && now !== this.#readAs)
      await this.#report(() => this.#inTurn(() => this.#read()))
    return now
  }

  async #report(reload: () => Promise<boolean>): Promise<void> {
    try {
      if (await reload()) this.#onReload?.()
    } catch (error) {
      this.#onReload?.(error instanceof Error ? error : new Error(String(error)))
    }
  }
}

function givenFiles({ cert, key }: CertificateOptions): PairFiles | undefined {
  if (cert !== undefined && key !== undefined) return { cert, key }
  if (cert === undefined && key === undefined) return undefined
  throw unusable(
    `--${cert === undefined ? 'key' : 'cert'} is given without --${cert === undefined ? 'cert' : 'key'}`,
  )
}

async function looks(files: PairFiles): Promise<string> {
  const both = await Promise.all([looksOf(files.cert), looksOf(files.key)])
  return both.join(' ')
}

async function looksOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(':')
  } catch {
    return 'unreadable'
  }
}
