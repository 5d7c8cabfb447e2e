// Idempotency keys in the file, in the order of their last use.

import type { DatabaseSync } from 'node:sqlite'
import type { KeyRecord, KeyRecords } from '../idempotency-keys.ts'
import type { Counters } from './counters.ts'

export interface KeyLimits {
  readonly maxKeys: number
  readonly maxAgeMs: number
}

const SLACK = 1 / 64

export class KeyTable implements KeyRecords {
  /** Milliseconds since 1970; set before each batch. */
  now = 0
  readonly #limits: KeyLimits
  readonly #counters: Counters
  readonly #select
  readonly #delete
  readonly #insert
  readonly #oldest
  readonly #trim

  constructor(database: DatabaseSync, counters: Counters, limits: KeyLimits) {
    this.#limits = limits
    this.#counters = counters
    this.#select = database.prepare(
      'SELECT count, first_digest AS firstDigest, digest, last, time FROM keys WHERE value = ?',
    )
    this.#delete = database.prepare('DELETE FROM keys WHERE value = ?')
    this.#insert = database.prepare(
      'INSERT INTO keys (value, count, first_digest, digest, last, time) VALUES (?, ?, ?, ?, ?, ?)',
    )
    this.#oldest = database.prepare('SELECT id, time FROM keys ORDER BY id LIMIT 1')
    this.#trim = database.prepare(
      'DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE time < ? OR ? ORDER BY id LIMIT ?)',
    )
  }

  /** So many more than are remembered that they should be trimmed. */
  get hasExcess(): boolean {
    return this.#counters.keys > this.#limits.maxKeys * (1 + SLACK)
  }

  get(value: string): KeyRecord | undefined {
    const row = this.#select.get(value) as unknown as
      | (Omit<KeyRecord, 'firstDigest'> & { firstDigest: string | null; time: number })
      | undefined
    if (row === undefined || row.time < this.now - this.#limits.maxAgeMs) return undefined
    const { count, firstDigest, digest, last } = row
    return { count, firstDigest: firstDigest ?? undefined, digest, last }
  }

  set(value: string, { count, firstDigest, digest, last }: KeyRecord): void {
    // A new row, for its id is the order of use.
    this.#counters.keys += 1 - Number(this.#delete.run(value).changes)
    this.#insert.run(value, count, firstDigest ?? null, digest, last, this.now)
  }

  /** Forgets keys that are too old or too many, at most so many; returns how many. */
  trim(now: number, most: number): number {
    const { maxKeys, maxAgeMs } = this.#limits
    const excess = this.#counters.keys - maxKeys
    const oldest = this.#oldest.get() as { time: number } | undefined
    const hasExpired = oldest !== undefined && oldest.time < now - maxAgeMs
    if (excess <= 0 && !hasExpired) return 0
    const [before, all, count] = excess > 0 ? [0, 1, Math.min(excess, most)] : [now - maxAgeMs, 0, most]
    const removed = Number(this.#trim.run(before, all, count).changes)
    this.#counters.keys -= removed
    return removed
  }
}
