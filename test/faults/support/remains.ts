// The files of a log as a killed hub leaves them: made once, put down again and again, and damaged. The threads' own parts
// write and read them here, without the threads, for logs are opened often.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Test } from 'tap'
import { FIELDS_PER_EVENT } from '../../../src/log/flat-events.ts'
import type { WriterOptions } from '../../../src/log/sqlite/messages.ts'
import { Reader } from '../../../src/log/sqlite/reader.ts'
import { Writer } from '../../../src/log/sqlite/writer.ts'

export const LOG_FILES = ['log.db', 'log.db-wal', 'head'] as const

export type Remains = Readonly<Record<(typeof LOG_FILES)[number], Buffer>>

export interface Contents {
  readonly epoch: string
  /** Position, topic and data of each. */
  readonly events: readonly string[]
}

export interface KilledLog extends Contents {
  readonly remains: Remains
}

// A hub that opens such a log keeps an event for a day.
const NOW = Date.now()

export const LOG_OPTIONS: Omit<WriterOptions, 'directory'> = {
  maxBytes: 1e9,
  limits: { maxEvents: 1e6, maxBytes: 1e9, maxAgeMs: 1e9 },
  retention: [],
  maxStateBytes: 1e9,
  maxIdempotencyKeys: 1000,
  idempotencyKeyAgeMs: 1e9,
  maxLossTopics: 1000,
  now: NOW,
}

// In all less than what the log lets wait before it moves it into the file.
const BATCHES = 120
const BATCH_EVENTS = 10

/**
 * The same log three times: killed with the newer half of its events in the write-ahead log only, and with all of them in the
 * file too, and closed.
 */
export function makeLogs(directory: string): { waiting: KilledLog; moved: KilledLog; closed: KilledLog } {
  const first = Writer.open({ ...LOG_OPTIONS, directory })
  append(first, 0)
  first.close()
  const writer = Writer.open({ ...LOG_OPTIONS, directory })
  append(writer, BATCHES)
  const told = { epoch: writer.opened.epoch, events: eventsIn(directory) }
  const waiting = { ...told, remains: remainsIn(directory) }
  const other = new DatabaseSync(join(directory, 'log.db'))
  other.exec('PRAGMA wal_checkpoint(PASSIVE)')
  other.close()
  const moved = { ...told, remains: remainsIn(directory) }
  writer.close()
  const [database, head] = ['log.db', 'head'].map(name => readFileSync(join(directory, name)))
  const closed = { ...told, remains: { 'log.db': database!, 'log.db-wal': Buffer.alloc(0), head: head! } }
  return { waiting, moved, closed }
}

export function remainsIn(directory: string): Remains {
  const [database, wal, head] = LOG_FILES.map(name => readFileSync(join(directory, name)))
  return { 'log.db': database!, 'log.db-wal': wal!, head: head! }
}

export function putDown(remains: Partial<Remains>, directory: string): void {
  mkdirSync(directory)
  for (const [name, bytes] of Object.entries(remains)) writeFileSync(join(directory, name), bytes)
}

export function expectUnchanged(t: Test, remains: Partial<Remains>, directory: string): void {
  for (const [name, bytes] of Object.entries(remains)) {
    t.ok(bytes.equals(readFileSync(join(directory, name))), `${name} is as it was`)
  }
}

/** Errors: those of the reader. */
export function eventsIn(directory: string, selector = '**'): string[] {
  const reader = new Reader(directory)
  const events: string[] = []
  const through = 2 * BATCHES * BATCH_EVENTS
  try {
    for (let position = 0; position < through;) {
      const page = reader.read(position, selector, { through, maxEvents: 1000, maxBytes: 1e9 })
      for (let at = 0; at < page.fields.length; at += FIELDS_PER_EVENT) {
        events.push(`${page.fields[at]} ${page.fields[at + 1]} ${page.fields[at + 5]}`)
      }
      position = page.position
    }
  } finally {
    reader.close()
  }
  return events
}

function append(writer: Writer, from: number): void {
  for (let batch = from; batch < from + BATCHES; batch++) {
    const appends = Array.from({ length: BATCH_EVENTS }, (_, at) => {
      const data = `${batch} ${at} ${'x'.repeat((batch * 7919 + at) % 1500)}`
      return { fields: [topicOf(batch, at), null, 0, data], key: undefined }
    })
    writer.append({ appends, time: NOW + batch })
  }
}

// First few topics, then many: pages are newly used, and old ones come into use again.
function topicOf(batch: number, at: number): string {
  return `topic/${batch < BATCHES + 10 ? at % 3 : (batch * 7 + at) % 400}`
}
