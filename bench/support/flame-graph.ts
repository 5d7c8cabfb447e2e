// Draws a CPU profile as a flame graph: who called whom, and how much of the time each was on the stack.

import { label, type CallFrame, type Profile } from './cpu-profile.ts'
import { WIDTH, escaped, picture } from './svg.ts'

export interface FlameGraphOptions {
  readonly title: string
  readonly subtitle: string
  /** Samples between these moments, on the profile's clock. */
  readonly from: number
  readonly through: number
}

interface Box {
  readonly name: string
  readonly kind: Kind
  time: number
  readonly inner: Map<string, Box>
}

const KINDS = {
  ours: 'Millrace',
  library: 'Fastify and other packages',
  node: "Node's JavaScript",
  native: 'native code',
  garbage: 'garbage collection',
} as const
type Kind = keyof typeof KINDS

const SIDE = 20
const TOP = 92
const ROW = 17
const BOTTOM = 20
// Narrower boxes are left out.
const LEAST_SHARE = 0.002
const CHARACTER = 6.4

const COLORS: Readonly<Record<Kind, [light: string, dark: string]>> = {
  ours: ['#7fc8a9', '#2c7a5b'],
  library: ['#a9bff2', '#3d549c'],
  node: ['#f3c89b', '#8a5a2b'],
  native: ['#d5d9d7', '#4a5450'],
  garbage: ['#e8a3a3', '#8c3f3f'],
}

export function flameGraph(profile: Profile, options: FlameGraphOptions): string {
  const root = boxesOf(profile, options)
  const height = TOP + depthOf(root, root.time) * ROW + BOTTOM
  const fill = (at: 0 | 1): string =>
    Object.entries(COLORS)
      .map(([kind, colors]) => `.${kind} { fill: ${colors[at]} }`)
      .join(' ')
  return picture({
    title: options.title,
    subtitle: options.subtitle,
    description: describe(root),
    height,
    light: `${fill(0)} rect { stroke: #ffffff; stroke-width: 0.5 } .name { font-size: 11px }`,
    dark: `${fill(1)} rect { stroke: #101614 }`,
    body: [
      legend(),
      ...draw(root, { left: SIDE, top: TOP, scale: (WIDTH - 2 * SIDE) / root.time, whole: root.time }),
    ].join('\n'),
  })
}

function boxesOf(
  { nodes, samples, timeDeltas, startTime }: Profile,
  { from, through }: FlameGraphOptions,
): Box {
  const byId = new Map(nodes.map(node => [node.id, node]))
  const parents = new Map(
    nodes.flatMap(({ id, children = [] }) => children.map(child => [child, id] as const)),
  )
  const stacks = new Map<number, CallFrame[]>()
  const stackOf = (id: number): CallFrame[] => {
    const known = stacks.get(id)
    if (known !== undefined) return known
    const parent = parents.get(id)
    // The root itself is in all of them.
    const stack = parent === undefined ? [] : [...stackOf(parent), byId.get(id)!.callFrame]
    stacks.set(id, stack)
    return stack
  }
  const root: Box = { name: 'all', kind: 'native', time: 0, inner: new Map() }
  let now = startTime
  for (const [at, id] of samples.entries()) {
    const time = timeDeltas[at]!
    now += time
    if (now < from || now > through || byId.get(id)!.callFrame.functionName === '(idle)') continue
    addStack(root, stackOf(id), time)
  }
  return root
}

function addStack(root: Box, stack: readonly CallFrame[], time: number): void {
  let box = root
  box.time += time
  for (const frame of stack) {
    const name = label(frame)
    let inner = box.inner.get(name)
    if (inner === undefined)
      box.inner.set(name, (inner = { name, kind: kindOf(frame), time: 0, inner: new Map() }))
    inner.time += time
    box = inner
  }
}

function kindOf({ functionName, url }: CallFrame): Kind {
  if (functionName === '(garbage collector)') return 'garbage'
  if (url === '') return 'native'
  if (url.startsWith('node:')) return 'node'
  return url.includes('/node_modules/') ? 'library' : 'ours'
}

/** In rows. */
function depthOf({ time, inner }: Box, whole: number): number {
  if (time < whole * LEAST_SHARE) return 0
  return 1 + Math.max(0, ...[...inner.values()].map(each => depthOf(each, whole)))
}

interface Place {
  readonly left: number
  readonly top: number
  /** From microseconds. */
  readonly scale: number
  readonly whole: number
}

function draw({ name, kind, time, inner }: Box, { left, top, scale, whole }: Place): string[] {
  if (time < whole * LEAST_SHARE) return []
  const width = time * scale
  const fitting = Math.floor((width - 6) / CHARACTER)
  const text =
    fitting < 4
      ? ''
      : `<text class="name" x="${(left + 3).toFixed(1)}" y="${top + 12}">${escaped(cut(name, fitting))}</text>`
  const lines = [
    `<g><title>${escaped(name)}: ${((time / whole) * 100).toFixed(1)}%</title><rect class="${kind}" x="${left.toFixed(1)}" y="${top}" width="${width.toFixed(1)}" height="${ROW - 1}"/>${text}</g>`,
  ]
  let x = left
  for (const each of [...inner.values()].toSorted((a, b) => b.time - a.time)) {
    lines.push(...draw(each, { left: x, top: top + ROW, scale, whole }))
    x += each.time * scale
  }
  return lines
}

function cut(name: string, length: number): string {
  return name.length <= length ? name : `${name.slice(0, length - 1)}…`
}

function legend(): string {
  let left = SIDE
  const keys = Object.entries(KINDS).map(([kind, name]) => {
    const key = `<rect class="${kind}" x="${left}" y="62" width="12" height="12"/><text class="small" x="${left + 17}" y="72">${name}</text>`
    left += name.length * 6.6 + 36
    return key
  })
  return `  ${keys.join('')}`
}

/** How the time divides, for those who do not see the picture. */
function describe(root: Box): string {
  const own = new Map<Kind, number>()
  const add = ({ kind, time, inner }: Box): void => {
    const called = [...inner.values()]
    const itself = time - called.reduce((sum, each) => sum + each.time, 0)
    own.set(kind, (own.get(kind) ?? 0) + itself)
    called.forEach(add)
  }
  add(root)
  const parts = [...own].toSorted(([, one], [, other]) => other - one)
  return (
    parts.map(([kind, time]) => `${KINDS[kind]} ${((time / root.time) * 100).toFixed(0)}%`).join(', ') + '.'
  )
}
