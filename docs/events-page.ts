// Renders docs/reference/events.md: what the hub itself says on a stream. Names and shapes are read from the source of
// src/protocol/control-events.ts, since types are gone when it runs.

import { readFileSync } from 'node:fs'
import { CLOSE_REASONS, type CloseReason } from '../src/hub/close-reason.ts'
import * as controlEvents from '../src/protocol/control-events.ts'

const INTRODUCTION = `# Events of the hub

<!-- Made by docs/generate.ts from src/protocol/control-events.ts: edit that. -->

On a stream, names that begin with \`millrace:\` are the hub's own; nobody can publish them. Their data is JSON.
When they come, and what to do about them: [receiving](../guide/receiving.md#what-the-hub-itself-says).

Between events there may be comments (lines that begin with \`:\`): they keep the stream open and mean nothing.
`

const source = readFileSync(new URL('../src/protocol/control-events.ts', import.meta.url), 'utf8')

export function eventsPage(): string {
  const names = Object.keys(controlEvents)
  return [INTRODUCTION, ...names.map(eventSection), closeSection()].join('\n')
}

function eventSection(constant: string): string {
  const name = (controlEvents as Record<string, string>)[constant]!
  return `## ${name}\n\n${meaningOf(constant)}\n\n${dataOf(constant)}`
}

// What is declared elsewhere means there more than on a stream.
const ELSEWHERE: Readonly<Record<string, string>> = {
  RESET: 'A topic was deleted: what a client holds of it is void.',
}

function meaningOf(constant: string): string {
  const declared = new RegExp(`/\\*\\* ([^*]+) \\*/\\nexport const ${constant} =`).exec(source)
  const meaning = declared?.[1] ?? ELSEWHERE[constant]
  if (meaning === undefined) throw new Error(`control-events.ts does not say what ${constant} is`)
  return meaning
}

function dataOf(constant: string): string {
  const type = `${constant[0]}${constant.slice(1).toLowerCase()}Data`
  const body = new RegExp(`export interface ${type} \\{\\n(.*?)\\n\\}`, 's').exec(source)?.[1]
  if (body === undefined) return 'Data: `{}`.\n'
  const members = [...body.matchAll(/(?: {2}\/\*\* (.+?) \*\/\n)? {2}readonly (\w+\??): (.+)/g)]
  const rows = members.map(
    ([, said = '', name, shape]) => `| \`${name}\` | \`${shapeOf(shape!)}\` | ${said} |`,
  )
  return ['| member | type | |', '|---|---|---|', ...rows, ''].join('\n')
}

function shapeOf(type: string): string {
  return type
    .replace(/^readonly /, '')
    .replaceAll('Topic', 'string')
    .replaceAll(' | ', ' or ')
}

// Whoever went away, or reads nothing, is told nothing.
const TOLD: readonly CloseReason[] = ['drain', 'expired', 'revoked', 'error']

function closeSection(): string {
  const rows = TOLD.map(reason => `| \`${reason}\` | ${CLOSE_REASONS[reason]} |`)
  return ['## Reasons of `millrace:bye`\n', '| | |', '|---|---|', ...rows, ''].join('\n')
}
