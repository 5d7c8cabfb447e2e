// `millrace subscribe`: prints events as they come, through reconnects, each once.

import { InvalidArgumentError, type Command } from 'commander'
import { DEFAULT_CA_FILE, DEFAULT_URL } from '../config/client.ts'
import { isPattern } from '../topic-pattern.ts'
import { CursorFile } from './cursor-file.ts'
import { EventPrinter } from './event-printer.ts'
import { usageFailure } from './failure.ts'
import { feedPath, openHubClient, topicPath } from './hub-client.ts'
import { parseSeconds } from './seconds.ts'
import { Subscription } from './subscription.ts'

interface SubscribeFlags {
  readonly url?: string
  readonly cacert?: string
  readonly tokenFile?: string
  readonly after?: string
  readonly feed?: boolean
  readonly ndjson?: boolean
  readonly dataOnly?: boolean
  readonly count?: number
  readonly cursor?: string
  readonly failOnGap?: boolean
  readonly giveUpAfter: number
  readonly quiet?: boolean
}

const GAP_EXIT_CODE = 3

const EXAMPLES = `
One topic prints its data. Several topics or a pattern print topic, tab, data; '*' stands for one segment of a topic,
'**' at the end for any number. With --ndjson each event is one line of JSON:
{"id":"...","topic":"orders/42","type":"order","time":"2026-11-22T17:00:00.000Z","data":{"state":"paid"}}
"id" is null for a topic's state, which is handed to new subscribers first; "type" is left out of untyped events.

After a lost connection it resumes behind the last event it printed. With --cursor FILE it does so after a restart too.

Examples:
  $ millrace subscribe orders/42
  $ millrace subscribe 'orders/**' alerts --ndjson | jq .data
  $ millrace subscribe logs/app --after earliest --count 100
  $ millrace subscribe 'audit/**' --ndjson --cursor audit.cursor >> audit.ndjson

Exit codes: 0 ended by --count, a signal or a closed pipe, 1 refused, 2 usage, 3 events were lost (--fail-on-gap).`

export function addSubscribeCommand(program: Command): void {
  program
    .command('subscribe')
    .description('Print the events of topics and patterns.')
    .argument('<topics...>', "such as orders/42 or 'orders/**'; quote patterns")
    .option('--after <id>', "start behind this event, or with the 'earliest' there is")
    .option('--ndjson', 'print one line of JSON an event')
    .option('--data-only', 'print data without topics')
    .option('--count <n>', 'end after so many events', parseCount)
    .option('--cursor <file>', 'keep the last id in a file and resume from it')
    .option('--feed', 'use /feed for a single topic too')
    .option('--fail-on-gap', `exit with ${GAP_EXIT_CODE} if events were lost`)
    .option('--give-up-after <seconds>', 'end when it cannot connect for so long; 0: never', parseSeconds, 0)
    .option('--quiet', 'say nothing but errors and losses')
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
    .action((topics: string[], flags: SubscribeFlags) => subscribe(topics, flags))
}

async function subscribe(topics: readonly string[], flags: SubscribeFlags): Promise<void> {
  const isFeed = needsFeed(topics, flags)
  const cursor = flags.cursor === undefined ? undefined : new CursorFile(flags.cursor)
  const printer = new EventPrinter(process.stdout, formatOf(isFeed, flags), flags.count)
  const subscription = new Subscription(openHubClient(flags), {
    path: isFeed ? feedPath(topics) : topicPath(topics[0]!),
    resumeFrom: cursor?.id,
    after: flags.after,
    giveUpAfterMs: flags.giveUpAfter * 1000,
    print: events => printer.print(events),
    onPosition: id => cursor?.set(id),
    notice: text => notice(text),
    trouble: text => flags.quiet === true || notice(text),
  })
  stopOnSignals(subscription)
  try {
    await subscription.run()
  } finally {
    cursor?.save()
  }
  process.exit(subscription.hasGap && flags.failOnGap === true ? GAP_EXIT_CODE : 0)
}

// Only a feed says which topic an event is of and when it was published.
function needsFeed(topics: readonly string[], flags: SubscribeFlags): boolean {
  if (flags.ndjson === true && flags.dataOnly === true)
    throw usageFailure('give either --ndjson or --data-only')
  return flags.feed === true || flags.ndjson === true || topics.length > 1 || topics.some(isPattern)
}

function formatOf(isFeed: boolean, flags: SubscribeFlags): 'data' | 'feed-data' | 'topic-data' | 'ndjson' {
  if (flags.ndjson === true) return 'ndjson'
  if (!isFeed) return 'data'
  return flags.dataOnly === true ? 'feed-data' : 'topic-data'
}

function stopOnSignals(subscription: Subscription): void {
  process.once('SIGINT', () => subscription.stop())
  process.once('SIGTERM', () => subscription.stop())
}

function notice(text: string): void {
  process.stderr.write(`millrace: ${text}\n`)
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It takes an integer from 1.')
}
