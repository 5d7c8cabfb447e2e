// Event ids: `<epoch>-<sequence>`. Both parts have a fixed width, so ids of one log sort as strings, and 23
// characters of `[0-9a-z-]` keep a Last-Event-ID header free of CORS preflights (Fetch, CORS-safelisted headers).

import type { Position } from '../event.ts'

const SEQUENCE_WIDTH = 11 // 36^11 exceeds Number.MAX_SAFE_INTEGER

const idShape = /^([0-9a-z]{11})-([0-9a-z]{11})$/

// Ids are mostly asked for in order: all but their last two digits stay the same for a while.
const BLOCK = 36 * 36
const lastDigits = Array.from({ length: BLOCK }, (_, at) => at.toString(36).padStart(2, '0'))
let block = { epoch: '', number: -1, text: '' }

export function formatId(epoch: string, position: Position): string {
  const number = Math.floor(position / BLOCK)
  if (number !== block.number || epoch !== block.epoch) {
    block = { epoch, number, text: `${epoch}-${number.toString(36).padStart(SEQUENCE_WIDTH - 2, '0')}` }
  }
  return block.text + lastDigits[position - number * BLOCK]!
}

/** Returns undefined for whatever is not shaped like an id. */
export function parseId(id: string): { epoch: string; position: Position } | undefined {
  const [, epoch, sequence] = idShape.exec(id) ?? []
  if (epoch === undefined || sequence === undefined) return undefined
  const position = parseInt(sequence, 36)
  return Number.isSafeInteger(position) ? { epoch, position } : undefined
}
