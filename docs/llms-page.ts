// Renders docs/llms.txt: everything that users read, in one file and in the order of docs/README.md.

import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { linksOf, outsideOfCode, replaceLinks } from './links.ts'

const root = new URL('../', import.meta.url)

const INTRODUCTION = `# Millrace: the documentation in one file

Made by docs/generate.ts from the pages that are named above each part: edit those. Links are paths from the repository's
root; what they name is mostly further down.
`

/** A blank line is between pages, and a line that says which one begins. */
export function llmsPage(): string {
  return [INTRODUCTION, ...pathsInOrder().map(part)].join('\n')
}

/** The pages of the index up to those on design. */
function pathsInOrder(): string[] {
  const [index = ''] = read('docs/README.md').split('## Design')
  const pages = linksOf(index).filter(link => link.endsWith('.md'))
  return ['README.md', ...pages.map(link => posix.join('docs', link))]
}

function part(path: string): string {
  const withoutComments = outsideOfCode(read(path), text => text.replace(/^ *<!--.*?-->\n\n?/gms, ''))
  const withoutImages = outsideOfCode(withoutComments, text =>
    text.replace(/!\[([^\]]*)\]\([^)]*\)/g, 'Picture: $1'),
  )
  return `---\n\nFile: ${path}\n\n${replaceLinks(withoutImages, link => fromRoot(path, link))}`
}

function fromRoot(path: string, link: string): string {
  if (/^[a-z]+:/.test(link)) return link
  return link.startsWith('#') ? path + link : posix.join(posix.dirname(path), link)
}

function read(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}
