// A file system of a few megabytes that can really be full. Where none may be mounted the tests are skipped visibly.

import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

export class SmallDisk {
  readonly directory: string
  readonly #filler: string

  /** Unmounted when the test ends: whatever uses it must have ended before. */
  static mount(t: Test, megabytes: number): SmallDisk {
    const disk = new SmallDisk(mkdtempSync(join(tmpdir(), 'millrace-disk-')))
    const fault = mount(disk.directory, megabytes)
    if (fault !== undefined) throw new Error(fault)
    t.teardown(() => unmount(disk.directory))
    return disk
  }

  private constructor(directory: string) {
    this.directory = directory
    this.#filler = join(directory, 'filler')
  }

  /** Takes all the space that is left. */
  fill(): void {
    const descriptor = openSync(this.#filler, 'a')
    try {
      for (const size of [65_536, 4096]) writeWhileItFits(descriptor, size)
    } finally {
      closeSync(descriptor)
    }
  }

  /** Makes the disk larger. */
  grow(megabytes: number): void {
    const fault = run('mount', ['-o', `remount,size=${megabytes}m`, this.directory])
    if (fault !== undefined) throw new Error(fault)
  }

  free(): void {
    rmSync(this.#filler)
  }
}

/** Options for tests that need such a disk. */
export const needsSmallDisk: { skip?: string } = canMount()

function canMount(): { skip?: string } {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-disk-'))
  const fault = mount(directory, 1)
  if (fault === undefined) unmount(directory)
  else rmdirSync(directory)
  return fault === undefined ? {} : { skip: `no tmpfs can be mounted: ${fault}` }
}

function mount(directory: string, megabytes: number): string | undefined {
  const owner = `uid=${process.getuid!()},gid=${process.getgid!()}`
  const args = ['-t', 'tmpfs', '-o', `size=${megabytes}m,${owner}`, 'tmpfs', directory]
  return run('mount', args)
}

function unmount(directory: string): void {
  const fault = run('umount', [directory])
  if (fault !== undefined) throw new Error(fault)
  rmdirSync(directory)
}

/** As it is or with sudo, if that asks for no password; returns why neither works. */
function run(program: string, args: readonly string[]): string | undefined {
  const direct = spawnSync(program, args, { encoding: 'utf8' })
  if (direct.status === 0) return undefined
  if (spawnSync('sudo', ['-n', program, ...args]).status === 0) return undefined
  return direct.error?.message ?? direct.stderr.trim()
}

function writeWhileItFits(descriptor: number, size: number): void {
  const block = Buffer.alloc(size, 1)
  try {
    while (writeSync(descriptor, block) === size);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
