// Draws curves as an SVG picture, panels below each other; readable on light and dark pages.

import { WIDTH, escaped, picture } from './svg.ts'

export interface Curve {
  readonly name: string
  /** As many as `at` has. */
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
  /** Where the values belong on the axis from left to right. */
  readonly at: readonly number[]
  readonly axis: Axis
  readonly panels: readonly Panel[]
}

export interface Axis {
  readonly title: string
  /** Steps are powers of ten. Default: false. */
  readonly isLogarithmic?: boolean
}

/** From a place on the axis to one in the picture. */
type Scale = (at: number) => string

const LEFT = 76
const RIGHT = 28
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

export function linePlot({ title, subtitle, at: places, axis, panels }: Plot): string {
  const height = TOP + panels.length * (PANEL + PANEL_GAP) - PANEL_GAP + 24 + BOTTOM
  const x = scaleOf(axis, places)
  const bodies = panels.map((panel, at) => panelBody(panel, places, x, TOP + 24 + at * (PANEL + PANEL_GAP)))
  return picture({
    title,
    subtitle,
    description: `${subtitle} Panels: ${panels.map(panel => panel.title).join(', ')}.`,
    height,
    light: LIGHT,
    dark: DARK,
    body: [...bodies, axisBody(axis, places, x, height)].join('\n'),
  })
}

function panelBody({ title, unit, curves }: Panel, places: readonly number[], x: Scale, top: number): string {
  const highest = Math.max(...curves.flatMap(curve => curve.values), 0)
  const step = niceStep(highest / 3)
  const ceiling = Math.max(step, Math.ceil(highest / step) * step)
  const y: Scale = value => (top + PANEL - (value / ceiling) * PANEL).toFixed(1)
  const grid = Array.from({ length: Math.round(ceiling / step) + 1 }, (_, at) => at * step).map(
    value =>
      `<path class="grid" d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}"/>` +
      `<text class="small" x="${LEFT - 8}" y="${Number(y(value)) + 4}" text-anchor="end">${shown(value)}</text>`,
  )
  const lines = curves.map(
    ({ values }, at) => `<path class="line c${at}" d="${path(places, values, x, y)}"/>`,
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

function path(places: readonly number[], values: readonly number[], x: Scale, y: Scale): string {
  const size = Math.max(1, Math.ceil(places.length / MAX_POINTS))
  const points: string[] = []
  for (let at = 0; at < places.length; at += size) {
    const part = values.slice(at, at + size)
    const mean = part.reduce((sum, value) => sum + value, 0) / part.length
    points.push(`${x(places[at]!)} ${y(mean)}`)
  }
  return `M${points.join('L')}`
}

function axisBody(axis: Axis, places: readonly number[], x: Scale, height: number): string {
  const y = height - BOTTOM + 18
  const ticks = ticksOf(axis, places).map(
    at => `<text class="small" x="${x(at)}" y="${y}" text-anchor="middle">${shown(at)}</text>`,
  )
  return `  ${ticks.join('')}
  <text class="small" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${y + 18}" text-anchor="middle">${escaped(axis.title)}</text>`
}

/** Linear ones begin at 0. */
function ticksOf({ isLogarithmic }: Axis, places: readonly number[]): number[] {
  const end = places.at(-1) ?? 1
  const ticks: number[] = []
  if (isLogarithmic) {
    for (let at = places[0] ?? 1; at <= end; at *= 10) ticks.push(at)
  } else {
    const step = niceStep(end / 6)
    for (let at = 0; at <= end; at += step) ticks.push(at)
  }
  return ticks
}

function scaleOf({ isLogarithmic }: Axis, places: readonly number[]): Scale {
  const share = isLogarithmic ? Math.log10 : Number
  const from = isLogarithmic ? share(places[0] ?? 1) : 0
  const through = share(places.at(-1) ?? 1)
  return at => (LEFT + ((share(at) - from) / (through - from || 1)) * (WIDTH - RIGHT - LEFT)).toFixed(1)
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
