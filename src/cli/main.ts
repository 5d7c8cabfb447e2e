#!/usr/bin/env -S node --max-semi-space-size=8
// The `millrace` command: its subcommands, and how a failed one ends.

import { Command, type CommanderError } from 'commander'
import { packageVersion } from '../version.ts'
import { addDoctorCommand } from './doctor.ts'
import { exitCodeOf, explain } from './failure.ts'
import { addPublishCommand } from './publish.ts'
import { addServeCommand } from './serve.ts'
import { addSubscribeCommand } from './subscribe.ts'
import { addTokenCommand } from './token.ts'

// Shells and scripts tell a mistyped command line from a failed run by this code.
const USAGE_EXIT_CODE = 2

const program = new Command('millrace')
  .description('A push hub: plain REST POST in, Server-Sent Events out, exact resume.')
  .version(packageVersion, '--version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .exitOverride(endUsage)
  .showHelpAfterError('(--help lists what there is)')
  .addHelpText('after', examples())

addServeCommand(program)
addPublishCommand(program)
addSubscribeCommand(program)
addDoctorCommand(program)
addTokenCommand(program)

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`millrace: ${explain(error)}\n`)
  process.exit(exitCodeOf(error))
}

function endUsage(error: CommanderError): never {
  process.exit(error.exitCode === 0 ? 0 : USAGE_EXIT_CODE)
}

function examples(): string {
  return `
Examples:
  $ millrace serve                              # https://localhost:9443, certificates made at the first start
  $ millrace subscribe 'orders/**'              # in a second terminal
  $ millrace publish orders/42 shipped          # in a third
  $ tail -f app.log | millrace publish logs/app # a line an event
  $ millrace doctor data                        # is the log on disk sound, and what does it hold
  $ millrace token mint --receive 'orders/**'   # a token, where the hub asks for one

\`millrace COMMAND --help\` tells more.`
}
