// The thread that writes: whatever the disk takes its time for, the event loop that serves does not wait.

import { parentPort } from 'node:worker_threads'
import { answerCalls, tellNews } from '../../thread-calls.ts'
import type { Batch, BatchResult, Opened, WriterOptions } from './messages.ts'
import { Writer } from './writer.ts'

let writer: Writer | undefined
let now = 0
let isResting = false

const methods = {
  open(options: WriterOptions): Opened {
    writer = Writer.open(options)
    return writer.opened
  },

  append(batch: Batch): BatchResult {
    const result = writer!.append(batch)
    now = batch.time
    if (writer!.needsRest) restSoon()
    return result
  },

  /** Gives the thread the time, and leave to tidy up. */
  tick(time: number): void {
    now = time
    restSoon()
  },

  close(): void {
    writer?.close()
    writer = undefined
  },
}

export type WriterMethods = typeof methods

answerCalls(parentPort!, methods)

// A step between two batches; an append that came meanwhile goes first.
function restSoon(): void {
  if (isResting) return
  isResting = true
  setImmediate(rest)
}

function rest(): void {
  isResting = false
  if (writer === undefined) return
  try {
    const kept = writer.rest(now)
    if (kept === undefined) return
    tellNews(parentPort!, kept)
    restSoon()
  } catch {
    // A full disk, say. Appends tell of it, and with the next tick it is tried again.
  }
}
