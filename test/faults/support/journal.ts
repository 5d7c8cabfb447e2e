// What a process saw, a line of JSON each: appended at once, so that it is there when the process is killed.

import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'

export class Journal<Line> {
  readonly #descriptor: number

  /** Goes on with the file where there is one. */
  constructor(file: string) {
    this.#descriptor = openSync(file, 'a')
  }

  /** One write for all of them: a kill leaves all or none. */
  add(...lines: readonly Line[]): void {
    writeSync(this.#descriptor, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

export function readJournal<Line>(file: string): Line[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as Line)
}
