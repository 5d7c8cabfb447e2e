// `millrace serve`: runs a hub until it is told to stop.

import type { Command } from 'commander'
import type { Config } from '../config/schema.ts'
import { banner } from './banner.ts'
import { stopOnSignals } from './signals.ts'

const EXAMPLES = `
Every option is also a key of the file and an environment variable: --max-body-bytes is maxBodyBytes and
MILLRACE_MAX_BODY_BYTES. Flags go before the environment, the environment before the file.

Examples:
  $ millrace serve --port 9444
  $ millrace serve --cert /etc/tls/hub.pem --key /etc/tls/hub.key
  $ millrace serve --no-tls --port 8080                # behind a proxy that terminates TLS
  $ MILLRACE_JWT_KEY=... millrace serve --host 0.0.0.0 --anonymous-receive 'public/**'
  $ MILLRACE_LOG_LEVEL=debug millrace serve --config hub.json

SIGTERM and SIGINT drain and end it, SIGHUP reads certificates and keys again.`

// The schema and Fastify take a while to load, and the other commands need neither.
export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('Run a hub.')
    .optionsGroup('General:')
    .helpOption('-h, --help', 'Print this help.')
    .option('--config <file>', 'Read options from a JSON file.')
    .addHelpText('after', EXAMPLES)
    .action(() => serve(command))
  program.hook('preSubcommand', async (_, chosen) => {
    if (chosen !== command) return
    const { serveFlags } = await import('./serve-flags.ts')
    for (const flag of serveFlags()) command.addOption(flag)
  })
}

async function serve(command: Command): Promise<void> {
  const { loadConfig } = await import('../config/load.ts')
  const config = loadConfig({ flags: givenFlags(command) })
  const { startServer } = await import('../server.ts')
  const server = await startServer(config)
  stopOnSignals(server)
  const { servesInspector, takesTokens } = await import('../config/check.ts')
  const text = banner({
    url: server.url,
    caFile: server.certificateAuthority,
    hasInspector: servesInspector(config),
    takesTokens: takesTokens(config),
  })
  announce(text, config)
}

// Where stdout carries JSON lines, it carries nothing else.
function announce(text: string, { logFormat }: Config): void {
  const isJson = logFormat === 'json' || (logFormat === 'auto' && !process.stdout.isTTY)
  const output = isJson ? process.stderr : process.stdout
  output.write(text)
}

function givenFlags(command: Command): Record<string, unknown> {
  const options = Object.entries(command.opts<Record<string, unknown>>())
  return Object.fromEntries(options.filter(([name]) => command.getOptionValueSource(name) === 'cli'))
}
