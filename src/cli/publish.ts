// `millrace publish`: publishes arguments, a file's lines or stdin's, each exactly once.

import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { DEFAULT_CA_FILE, DEFAULT_URL } from '../config/client.ts'
import { BatchSender, PartialFailure } from './batch-sender.ts'
import { batchesOf, type Batch } from './batches.ts'
import { Failure, usageFailure } from './failure.ts'
import { openHubClient, type HubClient } from './hub-client.ts'
import { PublishProgress } from './publish-progress.ts'
import { encodingOf, linesOf } from './publish-input.ts'
import { parseSeconds } from './seconds.ts'

export interface PublishFlags {
  readonly url?: string
  readonly cacert?: string
  readonly tokenFile?: string
  readonly type?: string
  readonly json?: boolean
  readonly ndjson?: boolean
  readonly file?: string
  readonly key?: string
  readonly giveUpAfter: number
  readonly quiet?: boolean
}

const EXAMPLES = `
Each DATA is one event. Without DATA, each line of stdin (or of --file) is one; lines end at LF or CRLF.
With --ndjson and no TOPIC, each line names its own: {"topic":"orders/42","data":{"state":"paid"},"type":"order"}

Lines travel in batches that carry an Idempotency-Key, one at a time: order is kept, and a batch whose answer was
lost is sent again without publishing a line twice. After an interruption, the same input under the same --key
publishes what was missing.

Examples:
  $ millrace publish news 'Hello, world'
  $ millrace publish orders/42 --json '{"state":"paid"}' --type order
  $ tail -f app.log | millrace publish logs/app
  $ millrace publish --ndjson --file events.ndjson --key import-2026-11-22

Exit codes: 0 all published, 1 refused or given up (the message says how far it got), 2 usage, 130 interrupted.`

export function addPublishCommand(program: Command): void {
  program
    .command('publish')
    .description('Publish events: arguments, a file or stdin.')
    .argument('[topic]', 'where to publish, such as orders/42')
    .argument('[data...]', 'the events; quote each')
    .option('--type <name>', 'name the events, for clients that listen to this name')
    .option('--json', 'the data is JSON rather than text')
    .option('--ndjson', 'read lines of JSON: data with a TOPIC, {"topic","data","type"} without')
    .option('--file <file>', 'read lines from a file instead of stdin (-)')
    .option('--key <prefix>', 'begin Idempotency-Keys so, to repeat this very input safely (random)')
    .option('--give-up-after <seconds>', 'try for so long without progress; 0: for ever', parseSeconds, 60)
    .option('--quiet', 'say nothing but errors')
    .option('--url <url>', `where the hub is (MILLRACE_URL, ${DEFAULT_URL})`)
    .option(
      '--cacert <file>',
      `the CA of its certificate (MILLRACE_CACERT, ${DEFAULT_CA_FILE} if there is one)`,
    )
    .option(
      '--token-file <file>',
      'where the token is that the hub asks for (MILLRACE_TOKEN_FILE; MILLRACE_TOKEN is the token itself)',
    )
    .addHelpText('after', EXAMPLES)
    .action((topic: string | undefined, data: string[], flags: PublishFlags) => publish(topic, data, flags))
}

async function publish(topic: string | undefined, data: string[], flags: PublishFlags): Promise<void> {
  const encoding = encodingOf(topic, flags)
  const lines = linesOf(topic, data, flags)
  const client = openHubClient(flags)
  const progress = new PublishProgress(flags.quiet === true)
  process.once('SIGINT', () => interrupted(progress))
  const sender = new BatchSender(client, {
    ...encoding,
    keyPrefix: checkedKey(flags.key ?? randomUUID()),
    giveUpAfterMs: flags.giveUpAfter * 1000,
    onTrouble: reason => progress.trouble(reason),
  })
  try {
    await sendAll(sender, batchesOf(lines, limitsOf(flags)), progress)
  } catch (error) {
    throw withSummary(error, progress)
  }
  progress.finish()
  leave(client)
}

async function sendAll(
  sender: BatchSender,
  batches: AsyncIterable<Batch>,
  progress: PublishProgress,
): Promise<void> {
  for await (const batch of batches) progress.kept(await sender.send(batch))
}

// With a chosen key, the same input must make the same batches: they are cut by size alone, not by time.
function limitsOf(flags: PublishFlags): { maxLines: number; maxBytes: number; lingerMs: number } {
  return { maxLines: 500, maxBytes: 262_144, lingerMs: flags.key === undefined ? 100 : Infinity }
}

function checkedKey(prefix: string): string {
  if (/^[\w.:-]{1,64}$/.test(prefix)) return prefix
  throw usageFailure('--key takes 1 to 64 letters, digits and ._:-')
}

function withSummary(error: unknown, progress: PublishProgress): unknown {
  if (error instanceof PartialFailure) progress.keptLines(error.published)
  return error instanceof Failure
    ? new Failure(`${error.message}. ${progress.summary()}`, error.exitCode)
    : error
}

function interrupted(progress: PublishProgress): never {
  process.stderr.write(`millrace: interrupted. ${progress.summary()}, a last batch perhaps besides\n`)
  process.exit(130)
}

// Stdin may still be open, as when a terminal is: nothing is left to wait for.
function leave({ agent }: HubClient): void {
  void agent.destroy()
  process.exit(0)
}
