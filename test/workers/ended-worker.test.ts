// Workers end under load, one after the other: clients are cut off and resume, nothing is lost or repeated, and publishing
// goes on.

import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import t, { type Test } from 'tap'
import { answerTo } from '../support/http2-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { crashWorker, workerIsBack } from '../support/workers.ts'

const PUBLISHERS = 6
const FOLLOWERS = 8
const SECOND_MS = 1000

// On a machine that does other things as well; it takes some tens of milliseconds.
const MOST_MS_WITHOUT_AN_ANSWER = 5000

t.test('workers that end under load cost their clients a reconnect, and nobody an event', async t => {
  t.setTimeout(90_000)
  const hub = await startHub(t, { workers: 2, retryMs: 10 })
  const followers = Array.from({ length: FOLLOWERS }, () => new Follower(t, hub))
  for (const follower of followers) await follower.opened
  const publishers = Array.from({ length: PUBLISHERS }, (_, lane) => new Publisher(t, hub, lane))
  for (const name of ['worker-1', 'worker-2', 'worker-1']) {
    await sleep(SECOND_MS)
    await crashWorker(name)
    await workerIsBack(hub, name)
  }
  await sleep(SECOND_MS)
  const sent = (await Promise.all(publishers.map(publisher => publisher.stop()))).flat()
  t.same(
    publishers.flatMap(({ refusals }) => refusals),
    [],
    'nothing was refused',
  )
  const longest = Math.max(...publishers.map(({ longestMs }) => longestMs))
  t.ok(longest < MOST_MS_WITHOUT_AN_ANSWER, `the longest time without an answer: ${longest.toFixed()} ms`)
  for (const follower of followers) await follower.has(sent.length)
  const [one, ...others] = followers
  t.same(one!.received.toSorted(), sent.toSorted(), 'all that was answered, each once')
  for (const { received } of others) t.same(received, one!.received, 'in one order')
  t.same(
    followers.flatMap(({ gaps }) => gaps),
    [],
  )
  const cuts = followers.reduce((sum, { connections }) => sum + connections - 1, 0)
  t.ok(cuts > 0, `streams were cut ${cuts} times`)
  t.comment(`${sent.length} events, ${cuts} cuts, at most ${longest.toFixed()} ms without an answer`)
})

/** Connects again whenever it is cut off, until the test ends. */
abstract class Client {
  connections = 0
  readonly #hub: TestHub
  #session: ClientHttp2Session | undefined
  protected hasEnded = false

  constructor(t: Test, hub: TestHub) {
    this.#hub = hub
    t.teardown(() => {
      this.hasEnded = true
      this.#session?.destroy()
    })
  }

  protected session(): ClientHttp2Session {
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
      this.connections++
      this.#session = connect(this.#hub.url, { ca: this.#hub.ca }).on('error', () => {})
    }
    return this.#session
  }
}

/** One event after the other, each repeated under its key until it is answered. */
class Publisher extends Client {
  readonly refusals: string[] = []
  longestMs = 0
  readonly #lane: number
  readonly #running: Promise<string[]>
  #isStopping = false

  constructor(t: Test, hub: TestHub, lane: number) {
    super(t, hub)
    this.#lane = lane
    this.#running = this.#run()
  }

  /** Resolves with all that it has sent, when all is answered. */
  stop(): Promise<string[]> {
    this.#isStopping = true
    return this.#running
  }

  async #run(): Promise<string[]> {
    const sent: string[] = []
    while (!this.#isStopping && !this.hasEnded) {
      const data = `${this.#lane}-${sent.length}`
      const startedAt = performance.now()
      while (!(await this.#post(data))) await sleep(5)
      this.longestMs = Math.max(this.longestMs, performance.now() - startedAt)
      sent.push(data)
    }
    return sent
  }

  async #post(data: string): Promise<boolean> {
    try {
      const head = { ':method': 'POST', ':path': `/topics/t/${this.#lane}`, 'idempotency-key': data }
      const stream = this.session().request({ ...head, 'content-type': 'text/plain' })
      stream.on('error', () => {}).end(data)
      const { status, text } = await answerTo(stream)
      if (status !== 201) this.refusals.push(`${status} ${text}`)
      return status === 201
    } catch {
      return false
    }
  }
}

/** Follows everything, and resumes. */
class Follower extends Client {
  readonly received: string[] = []
  readonly gaps: string[] = []
  readonly opened: Promise<void>
  #lastId: string | undefined

  constructor(t: Test, hub: TestHub) {
    super(t, hub)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.opened = promise
    void this.#run(resolve)
  }

  async has(count: number): Promise<void> {
    while (this.received.length < count) await sleep(5)
  }

  async #run(onOpen: () => void): Promise<void> {
    while (!this.hasEnded) {
      const cursor = this.#lastId === undefined ? {} : { 'last-event-id': this.#lastId }
      const path = '/feed?topic=**'
      const stream = this.session().request({ ':path': path, accept: 'text/event-stream', ...cursor })
      const parser = createParser({ onEvent: event => this.#take(event, onOpen) })
      stream.setEncoding('utf8').on('data', (text: string) => parser.feed(text))
      stream.on('error', () => {})
      await once(stream, 'close')
    }
  }

  #take(event: EventSourceMessage, onOpen: () => void): void {
    if (event.id !== undefined) this.#lastId = event.id
    if (event.event === 'millrace:open') return onOpen()
    if (event.event === 'millrace:gap') return void this.gaps.push(event.data)
    if (event.event === undefined) this.received.push((JSON.parse(event.data) as { data: string }).data)
  }
}
