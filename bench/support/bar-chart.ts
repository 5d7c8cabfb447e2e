// Draws groups of horizontal bars as an SVG picture, in as many columns as there are shapes; readable on light and dark
// pages.

import { WIDTH, escaped, picture } from './svg.ts'

export interface Bar {
  readonly name: string
  readonly value: number
  /** What stands beside it. */
  readonly label: string
}

export interface BarPanel {
  readonly title: string
  readonly bars: readonly Bar[]
}

export interface BarChart {
  readonly title: string
  readonly subtitle: string
  /** From left to right, and then below. The first bar of each is ours. */
  readonly panels: readonly BarPanel[]
  readonly columns: number
  readonly footer: string
}

const TOP = 76
const SIDE = 20
const GAP = 36
const NAME = 104
const LABEL = 76
const BAR = 18
const BAR_STEP = 25
const PANEL_HEAD = 26
const PANEL_GAP = 26
const BOTTOM = 40

export function barChart({ title, subtitle, panels, columns, footer }: BarChart): string {
  const width = (WIDTH - 2 * SIDE - (columns - 1) * GAP) / columns
  const rows = Math.ceil(panels.length / columns)
  const rowHeight = PANEL_HEAD + Math.max(...panels.map(({ bars }) => bars.length)) * BAR_STEP + PANEL_GAP
  const height = TOP + rows * rowHeight - PANEL_GAP + BOTTOM
  const bodies = panels.map((panel, at) =>
    panelBody(
      panel,
      SIDE + (at % columns) * (width + GAP),
      TOP + Math.floor(at / columns) * rowHeight,
      width,
    ),
  )
  const foot = `  <text class="small" x="${SIDE}" y="${height - 16}">${escaped(footer)}</text>`
  return picture({
    title,
    subtitle,
    description: panels.map(described).join(' '),
    height,
    light: '.ours { fill: #0b6e4f } .others { fill: #b3c2bb } .own { font-weight: 600 }',
    dark: '.ours { fill: #5fd3a6 } .others { fill: #46574f }',
    body: [...bodies, foot].join('\n'),
  })
}

function panelBody({ title, bars }: BarPanel, left: number, top: number, width: number): string {
  const longest = Math.max(...bars.map(({ value }) => value))
  const room = width - NAME - LABEL
  const lines = bars.map(({ name, value, label }, at) => {
    const y = top + PANEL_HEAD + at * BAR_STEP
    const length = Math.max(1, (value / longest) * room)
    const own = at === 0 ? ' class="own"' : ''
    return (
      `<text${own} x="${left + NAME - 8}" y="${y + 13}" font-size="13" text-anchor="end">${escaped(name)}</text>` +
      `<rect class="${at === 0 ? 'ours' : 'others'}" x="${left + NAME}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2"/>` +
      `<text${own} x="${(left + NAME + length + 6).toFixed(1)}" y="${y + 13}" font-size="13">${escaped(label)}</text>`
    )
  })
  return `  <g>
    <text x="${left}" y="${top + 10}">${escaped(title)}</text>
    ${lines.join('\n    ')}
  </g>`
}

function described({ title, bars }: BarPanel): string {
  return `${title}: ${bars.map(({ name, label }) => `${name} ${label}`).join(', ')}.`
}
