// Where a profile (`node --cpu-prof`) says the time went: the functions with the most time of their own.

import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { label, type Profile } from './cpu-profile.ts'
import { figure, table } from './table.ts'

const SHOWN = 14
// In the order in which the hub starts them.
const threads = ['main thread', 'writer thread', 'reader thread']

export interface Profiling {
  /** For the hub's process. */
  readonly nodeFlags: readonly string[]
  /** Prints what took the time; to be called when the hub has ended. */
  report(): void
}

/** Profiles a hub into a directory of its own below this one; does nothing without one. */
export function profiling(parent: string | undefined, name: string): Profiling {
  if (parent === undefined) return { nodeFlags: [], report() {} }
  const directory = join(parent, name.replaceAll(/[^a-z0-9]+/g, '-'))
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  return {
    nodeFlags: ['--cpu-prof', `--cpu-prof-dir=${directory}`],
    report: () => console.log(`${name}\n${profileSummary(directory)}\n`),
  }
}

/** One table for each thread that left a profile in the directory. */
function profileSummary(directory: string): string {
  const files = readdirSync(directory).filter(name => name.endsWith('.cpuprofile'))
  const tables = files.toSorted().map(name => {
    const profile = JSON.parse(readFileSync(join(directory, name), 'utf8')) as Profile
    // CPU.<day>.<time>.<pid>.<thread>.<number>.cpuprofile
    const thread = Number(name.split('.')[4])
    return threadTable(threads[thread] ?? `thread ${thread}`, profile)
  })
  return tables.join('\n\n')
}

function threadTable(name: string, { nodes, samples, timeDeltas }: Profile): string {
  const labels = new Map(nodes.map(({ id, callFrame }) => [id, label(callFrame)]))
  const times = new Map<string, number>()
  let busy = 0
  for (const [at, id] of samples.entries()) {
    const place = labels.get(id)!
    if (place === '(idle)') continue
    busy += timeDeltas[at]!
    times.set(place, (times.get(place) ?? 0) + timeDeltas[at]!)
  }
  const top = [...times].toSorted(([, one], [, other]) => other - one).slice(0, SHOWN)
  return table(
    [`${name}, busy for ${figure(busy / 1e6, 1)} s`, '% of it'],
    top.map(([place, time]) => [`  ${place}`, figure((time / busy) * 100, 1)]),
  )
}
