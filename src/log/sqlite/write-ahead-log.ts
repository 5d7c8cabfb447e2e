// What is known of the write-ahead log: how much of it waits to go into the file, and the mark beside the file that says
// how much of it must be there after a crash.

import type { DatabaseSync } from 'node:sqlite'
import { MillraceError } from '../../errors.ts'
import type { Position } from '../../event.ts'
import { HeadMark } from './head-mark.ts'

// It goes into the file when it has so many pages: 16 MiB.
const CHECKPOINT_PAGES = 4096

interface Place {
  readonly epoch: string
  readonly head: Position
}

export class WriteAheadLog {
  readonly #database: DatabaseSync
  readonly #state
  readonly #mark: HeadMark
  /** How many pages wait in it. Its file keeps its size when they are moved. */
  #unmovedPages = 0
  #isMarkBehind = false

  constructor(database: DatabaseSync, directory: string, place: Place) {
    this.#database = database
    this.#state = database.prepare('PRAGMA wal_checkpoint(NOOP)')
    this.#mark = new HeadMark(directory, { ...place, walPages: this.#measure() })
  }

  get isFull(): boolean {
    return this.#unmovedPages >= CHECKPOINT_PAGES
  }

  /** Moves into the file what nobody reads, if there is enough of it. */
  checkpoint(): void {
    if (this.isFull) this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)')
  }

  /** Moves all of it into the file, if there is room for that; returns whether there was anything. */
  empty(): boolean {
    try {
      const moved = this.#database.prepare('PRAGMA wal_checkpoint(PASSIVE)').get()
      return Number(moved?.log) > 0 && moved?.log === moved?.checkpointed
    } catch {
      return false
    }
  }

  /**
   * Ids that no mark tells of could be given again one day: no batch is committed before the mark of the one before it is
   * written. Errors: MILLRACE_LOG_UNAVAILABLE.
   */
  requireMark(place: Place): void {
    if (this.#isMarkBehind) this.#writeMark(place)
  }

  /** After a commit: marks how far the log has come. */
  note(place: Place): void {
    try {
      this.#writeMark(place)
    } catch {
      // What was committed stays so.
      this.#isMarkBehind = true
    }
  }

  /** When the database is closed, and all of it has gone into the file. */
  close(place: Place): void {
    this.#mark.write({ ...place, walPages: 0 })
    this.#mark.close()
  }

  #writeMark(place: Place): void {
    try {
      this.#mark.write({ ...place, walPages: this.#measure() })
      this.#isMarkBehind = false
    } catch (error) {
      const detail = `The head file of the log cannot be written: ${(error as Error).message}.`
      throw new MillraceError('MILLRACE_LOG_UNAVAILABLE', detail, { cause: error, retryAfter: 5 })
    }
  }

  #measure(): number {
    const { log, checkpointed } = this.#state.get() as { log: number; checkpointed: number }
    this.#unmovedPages = log - checkpointed
    return log
  }
}
