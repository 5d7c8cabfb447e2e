// Where `millrace publish` takes its lines from, and how each becomes a line of NDJSON for the hub.

import { createReadStream } from 'node:fs'
import { usageFailure } from './failure.ts'
import { topicPath } from './hub-client.ts'
import type { PublishFlags } from './publish.ts'
import { splitLines, type InputLine } from './split-lines.ts'

export interface Encoding {
  readonly path: string
  readonly encode: (text: string) => string
}

/** JSON goes to the topic's own path as it is; text is wrapped, which only `/events` takes. */
export function encodingOf(topic: string | undefined, flags: PublishFlags): Encoding {
  const { type } = flags
  if (topic === undefined) {
    if (flags.ndjson !== true) throw usageFailure('a TOPIC is missing; only --ndjson goes without')
    if (type !== undefined)
      throw usageFailure('--type needs a TOPIC: without one, each line names its own type')
    return { path: '/events', encode: text => text }
  }
  const path = topicPath(topic)
  if (flags.json === true || flags.ndjson === true) {
    return {
      path: type === undefined ? path : `${path}?type=${encodeURIComponent(type)}`,
      encode: text => text,
    }
  }
  const head = `{"topic":${JSON.stringify(topic)},"data":`
  const tail = type === undefined ? '}' : `,"type":${JSON.stringify(type)}}`
  return { path: '/events', encode: text => head + JSON.stringify(text) + tail }
}

export function linesOf(
  topic: string | undefined,
  data: readonly string[],
  flags: PublishFlags,
): AsyncIterator<readonly InputLine[]> {
  const isJson = flags.json === true || flags.ndjson === true
  const lines = data.length > 0 ? argumentLines(data, flags) : splitLines(openInput(flags))
  // Blank lines mean nothing in NDJSON; as text they are empty events.
  return isJson || topic === undefined ? withoutBlanks(lines) : lines
}

async function* argumentLines(data: readonly string[], flags: PublishFlags): AsyncGenerator<InputLine[]> {
  if (flags.file !== undefined) throw usageFailure('give either DATA or --file')
  const isJson = flags.json === true || flags.ndjson === true
  yield data.map((text, at) => ({ text: isJson ? onOneLine(text) : text, number: at + 1 }))
}

// JSON has line ends between its tokens only, so a space does as well. Parsed just to check it: writing it
// anew would round large numbers.
function onOneLine(json: string): string {
  try {
    JSON.parse(json)
  } catch (error) {
    throw usageFailure(`the data is not JSON: ${(error as Error).message}`)
  }
  return json.replace(/[\r\n]+/g, ' ')
}

async function* withoutBlanks(chunks: AsyncIterable<InputLine[]>): AsyncGenerator<InputLine[]> {
  for await (const lines of chunks) yield lines.filter(line => line.text.trim() !== '')
}

function openInput({ file, quiet }: PublishFlags): AsyncIterable<Uint8Array> {
  if (file !== undefined && file !== '-') return createReadStream(file, { highWaterMark: 262_144 })
  if (process.stdin.isTTY && quiet !== true) process.stderr.write('A line an event; Ctrl-D ends.\n')
  return process.stdin
}
