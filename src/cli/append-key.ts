// Adds an entry to the file of API keys, whoever else does so at the same time.

import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseApiKeys, type ApiKeyEntry } from '../auth/api-keys.ts'
import { Failure } from './failure.ts'

const PATIENCE_MS = 5000

/**
 * Appends the entry, and makes the file if it is not there: for its owner only. What is new is written beside it, into
 * a file that only one can make, and takes its place at once and whole: a hub may be reading it.
 * Errors: Failure, MILLRACE_CONFIG_INVALID.
 */
export async function appendKey(file: string, entry: ApiKeyEntry): Promise<void> {
  const target = targetOf(file)
  const lock = `${target}.lock`
  const descriptor = await openAlone(lock)
  try {
    try {
      const entries = [...readEntries(target), entry]
      writeFileSync(descriptor, `${JSON.stringify({ keys: entries }, undefined, 2)}\n`)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(lock, target)
  } catch (error) {
    rmSync(lock, { force: true })
    throw error
  }
}

/** Where the file is, which may be a link to it. */
function targetOf(file: string): string {
  try {
    return realpathSync(file)
  } catch {
    return file
  }
}

async function openAlone(lock: string): Promise<number> {
  const giveUpAt = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return openSync(lock, 'wx', 0o600)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (performance.now() > giveUpAt) {
      throw new Failure(
        `${lock} is there: another command adds a key, or was killed at it: then delete that file`,
      )
    }
    // Not all at the same time again.
    await sleep(5 + Math.random() * 20)
  }
}

function readEntries(file: string): readonly ApiKeyEntry[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`)
  }
  return parseApiKeys(text)
}
