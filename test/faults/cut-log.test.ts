// The files of a killed hub's log are cut and flipped. Whatever is lost is told: by a new epoch, or by a log that does not
// open. The refusal changes nothing.

import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MillraceError } from '../../src/errors.ts'
import { examine } from '../../src/log/sqlite/examine.ts'
import { Writer } from '../../src/log/sqlite/writer.ts'
import {
  eventsIn,
  expectUnchanged,
  LOG_OPTIONS,
  makeLogs,
  putDown,
  remainsIn,
  type Contents,
  type KilledLog,
  type Remains,
} from './support/remains.ts'

t.setTimeout(120_000)

const WAL_HEADER_BYTES = 32
const PAGE_BYTES = 4096
const FRAME_BYTES = 24 + PAGE_BYTES

const root = t.testdir()
const logs = makeLogs(join(root, 'made'))
let opened = 0

t.test('a log that was only killed is the log it was', t => {
  for (const log of Object.values(logs)) t.strictSame(reopened(t, log), contentsOf(log))
  t.end()
})

for (const [name, log] of [
  ['was not moved into the file yet', logs.waiting],
  ['was moved into the file', logs.moved],
] as const) {
  t.test(`a write-ahead log that ${name} is cut or flipped: all, or a new epoch, or no log`, t => {
    const wal = log.remains['log.db-wal']
    const cuts = cutsOf(wal.length)
    for (const at of cuts) expectHonest(t, `cut at ${at}`, log, { 'log.db-wal': wal.subarray(0, at) })
    for (const at of cuts) expectHonest(t, `flipped at ${at}`, log, { 'log.db-wal': flipped(wal, at) })
    t.end()
  })
}

t.test(
  'a kill while the write-ahead log was moved into the file loses nothing, a cut then does not pass',
  t => {
    for (const part of [0.1, 0.5, 0.9]) {
      const half = { ...logs.moved, remains: halfMoved(part) }
      t.strictSame(reopened(t, half), contentsOf(half))
      const cut = reopened(t, half, { 'log.db-wal': Buffer.alloc(0) })
      t.match(cut, { code: 'MILLRACE_LOG_UNUSABLE' }, `moved by ${part}, then emptied`)
    }
    t.end()
  },
)

t.test('an epoch that is among what was lost is not taken up again', t => {
  const directory = join(root, `log-${opened++}`)
  putDown({ ...logs.waiting.remains, 'log.db-wal': Buffer.alloc(0) }, directory)
  const writer = Writer.open({ ...LOG_OPTIONS, directory })
  const { epoch } = writer.opened
  const killed = { epoch, events: eventsIn(directory), remains: remainsIn(directory) }
  writer.close()
  t.ok(epoch > logs.waiting.epoch)
  t.strictSame(reopened(t, killed), contentsOf(killed))
  const cut = reopened(t, killed, { 'log.db-wal': Buffer.alloc(0) })
  t.ok(!(cut instanceof Error) && cut.epoch > epoch, 'it sorts after the one that was lost')
  t.end()
})

t.test('a file that is cut off is refused, unless its write-ahead log has the rest', t => {
  for (const log of Object.values(logs)) {
    const file = log.remains['log.db']
    for (const part of [0, 0.0001, 0.1, 0.5, 0.9]) {
      const cut = file.subarray(0, Math.floor(file.length * part))
      expectHonest(t, `${part} of it is left`, log, { 'log.db': cut })
    }
  }
  t.end()
})

t.test('a page of the file that was overwritten is found when it is read, at the latest', t => {
  const { remains, epoch, events } = logs.closed
  const file = remains['log.db']
  for (let page = 0; page < file.length / PAGE_BYTES; page += 7) {
    const damaged = Buffer.from(file)
    damaged.fill(0xff, page * PAGE_BYTES, (page + 1) * PAGE_BYTES)
    const found = reopened(t, logs.closed, { 'log.db': damaged }, false)
    if (found instanceof Error) t.match(found.code, /^MILLRACE_LOG_UN(USABLE|AVAILABLE)$/, `page ${page}`)
    else t.strictSame(found, { epoch, events }, `page ${page}: nothing that is read was there`)
  }
  t.end()
})

function expectHonest(t: Test, title: string, log: KilledLog, damage: Partial<Remains>): void {
  const found = reopened(t, log, damage)
  if (found instanceof Error)
    return void t.equal(found.code, 'MILLRACE_LOG_UNUSABLE', `${title}: it is refused`)
  const { epoch, events } = found
  if (epoch === log.epoch) return void t.strictSame(events, log.events, `${title}: nothing is lost`)
  t.ok(epoch > log.epoch, `${title}: the new epoch sorts after the old one`)
  t.strictSame(events, log.events.slice(0, events.length), `${title}: what is there is as it was`)
}

/** Puts the files down with the damage, and opens the log and reads it. */
function reopened(
  t: Test,
  { remains }: KilledLog,
  damage: Partial<Remains> = {},
  isSound = true,
): Contents | MillraceError {
  const directory = join(root, `log-${opened++}`)
  const files = { ...remains, ...damage }
  putDown(files, directory)
  let writer: Writer | undefined
  try {
    writer = Writer.open({ ...LOG_OPTIONS, directory })
    return { epoch: writer.opened.epoch, events: eventsIn(directory) }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    if (writer === undefined) expectUnchanged(t, files, directory)
    return error
  } finally {
    writer?.close()
    if (writer !== undefined && isSound) t.strictSame(examine(directory).faults, [], 'it agrees with itself')
  }
}

function contentsOf({ epoch, events }: KilledLog): Contents {
  return { epoch, events }
}

function cutsOf(bytes: number): number[] {
  const cuts = [0, 1, WAL_HEADER_BYTES, WAL_HEADER_BYTES + FRAME_BYTES]
  // Early cuts leave most pages newer than the others, if the file has them.
  for (let frame = 2; frame < 150; frame += 9) cuts.push(WAL_HEADER_BYTES + frame * FRAME_BYTES)
  const frames = (bytes - WAL_HEADER_BYTES) / FRAME_BYTES
  for (const part of [0.5, 0.999]) {
    const at = WAL_HEADER_BYTES + Math.floor(frames * part) * FRAME_BYTES
    cuts.push(at, at + PAGE_BYTES / 2)
  }
  return cuts
}

/** As a kill leaves it in the middle of a checkpoint, which goes by the number of the page. */
function halfMoved(part: number): Remains {
  const [before, after] = [logs.waiting.remains['log.db'], logs.moved.remains['log.db']]
  const at = Math.floor((after.length / PAGE_BYTES) * part) * PAGE_BYTES
  return { ...logs.moved.remains, 'log.db': Buffer.concat([after.subarray(0, at), before.subarray(at)]) }
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = copy[at]! ^ 0x10
  return copy
}
