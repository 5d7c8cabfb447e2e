// Draws curves over time as an SVG picture, panels below each other; readable on light and dark pages.

import { WIDTH, escaped, picture } from './svg.ts'

export interface Curve {
  readonly name: string
  /** At the same moments as `times`. */
  readonly values: readonly number[]
}

export interface Panel {
  readonly title: string
  readonly unit: string
  /** Three at most: there are so many colours. */
  readonly curves: readonly Curve[]
}

export interface Plot {
  readonly title: string
  readonly subtitle: string
  /** Minutes. */
  readonly times: readonly number[]
  readonly panels: readonly Panel[]
}

const LEFT = 76
const RIGHT = 20
const TOP = 64
const PANEL = 120
const PANEL_GAP = 44
const BOTTOM = 46
// More points than this can't be told apart, and make the file large.
const MAX_POINTS = 300

const LIGHT =
  '.line { fill: none; stroke-width: 1.6; stroke-linejoin: round } .c0 { stroke: #0b6e4f } .c1 { stroke: #a3541c } ' +
  '.c2 { stroke: #3b5bb5 } .k0 { fill: #0b6e4f } .k1 { fill: #a3541c } .k2 { fill: #3b5bb5 }'
const DARK =
  '.c0 { stroke: #5fd3a6 } .c1 { stroke: #f0a36b } .c2 { stroke: #8fa8f5 } ' +
  '.k0 { fill: #5fd3a6 } .k1 { fill: #f0a36b } .k2 { fill: #8fa8f5 }'

export function linePlot({ title, subtitle, times, panels }: Plot): string {
  const height = TOP + panels.length * (PANEL + PANEL_GAP) - PANEL_GAP + 24 + BOTTOM
  const end = times.at(-1) ?? 1
  const bodies = panels.map((panel, at) => panelBody(panel, times, end, TOP + 24 + at * (PANEL + PANEL_GAP)))
  return picture({
    title,
    subtitle,
    description: `${subtitle} Panels: ${panels.map(panel => panel.title).join(', ')}.`,
    height,
    light: LIGHT,
    dark: DARK,
    body: [...bodies, timeAxis(end, height)].join('\n'),
  })
}

function panelBody(
  { title, unit, curves }: Panel,
  times: readonly number[],
  end: number,
  top: number,
): string {
  const highest = Math.max(...curves.flatMap(curve => curve.values), 0)
  const step = niceStep(highest / 3)
  const ceiling = Math.max(step, Math.ceil(highest / step) * step)
  const y = (value: number): string => (top + PANEL - (value / ceiling) * PANEL).toFixed(1)
  const grid = Array.from({ length: Math.round(ceiling / step) + 1 }, (_, at) => at * step).map(
    value =>
      `<path class="grid" d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}"/>` +
      `<text class="small" x="${LEFT - 8}" y="${Number(y(value)) + 4}" text-anchor="end">${shown(value)}</text>`,
  )
  const lines = curves.map(
    ({ values }, at) => `<path class="line c${at}" d="${path(times, values, end, y)}"/>`,
  )
  return `  <g>
    <text x="${LEFT}" y="${top - 10}">${escaped(title)}<tspan class="small"> ${escaped(unit)}</tspan></text>
    ${legend(curves, top)}
    ${grid.join('\n    ')}
    ${lines.join('\n    ')}
  </g>`
}

function legend(curves: readonly Curve[], top: number): string {
  let left = WIDTH - RIGHT
  const keys = curves.map(({ name }, at) => ({ name, at })).toReversed()
  return keys
    .map(({ name, at }) => {
      left -= name.length * 7 + 26
      return `<rect class="k${at}" x="${left}" y="${top - 19}" width="10" height="10" rx="2"/><text class="small" x="${left + 15}" y="${top - 10}">${escaped(name)}</text>`
    })
    .join('')
}

function path(
  times: readonly number[],
  values: readonly number[],
  end: number,
  y: (value: number) => string,
): string {
  const size = Math.max(1, Math.ceil(times.length / MAX_POINTS))
  const points: string[] = []
  for (let at = 0; at < times.length; at += size) {
    const part = values.slice(at, at + size)
    const mean = part.reduce((sum, value) => sum + value, 0) / part.length
    points.push(`${x(times[at]!, end)} ${y(mean)}`)
  }
  return `M${points.join('L')}`
}

function timeAxis(end: number, height: number): string {
  const step = niceStep(end / 6)
  const y = height - BOTTOM + 18
  const ticks: string[] = []
  for (let time = 0; time <= end; time += step) {
    ticks.push(`<text class="small" x="${x(time, end)}" y="${y}" text-anchor="middle">${shown(time)}</text>`)
  }
  return `  ${ticks.join('')}
  <text class="small" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${y + 18}" text-anchor="middle">minutes</text>`
}

function x(time: number, end: number): string {
  return (LEFT + (time / end) * (WIDTH - RIGHT - LEFT)).toFixed(1)
}

/** 1, 2 or 5 times a power of ten, not below this. */
function niceStep(least: number): number {
  if (!(least > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= least)!
}

function shown(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 2 })
}
