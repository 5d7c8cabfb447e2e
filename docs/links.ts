// The links of a Markdown page, and the names of its headings.

const FENCE = /^( *)```.*?^\1```$/gms
const LINK = /\]\(([^()\s]+)\)/g

/** The text with each link's target replaced, but for those in code. */
export function replaceLinks(markdown: string, replace: (target: string) => string): string {
  return outsideOfCode(markdown, text => text.replace(LINK, (_, target: string) => `](${replace(target)})`))
}

export function linksOf(markdown: string): string[] {
  const links: string[] = []
  replaceLinks(markdown, target => {
    links.push(target)
    return target
  })
  return links
}

/** The text with what is not code changed. */
export function outsideOfCode(markdown: string, change: (text: string) => string): string {
  const code = new RegExp(`${FENCE.source}|\`[^\`\n]+\``, 'gms')
  let changed = ''
  let from = 0
  for (const { 0: text, index } of markdown.matchAll(code)) {
    changed += change(markdown.slice(from, index)) + text
    from = index + text.length
  }
  return changed + change(markdown.slice(from))
}

/** What links may name behind `#`: as GitHub makes them. */
export function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of markdown.replace(FENCE, '').matchAll(/^#+ (.+)$/gm)) {
    const words = heading.replace(LINK, ']').toLowerCase()
    const anchor = words.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
    let free = anchor
    for (let count = 1; anchors.has(free); count++) free = `${anchor}-${count}`
    anchors.add(free)
  }
  return anchors
}
