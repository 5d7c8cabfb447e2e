// Subscribing from within the process. As everywhere, a subscriber is a cursor: the log is read from where it stands, a page
// at a time, and the next event is waited for at the head.

import { MillraceError } from '../errors.ts'
import type { Position, StoredEvent } from '../event.ts'
import { nextEvent } from '../hub/next-event.ts'
import type { Hub } from '../hub/hub.ts'
import { formatId } from '../protocol/ids.ts'
import { validCursor, validPattern } from '../routes/names.ts'
import { selectorOf, type Selector } from '../topic-pattern.ts'
import type { Start } from '../hub/subscriber.ts'
import type { AppGap, ReceivedEvent, SubscribeOptions, Subscription } from './app-hub.ts'
import { requireText } from './require-text.ts'

export interface SubscribeLimits {
  readonly maxTopicNameBytes: number
  readonly maxPatternsPerFeed: number
}

export interface Reader extends Omit<SubscribeOptions, 'after'> {
  readonly onEvent: (event: ReceivedEvent) => void | Promise<void>
  readonly onError: (error: unknown) => void
  /** Aborted when the hub closes. */
  readonly closing: AbortSignal
}

const PAGE = { maxEvents: 100, maxBytes: 256 * 1024 }

/** Errors: MILLRACE_TOPIC_INVALID, MILLRACE_PATTERN_INVALID, MILLRACE_TOO_MANY_PATTERNS, MILLRACE_ID_INVALID. */
export function subscribe(
  hub: Hub,
  limits: SubscribeLimits,
  names: readonly string[],
  after: string | undefined,
  reader: Reader,
): Subscription {
  const selector = selectorOfNames(names, limits)
  if (after !== undefined) requireText(after, "'after'", 'MILLRACE_ID_INVALID')
  const start = hub.startAt(after === undefined ? 'now' : validCursor(after))
  const ended = new AbortController()
  const signals = [ended.signal, reader.closing, ...(reader.signal === undefined ? [] : [reader.signal])]
  const signal = AbortSignal.any(signals)
  const closed = new Delivery(hub, selector, start, { ...reader, signal }).run()
  closed.catch(reader.onError)
  return { close: () => ended.abort(), closed }
}

function selectorOfNames(names: readonly string[], limits: SubscribeLimits): Selector {
  if (names.length === 0) throw new MillraceError('MILLRACE_PATTERN_INVALID', 'No topic is named.')
  if (names.length > limits.maxPatternsPerFeed) {
    const detail = `A subscription names ${limits.maxPatternsPerFeed} topics and patterns at most (maxPatternsPerFeed).`
    throw new MillraceError('MILLRACE_TOO_MANY_PATTERNS', detail)
  }
  for (const name of names) requireText(name, 'A topic', 'MILLRACE_TOPIC_INVALID')
  return selectorOf(names.map(name => validPattern(name, limits)))
}

class Delivery {
  readonly #hub: Hub
  readonly #selector: Selector
  readonly #reader: Reader & { readonly signal: AbortSignal }
  #position: Position
  readonly #start: Start['kind']
  /** Whatever is gone before the first page is no news to who asked for what there is. */
  #acceptsLoss: boolean

  constructor(hub: Hub, selector: Selector, start: Start, reader: Reader & { readonly signal: AbortSignal }) {
    this.#hub = hub
    this.#selector = selector
    this.#reader = reader
    this.#position = start.position
    this.#start = start.kind
    this.#acceptsLoss = start.kind === 'earliest' || start.kind === 'unknown'
  }

  async run(): Promise<void> {
    const { signal } = this.#reader
    // Not within the call that subscribes.
    await Promise.resolve()
    if (this.#start === 'unknown') await this.#tellGap({ reason: 'unknown', lostThrough: undefined })
    while (!signal.aborted) {
      await nextEvent(this.#hub, this.#selector, this.#position, signal)
      const through = this.#hub.log.head()
      while (this.#position < through && !signal.aborted) await this.#readPage(through)
    }
  }

  async #readPage(through: Position): Promise<void> {
    const { log } = this.#hub
    const page = await log.read(this.#position, this.#selector, { through, ...PAGE })
    if (page.lostThrough > this.#position && !this.#acceptsLoss) {
      await this.#tellGap({ reason: 'expired', lostThrough: formatId(log.epoch, page.lostThrough) })
    }
    this.#acceptsLoss = false
    for (const event of page.events) {
      if (this.#reader.signal.aborted) return
      await this.#reader.onEvent(receivedEvent(event, log.epoch))
    }
    this.#position = page.position
  }

  async #tellGap(gap: AppGap): Promise<void> {
    if (!this.#reader.signal.aborted) await this.#reader.onGap?.(gap)
  }
}

function receivedEvent(
  { position, topic, type, time, data, isJson }: StoredEvent,
  epoch: string,
): ReceivedEvent {
  return {
    id: formatId(epoch, position),
    topic,
    type,
    time: new Date(time),
    data: isJson === true ? (JSON.parse(data) as unknown) : data,
  }
}
