// What every benchmark does around its measuring: options, certificates, what it prints, and how it ends.

import { readFileSync } from 'node:fs'
import { machineLine, machineWarnings, onMachine, type Machine } from './machine.ts'
import { openTrust, type Trust } from './trust.ts'

/** How often one figure is another's, both from the same run. */
export interface Ratio {
  /** Such as `paced: server CPU, us a delivery`. */
  readonly figure: string
  /** Whose figure it is divided by. */
  readonly by: string
  readonly value: number
}

export interface Outcome {
  /** What is printed as a table. */
  readonly text: string
  /** What is printed as JSON. */
  readonly results: object
  readonly ratios?: readonly Ratio[]
  /** What makes the run void. */
  readonly faults: readonly string[]
}

/** What `--json` prints, and what a benchmark tells the process that started it. */
export interface Record extends Omit<Outcome, 'text'> {
  readonly machine: Machine
}

interface CommonValues {
  readonly help: boolean
  readonly json: boolean
}

export async function benchmark(
  usage: string,
  { help, json }: CommonValues,
  measure: (trust: Trust) => Promise<Outcome>,
): Promise<void> {
  // 'exit' listeners end the servers and remove their files.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  if (help) {
    console.log(usage)
    return
  }
  const trust = await openTrust()
  try {
    const [{ text, ...found }, machine] = await onMachine(() => measure(trust))
    const record: Record = { machine, ...found }
    if (json) console.log(JSON.stringify(record))
    else console.log([methodOf(process.argv[1]!), '', machineLine(machine), text].join('\n'))
    for (const line of [...found.faults, ...machineWarnings(machine)]) console.error(line)
    process.send?.(record)
    if (found.faults.length > 0) process.exitCode = 1
  } finally {
    await trust.remove()
  }
}

/** The number that an option has; throws with the usage if it is none, or not positive. */
export function positive(text: string, usage: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`${text} is not a positive number\n${usage}`)
  return value
}

/** The comment at the top of a benchmark's file. */
export function methodOf(file: string): string {
  const lines = readFileSync(file, 'utf8').split('\n')
  const end = lines.findIndex(line => !line.startsWith('//'))
  return lines
    .slice(0, end)
    .map(line => line.replace(/^\/\/ ?/, ''))
    .join('\n')
}
