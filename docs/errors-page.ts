// Renders docs/reference/errors.md from the error catalogue.

import { ERRORS, type ErrorCode } from '../src/errors.ts'

const INTRODUCTION = `# Errors

<!-- Made by docs/generate.ts from src/errors.ts: edit that. -->

Errors are \`application/problem+json\` (RFC 9457). \`code\` is stable and meant for programs, \`title\` is constant for a
code, and \`detail\` says what was wrong this time and what to do. Errors of starting the hub have the same codes and
are printed on stderr.
`

export function errorsPage(): string {
  return [INTRODUCTION, ...(Object.keys(ERRORS) as ErrorCode[]).map(errorSection)].join('\n')
}

// The heading makes the anchor: the code in lower case.
function errorSection(code: ErrorCode): string {
  const { status, title, help } = ERRORS[code]
  return `## ${code}

**${status}** ${title}. ${help}
`
}
