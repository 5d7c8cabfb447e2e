// The log's files are cut, flipped, swapped and removed while no hub has them. Whatever is lost is told: by a new epoch, or by
// a log that does not open. Nothing is changed by the refusal, and no id ever stands for two events.

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DatabaseSync } from 'node:sqlite'
import { MillraceError } from '../../src/errors.ts'
import { examine } from '../../src/log/sqlite/examine.ts'
import { FIELDS_PER_ROW, type WriterOptions } from '../../src/log/sqlite/messages.ts'
import { Reader } from '../../src/log/sqlite/reader.ts'
import { Writer } from '../../src/log/sqlite/writer.ts'

t.setTimeout(180_000)

// What the log's threads run, without the threads: it is opened often here.
const OPTIONS: Omit<WriterOptions, 'directory'> = {
  maxBytes: 1e9,
  limits: { maxEvents: 1e6, maxBytes: 1e9, maxAgeMs: 1e9 },
  retention: [],
  maxStateBytes: 1e9,
  maxIdempotencyKeys: 1000,
  idempotencyKeyAgeMs: 1e9,
  maxLossTopics: 1000,
  now: 1e12,
}

const FILES = ['log.db', 'log.db-wal', 'head'] as const
const WAL_HEADER_BYTES = 32
const PAGE_BYTES = 4096
const FRAME_BYTES = 24 + PAGE_BYTES
// In all less than what the log lets wait before it moves it into the file.
const BATCHES = 120
const BATCH_EVENTS = 10

/** The files as a killed hub leaves them. */
type Remains = Readonly<Record<(typeof FILES)[number], Buffer>>

interface Found {
  readonly epoch: string
  readonly events: readonly string[]
}

interface Case extends Found {
  readonly remains: Remains
}

const root = t.testdir()
const [waiting, moved] = makeCases()

t.test('a log that was only killed is the log it was', t => {
  for (const each of [waiting, moved]) {
    const found = reopened(t, each, {})
    t.strictSame(found, { epoch: each.epoch, events: each.events })
  }
  t.end()
})

for (const [name, made] of [
  ['that was never moved into the file', waiting],
  ['that was moved into the file', moved],
] as const) {
  t.test(`a write-ahead log ${name} and is cut or flipped: all, or a new epoch, or no log`, t => {
    const wal = made.remains['log.db-wal']
    const frames = (wal.length - WAL_HEADER_BYTES) / FRAME_BYTES
    const cuts = [0, 1, WAL_HEADER_BYTES, WAL_HEADER_BYTES + FRAME_BYTES]
    // Early cuts leave most pages newer than the others, if the file has them.
    for (let frame = 2; frame < 150; frame += 9) cuts.push(WAL_HEADER_BYTES + frame * FRAME_BYTES)
    for (const part of [0.5, 0.999]) {
      const frame = Math.floor(frames * part)
      cuts.push(WAL_HEADER_BYTES + frame * FRAME_BYTES, WAL_HEADER_BYTES + frame * FRAME_BYTES + 2000)
    }
    for (const at of cuts) {
      expectHonest(t, `cut at ${at} of ${wal.length}`, made, { 'log.db-wal': wal.subarray(0, at) })
    }
    for (const at of cuts.filter(place => place > 0)) {
      expectHonest(t, `flipped at ${at}`, made, { 'log.db-wal': flipped(wal, at) })
    }
    t.end()
  })
}

t.test('a kill while the write-ahead log was moved into the file loses nothing', t => {
  for (const part of [0.1, 0.5, 0.9]) {
    const half = halfMoved(part)
    const found = reopened(t, { ...moved, remains: half }, {})
    t.strictSame(found, { epoch: moved.epoch, events: moved.events })
    expectHonest(
      t,
      `moved by ${part}, then emptied`,
      { ...moved, remains: half },
      { 'log.db-wal': Buffer.alloc(0) },
    )
  }
  t.end()
})

