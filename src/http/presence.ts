// Who follows a topic: counted when somebody asks, and told to the streams that want to know, once an interval in which it
// has changed. Each thread counts its own streams.

import { setImmediate } from 'node:timers/promises'
import type { Grant } from '../auth/grant.ts'
import type { Topic } from '../event.ts'
import { PRESENCE, type PresenceData } from '../protocol/control-events.ts'
import { encodeSse } from '../protocol/sse.ts'
import type { Selector } from '../topic-pattern.ts'
import type { EventStreams, OpenStream } from './event-streams.ts'
import type { Question, ThreadQuestions } from './thread-questions.ts'

/** Who follows one topic. */
export interface TopicPresence {
  /** Open streams that get its events. */
  readonly count: number
  /** How many of them each holder of a token has, by its name; others have none. */
  readonly names: ReadonlyMap<string, number>
}

export interface PresenceOptions {
  readonly presenceIntervalMs: number
}

/** What a stream was told last of each topic that it watches; undefined: nothing yet. */
type Told = Map<Topic, TopicPresence | undefined>

interface Watcher {
  readonly told: Told
  /** By which it was told. */
  grant: Grant
}

const FOLLOWERS: Question<readonly Topic[], Promise<ReadonlyMap<Topic, TopicPresence>>> = { name: 'presence' }

const TURN_MS = 5

// To count who follows what may take this part of the time at most: the more there is to count, the more seldom it is done.
const MAX_SHARE = 0.1

const NOBODY: TopicPresence = { count: 0, names: new Map() }

export class Presence {
  readonly #streams: EventStreams
  readonly #questions: ThreadQuestions
  readonly #intervalMs: number
  readonly #watchers = new Map<OpenStream, Watcher>()
  /** As it was found last, of the topics that are watched: the same object as long as it is the same. */
  #found = new Map<Topic, TopicPresence>()
  #timer: NodeJS.Timeout | undefined

