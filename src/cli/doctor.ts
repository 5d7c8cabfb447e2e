// `millrace doctor`: examines a log on disk, and says what it holds and what is wrong with it.

import type { Command } from 'commander'
import type { Examination, Holdings } from '../log/sqlite/examine.ts'
import { formatId } from '../protocol/ids.ts'
import { Failure } from './failure.ts'

const EXAMPLES = `
It reads all of the file and changes nothing; a hub may use it meanwhile. Exit code 0: no fault, 1: faults.

Examples:
  $ millrace doctor data
  $ millrace doctor /var/lib/millrace --json | jq .faults`

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('Examine a log on disk.')
    .argument('[dir]', 'the directory of the log, as in --log sqlite:DIR', 'data')
    .helpOption('-h, --help', 'Print this help.')
    .option('--json', 'Print one JSON object.')
    .addHelpText('after', EXAMPLES)
    .action((directory: string, options: { json?: boolean }) => doctor(directory, options.json === true))
}

async function doctor(directory: string, isJson: boolean): Promise<void> {
  const { examine } = await import('../log/sqlite/examine.ts')
  // Whoever copies the value of --log means its directory.
  const examination = examine(directory.replace(/^sqlite:/, ''))
  process.stdout.write(isJson ? `${JSON.stringify(examination)}\n` : report(examination))
  const { length } = examination.faults
  if (length > 0) throw new Failure(`${length} fault${length > 1 ? 's' : ''} in ${examination.file}`)
}

function report({ file, fileBytes, walBytes, isInUse, holds, faults, notes }: Examination): string {
  const lines = [`${file}: ${size(fileBytes)}${isInUse ? ', in use by a hub' : ''}`]
  if (walBytes > 0) lines.push(`  ${size(walBytes)} more in the write-ahead log`)
  if (holds !== undefined) lines.push(...holdingLines(holds))
  for (const note of notes) lines.push(`note: ${note}`)
  for (const fault of faults) lines.push(`FAULT: ${fault}`)
  if (faults.length === 0) lines.push('No fault found.')
  return `${lines.join('\n')}\n`
}

function holdingLines(holds: Holdings): string[] {
  const { events, topics, states, keys, losses, epoch, head, oldest, newest, unusedBytes } = holds
  return [
    `  ${count(events, 'event')} of ${count(topics, 'topic')}, ${count(states, 'state')}, ${count(keys, 'idempotency key')}`,
    ...(oldest === undefined || newest === undefined
      ? []
      : [`  from ${moment(oldest)} to ${moment(newest)}`]),
    `  newest id ${formatId(epoch, head)}; ${count(losses, 'event')} left the log by its limits`,
    `  ${size(unusedBytes)} unused`,
  ]
}

function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`
}

function moment(time: number): string {
  return new Date(time).toISOString()
}

function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, bytes === 0 ? 0 : Math.floor(Math.log2(bytes) / 10))
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
