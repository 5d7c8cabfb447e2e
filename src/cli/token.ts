// `millrace token`: mints and explains tokens, and makes API keys.

import { InvalidArgumentError, Option, type Command } from 'commander'
import { ALGORITHMS } from '../auth/algorithms.ts'
import { patternsFault } from '../auth/claims.ts'
import { usageFailure } from './failure.ts'
import type { ExplainFlags, KeyFlags, MintFlags } from './token-work.ts'

const EXAMPLES = `
A token (JWT) says what its holder may publish and receive, and is signed: the hub needs only the key. An API key is
for a backend: the hub keeps its hash in a file, and forgets it when it is taken out of there.

The key that signs is MILLRACE_JWT_KEY or in --key-file: a secret of at least 32 bytes, or a private key as PEM or
JWK. Neither keys nor tokens are given on the command line, where others see them.

Examples:
  $ export MILLRACE_JWT_KEY=$(openssl rand -base64 48)
  $ millrace token mint --receive 'orders/**' --subject ann --expires 15m
  $ MILLRACE_TOKEN=$(millrace token mint --publish '**') millrace publish orders/42 paid
  $ millrace token explain < token.txt
  $ millrace token key billing --publish 'orders/**' --file keys.json`

const NO_ARGUMENT =
  'a token is no argument, which others see (ps) and the shell keeps: give it by stdin, --token-file or MILLRACE_TOKEN'

export function addTokenCommand(program: Command): void {
  const command = program
    .command('token')
    .description('Mint and explain tokens, make API keys.')
    .addHelpText('after', EXAMPLES)
  withGrant(command.command('mint').description('Print a token.'))
    .addOption(
      list(
        '--mercure-publish <topics>',
        'a topic, URI template or * that it may publish to by Mercure; repeated for more',
        topics,
      ),
    )
    .addOption(list('--mercure-subscribe <topics>', 'the same, of private updates that it may read', topics))
    .option('--subject <name>', 'whose it is (`sub`)')
    .addOption(
      new Option('--expires <time>', 'how long it lives: 90s, 15m, 12h, 30d')
        .argParser(parseSpan)
        .default(3600, '1h'),
    )
    .option('--issuer <text>', '`iss`')
    .option('--audience <text>', '`aud`')
    .option('--key-file <file>', 'the key that signs (MILLRACE_JWT_KEY)')
    .option('--key-id <id>', '`kid`, which key of a set it is')
    .option('--algorithm <name>', 'how it is signed (what fits the key; HS256 for a secret)', parseAlgorithm)
    .action(async (flags: MintFlags) => (await work()).mint(flags))
  command
    .command('explain')
    .description('Say what a token holds, and with its key whether it is good.')
    .usage('[options] < token')
    .option('--token-file <file>', 'where the token is (stdin, MILLRACE_TOKEN_FILE, MILLRACE_TOKEN)')
    .option('--key-file <file>', 'what it is verified with (MILLRACE_JWT_KEY)')
    // To say what to do instead, rather than that there are too many.
    .allowExcessArguments()
    .action(async (flags: ExplainFlags, { args }: Command) => {
      if (args.length > 0) throw usageFailure(NO_ARGUMENT)
      await (await work()).explain(flags)
    })
  withGrant(command.command('key').description('Make an API key: print it once, and keep its hash.'))
    .argument('<name>', 'whose it is, such as billing')
    .requiredOption(
      '--file <file>',
      'where its hash is kept: --api-keys-file of the hub; made if it is not there',
    )
    .option('--expires <time>', 'how long it lives: 12h, 30d (for ever)', parseSpan)
    .action(async (name: string, flags: KeyFlags) => (await work()).addKey(name, flags))
}

// What it takes to sign takes a while to load, and the other commands need none of it.
function work(): Promise<typeof import('./token-work.ts')> {
  return import('./token-work.ts')
}

function withGrant(command: Command): Command {
  return command
    .addOption(list('--publish <patterns>', 'what it may publish to; comma-separated or repeated', patterns))
    .addOption(list('--receive <patterns>', 'what it may receive; comma-separated or repeated', patterns))
    .addOption(list('--presence <patterns>', 'of which topics it may see who follows them', patterns))
    .option('--admin', 'it may see what is for those who run the hub, such as /metrics')
}

function list(flags: string, description: string, add: typeof topics): Option {
  return new Option(flags, description).argParser(add).default([], 'none')
}

function patterns(text: string, previous: readonly string[]): readonly string[] {
  const added = text.split(',').map(item => item.trim())
  const fault = patternsFault(added)
  if (fault !== undefined) throw new InvalidArgumentError(`It ${fault}.`)
  return [...previous, ...added]
}

function topics(text: string, previous: readonly string[]): readonly string[] {
  return [...previous, text]
}

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

function parseSpan(text: string): number {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  if (amount === undefined)
    throw new InvalidArgumentError('It takes a number and a unit: 90s, 15m, 12h, 30d.')
  return Number(amount) * SECONDS[unit as keyof typeof SECONDS]
}

function parseAlgorithm(text: string): string {
  if ((ALGORITHMS as readonly string[]).includes(text)) return text
  throw new InvalidArgumentError(`It is one of ${ALGORITHMS.join(', ')}.`)
}
