// A small file beside the log that says how far ids were given out, and how long the write-ahead log was then. It is not
// synced, so it survives a crash of the process, not one of the machine; but a log that ends before it has lost events
// that were answered for, and must not give their ids to others: it goes on under a new epoch.

import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Position } from '../../event.ts'

export interface Mark {
  readonly epoch: string
  readonly head: Position
  /** How many pages were in the write-ahead log. */
  readonly walPages: number
}

const POSITION_WIDTH = 16
const PAGES_WIDTH = 10

export class HeadMark {
  readonly #descriptor: number

  constructor(directory: string, mark: Mark) {
    // Neither truncated nor grown once it is there: overwriting it in place needs no space on a full disk.
    const file = join(directory, 'head')
    this.#descriptor = openSync(file, readMark(directory) === undefined ? 'w' : 'r+')
    this.write(mark)
    fsyncSync(this.#descriptor)
  }

  write({ epoch, head, walPages }: Mark): void {
    const [position, pages] = [padded(head, POSITION_WIDTH), padded(walPages, PAGES_WIDTH)]
    writeSync(this.#descriptor, `${epoch}-${position}-${pages}\n`, 0)
  }

  close(): void {
    fsyncSync(this.#descriptor)
    closeSync(this.#descriptor)
  }
}

/** Undefined when there is none that can be read. */
export function readMark(directory: string): Mark | undefined {
  let text: string
  try {
    text = readFileSync(join(directory, 'head'), 'latin1')
  } catch {
    return undefined
  }
  const [, epoch, head, pages] = /^([0-9a-z]{11})-(\d{16})-(\d{10})\n$/.exec(text) ?? []
  return epoch === undefined ? undefined : { epoch, head: Number(head), walPages: Number(pages) }
}

function padded(number: number, width: number): string {
  return String(number).padStart(width, '0')
}
