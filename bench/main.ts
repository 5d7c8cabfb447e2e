// `npm run bench`: one door to all benchmarks. Runs scenarios by name, gathers what they found as JSON, draws the
// fan-out's figures, and, as a smoke test, holds its ratios against floors.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import type { Record } from './support/benchmark.ts'
import { fanOutPicture } from './support/fan-out-picture.ts'
import { scenarios, smokeTest, usual, withArguments, type Scenario } from './support/scenarios.ts'
import { missed } from './support/smoke.ts'

/** What `--json` writes: each scenario's name, arguments, machine, ratios and results. */
export interface ScenarioRecord extends Record {
  readonly name: string
  readonly args: readonly string[]
}

interface Options {
  readonly list?: true
  readonly smoke?: true
  readonly json?: string
  readonly svg?: string
  readonly from?: string
}

const program = new Command('npm run bench --')
  .description('Runs benchmarks by name; without one, those that show the fan-out beside other servers.')
  .argument('[scenarios...]', 'names; options that stand behind the last go to each of them (see --list)')
  .option('--list', 'tell which scenarios there are')
  .option('--json <file>', 'write what was found there')
  .option('--svg <file>', 'draw the figures of the fan-out there')
  .option('--from <file>', 'take the JSON of an earlier run instead of running')
  .option('--smoke', 'half a minute: fail when a ratio is far from what it should be')
  .allowUnknownOption()
  .parse()

await main(program.opts<Options>(), program.args)

async function main(options: Options, given: readonly string[]): Promise<void> {
  if (options.list) {
    console.log(listed())
    return
  }
  const records = options.from === undefined ? await runAll(chosen(options, given)) : await read(options.from)
  if (options.json !== undefined) await writeFile(options.json, JSON.stringify(records, undefined, 1) + '\n')
  if (options.svg !== undefined) await writeFile(options.svg, fanOutPicture(records))
  if (options.smoke) hold(records)
}

function listed(): string {
  const lines = scenarios.flatMap(({ name, file, args, about, minutes }) => [
    `${(usual.includes(name) ? `${name} *` : name).padEnd(18)}${about} (${minutes} min)`,
    `${' '.repeat(18)}${['node', `bench/${file}`, ...args].join(' ')}`,
  ])
  return [...lines, '* runs when none is named'].join('\n')
}

function chosen({ smoke }: Options, given: readonly string[]): readonly Scenario[] {
  if (smoke) return smokeTest
  const firstOption = given.findIndex(each => each.startsWith('-'))
  const names = firstOption === -1 ? given : given.slice(0, firstOption)
  const more = firstOption === -1 ? [] : given.slice(firstOption)
  return (names.length === 0 ? usual : names).map(name => withArguments(name, more))
}

async function runAll(all: readonly Scenario[]): Promise<ScenarioRecord[]> {
  const records: ScenarioRecord[] = []
  for (const scenario of all) {
    const { name, about, args } = scenario
    console.log(`\n== ${name}: ${about}\n`)
    const record = await run(scenario)
    if (record !== undefined) records.push({ name, args, ...record })
  }
  return records
}

/** In a process of its own: what it found, if it got so far. */
async function run({ file, args }: Scenario): Promise<Record | undefined> {
  const command = [join(import.meta.dirname, file), ...args]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  let record: Record | undefined
  child.on('message', message => void (record = message as Record))
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) process.exitCode = 1
  return record
}

async function read(file: string): Promise<ScenarioRecord[]> {
  return JSON.parse(await readFile(file, 'utf8')) as ScenarioRecord[]
}

function hold(records: readonly ScenarioRecord[]): void {
  const lines = missed(records)
  for (const line of lines) console.error(line)
  if (lines.length > 0) process.exitCode = 1
  else console.log('\nevery ratio is where it should be')
}
