// What a log remembers of idempotency keys: how many events of a request it has stored, and their digest.

import { LRUCache } from 'lru-cache'
import { MillraceError } from '../errors.ts'
import type { NewEvent, Position } from '../event.ts'
import type { AppendKey } from './append-key.ts'

export interface KeyRecord {
  readonly count: number
  /** Up to the first event; undefined when the key was forgotten in the middle of its request. */
  readonly firstDigest: string | undefined
  /** Up to the newest event. */
  readonly digest: string
  /** Of the newest event. */
  readonly last: Position
}

/** Where the records are: it forgets those that are too old or too many. */
export interface KeyRecords {
  get(value: string): KeyRecord | undefined
  set(value: string, record: KeyRecord): void
}

export function memoryKeys(maxKeys: number, maxAgeMs: number): KeyRecords {
  return new LRUCache<string, KeyRecord>({ max: maxKeys, ttl: maxAgeMs })
}

export class IdempotencyKeys {
  readonly #records: KeyRecords

  constructor(records: KeyRecords) {
    this.#records = records
  }

  /** The events that were not stored under this key before. Errors: MILLRACE_KEY_REUSED. */
  unseen(events: readonly NewEvent[], { value, offset, digests }: AppendKey): readonly NewEvent[] {
    const record = this.#records.get(value)
    if (record === undefined) return events
    const seen = Math.max(0, record.count - offset)
    const isFirst = offset === 0 && events.length > 0 && record.firstDigest !== undefined
    const isSame =
      (!isFirst || digests[0] === record.firstDigest) &&
      (seen === 0 || seen > events.length || digests[seen - 1] === record.digest)
    if (isSame) return events.slice(seen)
    throw new MillraceError('MILLRACE_KEY_REUSED', `The key '${value}' stands for other events.`)
  }

  /** Remembers that these events are stored, the log's head being the newest; returns the key's newest position. */
  record({ value, offset, digests }: AppendKey, head: Position): Position {
    const count = offset + digests.length
    const digest = digests.at(-1)!
    const record = this.#records.get(value)
    if (record === undefined) {
      const firstDigest = offset === 0 ? digests[0] : undefined
      this.#records.set(value, { count, firstDigest, digest, last: head })
      return head
    }
    if (count <= record.count) return record.last
    this.#records.set(value, { ...record, count, digest, last: head })
    return head
  }
}
