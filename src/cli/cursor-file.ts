// Keeps the id of the last printed event in a file, so that the next run resumes behind it.

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { Failure } from './failure.ts'

// After a crash, at most this much is printed a second time.
const SAVE_INTERVAL_MS = 500

export class CursorFile {
  readonly #path: string
  #id: string | undefined
  #savedId: string | undefined
  #timer: NodeJS.Timeout | undefined

  /** Errors: Failure, when the file is there but holds no id. */
  constructor(path: string) {
    this.#path = path
    this.#id = this.#savedId = readId(path)
  }

  get id(): string | undefined {
    return this.#id
  }

  set(id: string): void {
    this.#id = id
    this.#timer ??= setTimeout(() => this.save(), SAVE_INTERVAL_MS)
  }

  save(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#id === undefined || this.#id === this.#savedId) return
    // Renamed into place: whenever the machine stops, the file holds one whole id.
    const temporary = `${this.#path}.${process.pid}.tmp`
    writeFileSync(temporary, `${this.#id}\n`)
    renameSync(temporary, this.#path)
    this.#savedId = this.#id
  }
}

function readId(path: string): string | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  if (/^[\x21-\x7e]{1,64}$/.test(text)) return text
  throw new Failure(`--cursor is ${path}, which holds no event id. Delete it to start anew`)
}
