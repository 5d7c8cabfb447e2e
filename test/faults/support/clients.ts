// The publisher and the subscribers of a test, as processes, and their journals.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { isMatch } from './checker.ts'
import type { FaultyHub } from './hub.ts'
import { readJournal } from './journal.ts'
import type { PublisherLine, PublisherOptions } from './publisher.ts'
import type { SubscriberLine, SubscriberOptions } from './subscriber.ts'

const PATIENCE_MS = 30_000

/** A process with a journal, which tells how far it is. Killed when the test ends. */
class Client<Line, News> {
  readonly name: string
  readonly journal: string
  #news: News | undefined
  readonly #script: string
  readonly #options: object
  #child: ChildProcess
  #stirred = Promise.withResolvers<void>()

  constructor(t: Test, hub: FaultyHub, name: string, script: string, options: object) {
    this.name = name
    this.journal = join(hub.root, `${name}.ndjson`)
    this.#script = fileURLToPath(new URL(script, import.meta.url))
    this.#options = { url: hub.url, caFile: hub.caFile, journal: this.journal, ...options }
    this.#child = this.#start()
    t.teardown(() => this.kill())
  }

  /** What the process told last. */
  get told(): News | undefined {
    return this.#news
  }

  lines(): Line[] {
    return readJournal<Line>(this.journal)
  }

  /** Resolves as soon as the process has told what fits. Rejects when it ends, or nothing is told for long. */
  async until(fits: (news: News) => boolean): Promise<void> {
    while (this.#news === undefined || !fits(this.#news)) {
      if (this.#hasEnded) this.#fail(`ended with ${this.#child.exitCode}`)
      await this.#next()
    }
  }

  async kill(): Promise<void> {
    if (this.#hasEnded) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  async restart(): Promise<void> {
    await this.kill()
    this.#child = this.#start()
  }

  /** Has the process end by itself. */
  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.send('stop')
    const [code] = await exited
    if (code !== 0) this.#fail(`ended with ${code}`)
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  #start(): ChildProcess {
    const child = fork(this.#script, [JSON.stringify(this.#options)], { execArgv: [] })
    child.on('message', news => {
      this.#news = news as News
      this.#stir()
    })
    child.once('exit', () => this.#stir())
    return child
  }

  #stir(): void {
    this.#stirred.resolve()
    this.#stirred = Promise.withResolvers()
  }

  async #next(): Promise<void> {
    const { promise, reject, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(new Error(this.#state('tells nothing'))), PATIENCE_MS)
    void this.#stirred.promise.then(resolve)
    await promise.finally(() => clearTimeout(timer))
  }

  #fail(what: string): never {
    throw new Error(this.#state(what))
  }

  #state(what: string): string {
    return `${this.name} ${what}; it told last ${JSON.stringify(this.#news)}`
  }
}

export type Publisher = Client<PublisherLine, { acknowledged: number; refused: number }>
export type Subscriber = Client<SubscriberLine, { lastId: string }>

export function startPublisher(
  t: Test,
  hub: FaultyHub,
  options: Pick<PublisherOptions, 'padding'>,
): Publisher {
  return new Client(t, hub, 'publisher', './publisher.ts', options)
}

export function startSubscriber(
  t: Test,
  hub: FaultyHub,
  name: string,
  options: Omit<SubscriberOptions, 'url' | 'caFile' | 'journal'>,
): Subscriber {
  return new Client(t, hub, name, './subscriber.ts', options)
}

/** Resolves when so many more events are acknowledged. */
export async function progress(publisher: Publisher, events: number): Promise<void> {
  const before = publisher.told?.acknowledged ?? 0
  await publisher.until(({ acknowledged }) => acknowledged >= before + events)
}

/** A subscriber, and what it follows. */
export interface Follower {
  readonly names: readonly string[]
  readonly subscriber: Subscriber
}

export function follow(
  t: Test,
  hub: FaultyHub,
  name: string,
  names: readonly string[],
  options: Omit<SubscriberOptions, 'url' | 'caFile' | 'journal' | 'path'> = {},
): Follower {
  const query = names.map(each => `topic=${encodeURIComponent(each)}`).join('&')
  return { names, subscriber: startSubscriber(t, hub, name, { path: `/feed?${query}`, ...options }) }
}

/** Resolves when every follower has the last of these events that it wants. */
export async function untilCaughtUp(
  followers: readonly Follower[],
  events: readonly { readonly id: string; readonly topic: string }[],
): Promise<void> {
  for (const { names, subscriber } of followers) {
    const last = events.findLast(({ topic }) => names.some(name => isMatch(name, topic)))
    await subscriber.until(({ lastId }) => last === undefined || lastId >= last.id)
  }
}