function expectHonest(t: Test, title: string, made: Case, damage: Partial<Remains>): void {
  const found = reopened(t, made, damage)
  if (found instanceof MillraceError) {
    t.equal(found.code, 'MILLRACE_LOG_UNUSABLE', `${title}: it is refused`)
    return
  }
  const { epoch, events } = found
  if (epoch === made.epoch)
    return void t.strictSame(events.length, made.events.length, `${title}: nothing is lost`)
  t.ok(epoch > made.epoch, `${title}: the new epoch sorts after the old one`)
  t.strictSame(events, made.events.slice(0, events.length), `${title}: what is there is as it was`)
}

/** The same log, killed with all in the write-ahead log since it was opened last, and with all of that in the file too. */
function makeCases(): [Case, Case] {
  const directory = join(root, 'made')
  const first = new Writer({ ...OPTIONS, directory })
  append(first, 0)
  first.close()
  const writer = new Writer({ ...OPTIONS, directory })
  append(writer, BATCHES)
  const told = { epoch: writer.opened.epoch, events: eventsIn(directory) }
  const waiting = { ...told, remains: remainsIn(directory) }
  const other = new DatabaseSync(join(directory, 'log.db'))
  other.exec('PRAGMA wal_checkpoint(PASSIVE)')
  other.close()
  const moved = { ...told, remains: remainsIn(directory) }
  writer.close()
  return [waiting, moved]
}

function append(writer: Writer, from: number): void {
  for (let batch = from; batch < from + BATCHES; batch++) {
    const appends = Array.from({ length: BATCH_EVENTS }, (_, at) => {
      const data = `${batch} ${at} ${'x'.repeat((batch * 7919 + at) % 1500)}`
      return { fields: [topicOf(batch, at), null, 0, data], key: undefined }
    })
    writer.append({ appends, time: 1e12 + batch })
  }
}

// First few topics, then many: pages are newly used, and old ones come into use again.
function topicOf(batch: number, at: number): string {
  return `topic/${batch < BATCHES + 10 ? at % 3 : (batch * 7 + at) % 400}`
}

function remainsIn(directory: string): Remains {
  const [database, wal, head] = FILES.map(name => readFileSync(join(directory, name)))
  return { 'log.db': database!, 'log.db-wal': wal!, head: head! }
}

/** As a kill leaves it in the middle of a checkpoint, which goes by the number of the page. */
function halfMoved(part: number): Remains {
  const [before, after] = [waiting.remains['log.db'], moved.remains['log.db']]
  const at = Math.floor((after.length / PAGE_BYTES) * part) * PAGE_BYTES
  return { ...moved.remains, 'log.db': Buffer.concat([after.subarray(0, at), before.subarray(at)]) }
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = copy[at]! ^ 0x10
  return copy
}

/** Puts the files down with the damage, and opens the log. A refusal must have changed nothing. */
function reopened(t: Test, { remains }: Case, damage: Partial<Remains>): Found | MillraceError {
  const directory = mkdtempSync(join(root, 'log-'))
  const files = { ...remains, ...damage }
  for (const name of FILES) writeFileSync(join(directory, name), files[name])
  let writer: Writer
  try {
    writer = new Writer({ ...OPTIONS, directory })
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    for (const name of FILES) {
      t.ok(files[name].equals(readFileSync(join(directory, name))), `${name} is as it was`)
    }
    return error
  }
  const found = { epoch: writer.opened.epoch, events: eventsIn(directory) }
  writer.close()
  t.strictSame(examine(directory).faults, [], 'it agrees with itself')
  return found
}

function eventsIn(directory: string): string[] {
  const reader = new Reader(directory)
  const events: string[] = []
  const through = 2 * BATCHES * BATCH_EVENTS
  for (let position = 0; position < through;) {
    const page = reader.read(position, '**', { through, maxEvents: 1000, maxBytes: 1e9 })
    for (let at = 0; at < page.fields.length; at += FIELDS_PER_ROW) {
      events.push(`${page.fields[at]} ${page.fields[at + 1]} ${page.fields[at + 5]}`)
    }
    position = page.position
  }
  reader.close()
  return events
}
