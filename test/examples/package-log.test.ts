// A real log of 100,000 lines and more, piped through `millrace publish` into several subscribers, one of which is
// killed and resumed half-way: what they print is the file, to the byte.

import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import t from 'tap'
import { spawnCommand, startHubProcess, type HubProcess } from '../support/hub-process.ts'

const example = new URL('../../examples/package-log.ts', import.meta.url).pathname
const isDebian = existsSync('/var/lib/dpkg/info')
const TOPIC = 'logs/packages'
const LINES = 120_000

t.test(
  'a real log reaches each subscriber whole, one of them killed half-way',
  { skip: skipReason() },
  async t => {
    const log = await makeLog()
    t.equal(log.length, LINES)
    const hub = await startHubProcess(t)
    const whole = [subscribe(t, hub, [TOPIC]), subscribe(t, hub, ['logs/*'])]
    const first = subscribe(t, hub, [TOPIC])

    const publisher = spawnCommand(t, ['publish', TOPIC], hub.env)
    publisher.stderr!.resume()
    publisher.stdin!.end(log.map(line => `${line}\n`).join(''))

    const half = await first.read(Math.floor(log.length / 2))
    first.child.kill('SIGKILL')
    await once(first.child, 'exit')
    const second = subscribe(t, hub, [TOPIC], half.at(-1)!.id)
    const [all, fromPattern, rest] = await Promise.all([
      whole[0]!.read(log.length),
      whole[1]!.read(log.length),
      second.read(log.length - half.length),
    ])
    if (publisher.exitCode === null) await once(publisher, 'exit')
    t.equal(publisher.exitCode, 0, 'the publisher has nothing to complain about')

    const expected = checksum(log)
    t.equal(checksum(all.map(dataOf)), expected, 'a subscriber of the topic')
    t.equal(checksum(fromPattern.map(dataOf)), expected, 'a subscriber of a pattern')
    t.equal(checksum([...half, ...rest].map(dataOf)), expected, 'the one that was killed and resumed')
  },
)

interface Printed {
  readonly id: string
  readonly data: string
}

interface Subscriber {
  readonly child: ChildProcess
  /** The next so many events that it prints. */
  read(count: number): Promise<Printed[]>
}

function subscribe(
  t: Parameters<typeof spawnCommand>[0],
  hub: HubProcess,
  topics: string[],
  after = 'earliest',
): Subscriber {
  const child = spawnCommand(t, ['subscribe', ...topics, '--ndjson', '--after', after], hub.env)
  child.stderr!.resume()
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const read = async (count: number): Promise<Printed[]> => {
    const events: Printed[] = []
    while (events.length < count) {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`the subscriber ended after ${events.length} of ${count} events`)
      events.push(JSON.parse(value) as Printed)
    }
    return events
  }
  return { child, read }
}

async function makeLog(): Promise<string[]> {
  const child = spawn(process.execPath, [example], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === LINES) break
  }
  child.kill()
  return lines
}

function checksum(lines: readonly string[]): string {
  const sum = createHash('sha256')
  for (const line of lines) sum.update(`${line}\n`)
  return sum.digest('hex')
}

function dataOf({ data }: Printed): string {
  return data
}

function skipReason(): string | false {
  if (isDebian || process.env.CI !== undefined) return false
  return 'there is no Debian package database here'
}
