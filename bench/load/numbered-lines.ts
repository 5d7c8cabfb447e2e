// NDJSON bodies of numbered events, for readers that keep account (sequence-check.ts).

import { sequenceMark } from './sequence-check.ts'
import type { Block } from './upload.ts'

const LINES_PER_BLOCK = 400

/** The events after `after` up to `last`, with data of this size; each line by `line`. */
export function* numberedLines(
  after: number,
  last: number,
  bytes: number,
  line: (data: string, sequence: number) => string,
): Generator<Block> {
  const filler = ' ' + 'x'.repeat(Math.max(0, bytes - sequenceMark(0).length - 3))
  for (let start = after + 1; start <= last; start += LINES_PER_BLOCK) {
    const lines = Math.min(LINES_PER_BLOCK, last - start + 1)
    let text = ''
    for (let at = start; at < start + lines; at++) text += line(`"${sequenceMark(at)}${filler}"`, at) + '\n'
    yield { text, lines }
  }
}
