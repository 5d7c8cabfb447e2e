// What pictures have in common: a frame with title and subtitle, and colours for light and dark pages.

export interface Picture {
  readonly title: string
  readonly subtitle: string
  /** For those who do not see it. */
  readonly description: string
  readonly height: number
  /** CSS of its own, for light pages and for dark ones. */
  readonly light: string
  readonly dark: string
  readonly body: string
}

export const WIDTH = 880

export function picture({ title, subtitle, description, height, light, dark, body }: Picture): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="14">
  <title id="t">${escaped(title)}</title>
  <desc id="d">${escaped(description)}</desc>
  <style>
    .bg { fill: #ffffff } text { fill: #1d2925 } .small { font-size: 12px; fill: #52625b } .grid { stroke: #dde5e1; stroke-width: 1 }
    ${light}
    @media (prefers-color-scheme: dark) {
      .bg { fill: #101614 } text { fill: #e6efeb } .small { fill: #9fb2aa } .grid { stroke: #2a3631 }
      ${dark}
    }
  </style>
  <rect class="bg" width="${WIDTH}" height="${height}" rx="10"/>
  <text x="20" y="30" font-size="16" font-weight="600">${escaped(title)}</text>
  <text class="small" x="20" y="50">${escaped(subtitle)}</text>
${body}
</svg>
`
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
