// The code fences of a Markdown page, and the comments above them that say why one cannot be run.

export interface Fence {
  /** Where it begins, for messages: `docs/guide/access.md:12`. */
  readonly place: string
  readonly language: string
  readonly text: string
  /** Why it is not run: `<!-- not run: the reason -->` in the line above. */
  readonly notRun: string | undefined
}

export function fencesOf(path: string, markdown: string): Fence[] {
  const pattern = /(?:^ *<!-- not run: ([^\n]+) -->\n\n?)?^( *)```(\w*)\n(.*?)^\2```$/gms
  return [...markdown.matchAll(pattern)].map(([whole, notRun, indent = '', language = '', text = '']) => ({
    place: `${path}:${lineOf(markdown, whole)}`,
    language,
    text: text.replace(new RegExp(`^${indent}`, 'gm'), ''),
    notRun,
  }))
}

function lineOf(markdown: string, text: string): number {
  return markdown.slice(0, markdown.indexOf(text)).split('\n').length
}
