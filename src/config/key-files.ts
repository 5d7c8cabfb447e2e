// The files that keys of tokens are in, read again when they change.

import { readFileSync, statSync } from 'node:fs'
import { ApiKeys } from '../auth/api-keys.ts'
import type { KeyTexts } from '../auth/authenticator.ts'
import { readJwtKeys } from '../auth/jwt-keys.ts'
import { MillraceError } from '../errors.ts'

export interface KeyFilesOptions {
  readonly jwtKey: string | undefined
  readonly jwtKeyFile: string | undefined
  readonly jwtAlgorithms: readonly string[]
  readonly apiKeysFile: string | undefined
  /** How often `watch` looks at the files. Default: 2,000 ms. */
  readonly pollMs?: number
}

export class KeyFiles {
  readonly #options: KeyFilesOptions
  #texts: KeyTexts
  #timer: NodeJS.Timeout | undefined

  /** Errors: MILLRACE_CONFIG_INVALID; the message names the file, and never has a key. */
  constructor(options: KeyFilesOptions) {
    this.#options = options
    this.#texts = this.#read()
  }

  get texts(): KeyTexts {
    return this.#texts
  }

  /** True if there are other keys now. Errors: as for the constructor, and the old ones stay. */
  reload(): boolean {
    const texts = this.#read()
    const isChanged = texts.jwtKey !== this.#texts.jwtKey || texts.apiKeys !== this.#texts.apiKeys
    this.#texts = texts
    return isChanged
  }

  /** Calls back when a file changed. By polling: what is replaced may be a symlink, or one above it. */
  watch(onChange: () => void): void {
    const { jwtKeyFile, apiKeysFile, pollMs = 2000 } = this.#options
    const files = [jwtKeyFile, apiKeysFile].filter(file => file !== undefined)
    if (files.length === 0) return
    let seen = files.map(looksOf).join()
    this.#timer = setInterval(() => {
      const now = files.map(looksOf).join()
      if (now === seen) return
      seen = now
      onChange()
    }, pollMs).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #read(): KeyTexts {
    const { jwtKey, jwtKeyFile, jwtAlgorithms, apiKeysFile } = this.#options
    const texts = {
      jwtKey: jwtKeyFile === undefined ? jwtKey : readKeyFile(jwtKeyFile, 'jwtKeyFile'),
      apiKeys: apiKeysFile === undefined ? undefined : readKeyFile(apiKeysFile, 'apiKeysFile'),
    }
    // What cannot be used is found here, not in each thread that is given it.
    if (texts.jwtKey !== undefined) readJwtKeys(texts.jwtKey, jwtAlgorithms)
    if (texts.apiKeys !== undefined) void new ApiKeys(texts.apiKeys)
    return texts
  }
}

function readKeyFile(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const detail = `${option} is ${file}, which cannot be read: ${(error as Error).message}`
    throw new MillraceError('MILLRACE_CONFIG_INVALID', detail)
  }
}

function looksOf(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? 'none' : [stat.dev, stat.ino, stat.size, stat.mtimeNs].join(':')
}
