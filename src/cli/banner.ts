// What `millrace serve` says once it listens: how to send the first event, see it arrive, and look on.

import { relative } from 'node:path'

export interface Announcement {
  readonly url: string
  /** The CA that the hub made for itself, if it did. */
  readonly caFile: string | undefined
  readonly hasInspector: boolean
  readonly takesTokens: boolean
}

export function banner({ url, caFile, hasInspector, takesTokens }: Announcement): string {
  const trust = caFile === undefined ? '' : `--cacert ${quoted(nearest(caFile))} `
  const token = takesTokens ? '-H "authorization: Bearer $TOKEN" ' : ''
  const lines = [
    `Millrace listens on ${url}`,
    '',
    `  open        ${url} in a browser`,
    `  subscribe   curl -N ${trust}${token}-H 'accept: text/event-stream' ${url}/topics/hello`,
    `  publish     curl ${trust}${token}-d 'Hello, world' ${url}/topics/hello`,
  ]
  if (hasInspector) lines.push(`  inspect     ${url}/inspector in a browser`)
  if (takesTokens)
    lines.push('', '  TOKEN is one that your application signs, or that `millrace token` makes.')
  if (caFile !== undefined) lines.push('', ...trustHint(nearest(caFile)))
  return `\n${lines.join('\n')}\n\n`
}

function trustHint(caFile: string): string[] {
  return [
    `  Its certificate is signed by a CA of its own, ${caFile}: import that file as an authority in your`,
    `  browser, or start Node clients with NODE_EXTRA_CA_CERTS=${quoted(caFile)}`,
  ]
}

function nearest(file: string): string {
  const path = relative(process.cwd(), file)
  return path.startsWith('..') ? file : path
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
