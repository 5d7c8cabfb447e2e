// An event's data: JSON pretty printed and coloured, text as text; what is large is shown in part until somebody wants all.

import type { ComponentChildren } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { bytes, count } from '../format.ts'

const MAX_LINES = 14
const MAX_CHARACTERS = 1500
// Colours make an element of each word.
const MAX_COLOURED = 40_000
// What fits into a line is read there.
const MAX_ONE_LINE = 90

/** The text that is shown of an event's data. */
export function dataText(data: unknown): string {
  if (typeof data === 'string') return data
  const line = JSON.stringify(data)
  return line.length <= MAX_ONE_LINE ? spaced(line) : JSON.stringify(data, null, 2)
}

export function DataText({ data }: { data: unknown }): ComponentChildren {
  const [isWhole, setWhole] = useState(false)
  const text = useMemo(() => dataText(data), [data])
  const lines = useMemo(() => text.split('\n'), [text])
  const isLarge = lines.length > MAX_LINES + 2 || text.length > MAX_CHARACTERS * 1.2
  const shown = isLarge && !isWhole ? lines.slice(0, MAX_LINES).join('\n').slice(0, MAX_CHARACTERS) : text
  if (text === '') return <p class="hint">No data.</p>
  return (
    <>
      <pre class={`data${isLarge && !isWhole ? ' is-cut' : ''}`}>
        {typeof data === 'string' || shown.length > MAX_COLOURED ? shown : coloured(shown)}
      </pre>
      {isLarge && (
        <button class="link" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole
            ? 'Show less'
            : `Show all: ${bytes(text.length)}, ${count(lines.length)} ${lines.length === 1 ? 'line' : 'lines'}`}
        </button>
      )}
    </>
  )
}

/** `{"a":1}` as `{"a": 1}`, its texts left alone. */
function spaced(line: string): string {
  return line.replace(
    /("(?:\\.|[^"\\])*")|([:,])/g,
    (_all, text: string | undefined, mark: string) => text ?? `${mark} `,
  )
}

const WORDS = /("(?:\\.|[^"\\])*"?)(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g

function coloured(text: string): ComponentChildren[] {
  const parts: ComponentChildren[] = []
  let at = 0
  for (const match of text.matchAll(WORDS)) {
    if (match.index > at) parts.push(text.slice(at, match.index))
    const [word, string, colon] = match
    const kind = string === undefined ? 'value' : colon === undefined ? 'text' : 'name'
    parts.push(<span class={`json-${kind}`}>{string ?? word}</span>)
    if (colon !== undefined) parts.push(colon)
    at = match.index + word.length
  }
  parts.push(text.slice(at))
  return parts
}