  constructor(streams: EventStreams, questions: ThreadQuestions, { presenceIntervalMs }: PresenceOptions) {
    this.#streams = streams
    this.#questions = questions
    this.#intervalMs = presenceIntervalMs
    questions.answerWith(FOLLOWERS, topics => this.#ownFollowers(topics))
  }

  async of(topic: Topic): Promise<TopicPresence> {
    return (await this.#ask([topic])).get(topic)!
  }

  /**
   * Tells the stream who follows these topics, now and whenever that has changed, for as long as it is open, or until it is
   * told of others. Of those that are `anew` it is told as if it had not been told before.
   */
  watch(opened: OpenStream, topics: readonly Topic[], anew: ReadonlySet<Topic> = new Set()): void {
    const watcher = this.#watchers.get(opened)
    const before = (topic: Topic): TopicPresence | undefined =>
      anew.has(topic) ? undefined : watcher?.told.get(topic)
    const told: Told = new Map(topics.map(topic => [topic, before(topic)]))
    this.#watchers.set(opened, { told, grant: watcher?.grant ?? opened.grant })
    if (this.#timer === undefined) this.#schedule(0)
  }

  unwatch(opened: OpenStream): void {
    this.#watchers.delete(opened)
  }

  isWatching(opened: OpenStream): boolean {
    return this.#watchers.has(opened)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#watchers.clear()
  }

  #schedule(afterMs: number): void {
    // A thread that ends while it is asked has no answer: the next round asks those that are left.
    const tell = (): Promise<void> => this.#tell().catch(() => this.#schedule(this.#intervalMs))
    this.#timer = setTimeout(() => void tell(), afterMs).unref()
  }

  async #tell(): Promise<void> {
    const startedAt = performance.now()
    for (const opened of this.#watchers.keys()) {
      if (opened.stream.hasEnded) this.#watchers.delete(opened)
    }
    const topics = new Set<Topic>()
    for (const { told } of this.#watchers.values()) for (const topic of told.keys()) topics.add(topic)
    const found = await this.#ask([...topics])
    for (const [topic, presence] of found) {
      const before = this.#found.get(topic)
      if (before !== undefined && isSame(before, presence)) found.set(topic, before)
    }
    this.#found = found
    for (const [opened, watcher] of this.#watchers) this.#tellOne(opened, watcher)
    const tookMs = performance.now() - startedAt
    if (this.#watchers.size > 0) this.#schedule(Math.max(this.#intervalMs, tookMs / MAX_SHARE))
    else this.#timer = undefined
  }

  /** A stream that takes nothing just now is told later what has changed by then. */
  #tellOne({ stream, grant }: OpenStream, watcher: Watcher): void {
    const { told } = watcher
    if (watcher.grant !== grant) forgetUnlike(watcher, grant)
    for (const [topic, before] of told) {
      const now = this.#found.get(topic)
      // Whoever came while the others were asked has its turn in the next round.
      if (now === undefined || now === before || !stream.hasRoom) continue
      told.set(topic, now)
      const data = presenceData(topic, before, now, grant)
      stream.write(Buffer.from(encodeSse({ type: PRESENCE, data: JSON.stringify(data) })))
    }
  }

  async #ask(topics: readonly Topic[]): Promise<Map<Topic, TopicPresence>> {
    const answers = topics.length === 0 ? [] : await this.#questions.ask(FOLLOWERS, topics)
    return new Map(
      topics.map(topic => [topic, answers.map(answer => answer.get(topic) ?? NOBODY).reduce(sum, NOBODY)]),
    )
  }

  /** In turns: a client can have many streams, patterns and topics to compare. */
  async #ownFollowers(topics: readonly Topic[]): Promise<ReadonlyMap<Topic, TopicPresence>> {
    let turnEndsAt = performance.now() + TURN_MS
    const counts = new Map(topics.map(topic => [topic, { count: 0, names: new Map<string, number>() }]))
    for (const { selector, grant } of this.#streams.list()) {
      for (const topic of followedOf(selector, counts)) {
        const counted = counts.get(topic)!
        counted.count++
        if (grant.name !== undefined) add(counted.names, grant.name, 1)
      }
      if (performance.now() < turnEndsAt) continue
      await setImmediate()
      turnEndsAt = performance.now() + TURN_MS
    }
    return counts
  }
}

/** Who has come says nothing to a stream that was not shown who was there: its token was renewed with other rights. */
function forgetUnlike(watcher: Watcher, grant: Grant): void {
  const { told, grant: before } = watcher
  for (const topic of told.keys()) {
    if (before.canSeePresence(topic) !== grant.canSeePresence(topic)) told.set(topic, undefined)
  }
  watcher.grant = grant
}

/** Those of the topics that the stream follows. */
function followedOf(selector: Selector, topics: ReadonlyMap<Topic, unknown>): Iterable<Topic> {
  // Other protocols have topics of their own.
  if (selector.source !== undefined) return []
  if (selector.patterns.length === 0) return selector.topics.filter(topic => topics.has(topic))
  return [...topics.keys()].filter(topic => selector.matches(topic))
}

/** What a stream is told: everything at first, then who has come and who has gone; names only where the grant shows them. */
function presenceData(
  topic: Topic,
  before: TopicPresence | undefined,
  { count, names }: TopicPresence,
  grant: Grant,
): PresenceData {
  if (!grant.canSeePresence(topic)) return { topic, count }
  if (before === undefined) return { topic, count, present: [...names.keys()] }
  const joined = [...names.keys()].filter(name => !before.names.has(name))
  const left = [...before.names.keys()].filter(name => !names.has(name))
  return { topic, count, joined, left }
}

function sum(one: TopicPresence, other: TopicPresence): TopicPresence {
  const names = new Map(one.names)
  for (const [name, streams] of other.names) add(names, name, streams)
  return { count: one.count + other.count, names }
}

function add(names: Map<string, number>, name: string, streams: number): void {
  names.set(name, (names.get(name) ?? 0) + streams)
}

function isSame(one: TopicPresence, other: TopicPresence): boolean {
  return (
    one.count === other.count &&
    one.names.size === other.names.size &&
    [...one.names.keys()].every(name => other.names.has(name))
  )
}
