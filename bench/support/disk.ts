// Where a log under test lies, and what that disk can do at best.

import { closeSync, fdatasyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { percentile } from './statistics.ts'

/** Beside the benchmarks, so on the disk of the repository; git ignores it. */
export const DEFAULT_DIRECTORY = join(import.meta.dirname, '../data')

export interface Workspace {
  /** A new directory for one run. */
  make(name: string): string
  /** Removes one of them before the others. */
  drop(directory: string): void
  remove(): void
}

/** Everything in it goes with the process. */
export function openWorkspace(parent: string): Workspace {
  mkdirSync(parent, { recursive: true })
  const root = mkdtempSync(join(parent, 'bench-'))
  let made = 0
  const drop = (directory: string): void => rmSync(directory, { recursive: true, force: true })
  const remove = (): void => drop(root)
  process.once('exit', remove)
  return { make: name => join(root, `${++made}-${name}`), drop, remove }
}

/** Such as `ext4 on /dev/vda`. */
export async function fileSystemOf(directory: string): Promise<string> {
  const { dev } = await stat(await realpath(directory))
  const id = `${dev >> 8}:${dev & 0xff}`
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  const mount = mounts.find(line => line.split(' ')[2] === id)
  const [type, source] = mount?.split(' - ')[1]?.split(' ') ?? []
  return type === undefined ? 'unknown file system' : `${type} on ${source}`
}

export interface SyncFloor {
  readonly p50Ms: number
  readonly p99Ms: number
}

const FLOOR_MS = 1500
const BLOCK = Buffer.alloc(4096, 1)

/** What it costs to append 4 KiB and have them on the disk (fdatasync): no durable write is faster. */
export function syncFloor(directory: string): SyncFloor {
  const file = join(directory, 'sync-floor')
  const fd = openSync(file, 'w')
  const times: number[] = []
  try {
    for (const end = performance.now() + FLOOR_MS; performance.now() < end;) {
      const start = performance.now()
      writeSync(fd, BLOCK)
      fdatasyncSync(fd)
      times.push(performance.now() - start)
    }
  } finally {
    closeSync(fd)
    rmSync(file)
  }
  times.sort((a, b) => a - b)
  return { p50Ms: percentile(times, 50), p99Ms: percentile(times, 99) }
}
