// `millrace serve`: runs a hub until it is told to stop.

import { Option, type Command } from 'commander'
import { flagName, unitOf } from '../config/option-names.ts'
import { loadConfig } from '../config/load.ts'
import { OPTION_NAMES, OPTIONS, type Config, type OptionName } from '../config/schema.ts'
import type { RunningServer } from '../server.ts'
import { banner } from './banner.ts'
import { stopOnSignals } from './signals.ts'

const EXAMPLES = `
Every option is also a key of the file and an environment variable: --max-body-bytes is maxBodyBytes and
MILLRACE_MAX_BODY_BYTES. Flags go before the environment, the environment before the file.

Examples:
  $ millrace serve --port 9444
  $ millrace serve --cert /etc/tls/hub.pem --key /etc/tls/hub.key
  $ millrace serve --no-tls --port 8080                # behind a proxy that terminates TLS and authenticates
  $ millrace serve --host 0.0.0.0 --anonymous-receive 'public/**'
  $ MILLRACE_LOG_LEVEL=debug millrace serve --config hub.json

SIGTERM and SIGINT drain and end it, SIGHUP reads the certificates again.`

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('Run a hub.')
    .optionsGroup('General:')
    .helpOption('-h, --help', 'Print this help.')
    .option('--config <file>', 'Read options from a JSON file.')
    .addHelpText('after', EXAMPLES)
  for (const name of OPTION_NAMES) for (const option of flagsOf(name)) command.addOption(option)
  command.action(() => serve(loadConfig({ flags: givenFlags(command) })))
}

async function serve(config: Config): Promise<void> {
  // Loaded here, so that the other commands start without Fastify.
  const { startServer } = await import('../server.ts')
  const server = await startServer(config)
  announce(config, server)
  stopOnSignals(server)
}

// Where stdout carries JSON lines, it carries nothing else.
function announce(config: Config, server: RunningServer): void {
  const isJson = config.logFormat === 'json' || (config.logFormat === 'auto' && !process.stdout.isTTY)
  const output = isJson ? process.stderr : process.stdout
  output.write(banner(server.url, server.certificateAuthority))
}

function flagsOf(name: OptionName): Option[] {
  const { group, type } = OPTIONS[name]
  if (type !== 'boolean') return [valueFlag(name).helpGroup(`${group}:`)]
  const negated = new Option(flagName(name).replace('--', '--no-'), OPTIONS[name].offDescription)
  // The plain flag only serves to overrule a file or the environment.
  return [negated.helpGroup(`${group}:`), new Option(flagName(name), '').hideHelp()]
}

function valueFlag(name: OptionName): Option {
  const option = new Option(`${flagName(name)} <${placeholderOf(name)}>`, helpOf(name))
  return OPTIONS[name].type === 'array' ? option.argParser(appended) : option
}

function appended(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value]
}

function placeholderOf(name: OptionName): string {
  const { placeholder, type } = OPTIONS[name]
  return placeholder ?? unitOf(name) ?? (type === 'integer' ? 'n' : name)
}

function helpOf(name: OptionName): string {
  const option = OPTIONS[name]
  const choices = option.enum ? ` One of ${option.enum.join(', ')}.` : ''
  const several = option.type === 'array' ? ' Comma-separated or repeated.' : ''
  const value = option.defaultNote?.replaceAll('`', '') ?? option.default
  return `${plain(option.description)}${choices}${several}${value === undefined ? '' : ` (${value})`}`
}

function plain(markdown: string): string {
  return markdown.replaceAll('`', '')
}

function givenFlags(command: Command): Record<string, unknown> {
  const options = Object.entries(command.opts<Record<string, unknown>>())
  return Object.fromEntries(options.filter(([name]) => command.getOptionValueSource(name) === 'cli'))
}
