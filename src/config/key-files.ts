// The files that keys of tokens are in, read again when they change, each for itself.

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

export type KeyOption = 'jwtKeyFile' | 'apiKeysFile'

/** Is told of a file that cannot be used, once, until it can or something else is wrong with it. */
export type FaultReport = (option: KeyOption, error: Error) => void

export class KeyFiles {
  readonly #options: KeyFilesOptions
  readonly #jwtKey: KeyFile | undefined
  readonly #apiKeys: KeyFile | undefined
  #timer: NodeJS.Timeout | undefined

  /** Errors: MILLRACE_CONFIG_INVALID; the message names the file, and never has a key. */
  constructor(options: KeyFilesOptions) {
    const { jwtKey, jwtKeyFile, jwtAlgorithms, apiKeysFile } = options
    this.#options = options
    // What cannot be used is found here, not in each thread that is given it.
    const checkJwtKey = (text: string): unknown => readJwtKeys(text, jwtAlgorithms)
    if (jwtKey !== undefined) checkJwtKey(jwtKey)
    if (jwtKeyFile !== undefined) this.#jwtKey = new KeyFile('jwtKeyFile', jwtKeyFile, checkJwtKey)
    if (apiKeysFile !== undefined)
      this.#apiKeys = new KeyFile('apiKeysFile', apiKeysFile, text => new ApiKeys(text))
  }

  get texts(): KeyTexts {
    return { jwtKey: this.#jwtKey?.text ?? this.#options.jwtKey, apiKeys: this.#apiKeys?.text }
  }

  /** True if there are other keys now. A file that cannot be used is reported, and its old ones stay. */
  reload(report: FaultReport): boolean {
    // Not `some`: each of them is read.
    return this.#files.filter(file => file.reload(report)).length > 0
  }

  /**
   * Calls back, for `reload` to be called, when a file is not what it was when it was last read. By polling: what is
   * replaced may be a symlink, or one above it.
   */
  watch(onChange: () => void): void {
    if (this.#files.length === 0) return
    this.#timer = setInterval(() => {
      if (this.#files.some(file => file.looksOther)) onChange()
    }, this.#options.pollMs ?? 2000).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  get #files(): readonly KeyFile[] {
    return [this.#jwtKey, this.#apiKeys].filter(file => file !== undefined)
  }
}

class KeyFile {
  readonly #option: KeyOption
  readonly #path: string
  readonly #check: (text: string) => unknown
  /** The last that could be used. */
  text: string
  #looks: string
  #fault: string | undefined

  constructor(option: KeyOption, path: string, check: (text: string) => unknown) {
    this.#option = option
    this.#path = path
    this.#check = check
    // Before it is read: what changes meanwhile is read once more, rather than overlooked.
    this.#looks = looksOf(path)
    this.text = this.#read()
  }

  get looksOther(): boolean {
    return looksOf(this.#path) !== this.#looks
  }

  /** Whether there is another text now. */
  reload(report: FaultReport): boolean {
    this.#looks = looksOf(this.#path)
    const before = this.text
    try {
      this.text = this.#read()
      this.#fault = undefined
    } catch (error) {
      const { message } = error as Error
      if (message !== this.#fault) report(this.#option, error as Error)
      this.#fault = message
    }
    return this.text !== before
  }

  #read(): string {
    const text = readKeyFile(this.#path, this.#option)
    this.#check(text)
    return text
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
  try {
    const stat = statSync(file, { bigint: true })
    // Who may read it changes with `ctime` only.
    return [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':')
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
