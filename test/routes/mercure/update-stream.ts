// A stream of updates as a subscriber sees it, read by a parser that takes nothing on trust: what a lenient one would
// overlook is a fault here, and a fault fails who reads on.

import type { Test } from 'tap'
import type { Headers, RequestInit, Response } from 'undici'
import { Inbox } from '../../support/inbox.ts'
import { bearer } from '../../support/tokens.ts'
import type { Reachable } from '../../support/hub.ts'

/** As an EventSource would dispatch it. */
export interface Update {
  readonly id: string
  /** `message` where the hub names none. */
  readonly type: string
  readonly data: string
  readonly retry: number | undefined
}

export interface OpenOptions {
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** For QUERY. */
  readonly init?: RequestInit
}

const ENDED = Symbol('ended')

export class UpdateStream {
  readonly response: Response
  /** All that came, as text. */
  raw = ''
  readonly #abort: AbortController
  readonly #inbox = new Inbox<Update | Error | typeof ENDED>()
  #taken = 0

  private constructor(t: Test, response: Response, abort: AbortController) {
    this.response = response
    this.#abort = abort
    void this.#pump()
    t.teardown(() => this.close())
  }

  /** Rejects when it is refused. Closed when the test ends. */
  static async open(t: Test, hub: Reachable, path: string, options: OpenOptions = {}): Promise<UpdateStream> {
    const { token, headers = {}, init } = options
    const abort = new AbortController()
    const response = await hub.fetch(path, {
      ...init,
      headers: { ...(token !== undefined && bearer(token)), ...headers },
      signal: abort.signal,
    })
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return new UpdateStream(t, response, abort)
  }

  get headers(): Headers {
    return this.response.headers
  }

  /** The next update. Rejects when none comes for long, when the stream ends, and when it is malformed. */
  async next(): Promise<Update> {
    const { items } = this.#inbox
    if (items.length <= this.#taken) await this.#inbox.take(this.#taken + 1)
    const item = items[this.#taken]!
    if (item === ENDED) throw new Error('the stream has ended')
    if (item instanceof Error) throw item
    this.#taken += 1
    return item
  }

  async take(count: number): Promise<Update[]> {
    const updates: Update[] = []
    while (updates.length < count) updates.push(await this.next())
    return updates
  }

  /** The data of the next so many updates. */
  async takeData(count: number): Promise<string[]> {
    return (await this.take(count)).map(({ data }) => data)
  }

  /** Resolves when the hub has ended it. Rejects when what came is malformed. */
  async ended(): Promise<void> {
    const last = await this.#inbox.find(item => item === ENDED || item instanceof Error)
    if (last instanceof Error) throw last
  }

  /** Goes away without a word, as a page does. */
  close(): void {
    this.#abort.abort()
  }

  async #pump(): Promise<void> {
    const parser = new StrictParser(update => this.#inbox.push(update))
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    try {
      for await (const chunk of this.response.body ?? []) {
        const text = decoder.decode(chunk as Uint8Array, { stream: true })
        this.raw += text
        parser.feed(text)
      }
      parser.end()
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#inbox.push(error as Error)
    }
    this.#inbox.push(ENDED)
  }
}

/**
 * WHATWG HTML, 9.2.6, and of what that allows only what a hub has reason to send: LF ends lines, fields have known
 * names, an id and a type are given once, and every event has an id (§7 of both drafts).
 */
class StrictParser {
  readonly #emit: (update: Update) => void
  #rest = ''
  #fields: [name: string, value: string][] = []

  constructor(emit: (update: Update) => void) {
    this.#emit = emit
  }

  feed(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) this.#take(line)
  }

  /** Half an event is lost on a client: the hub should not have sent it. */
  end(): void {
    if (this.#rest !== '' || this.#fields.length > 0) throw new Error('the stream ended within an event')
  }

  #take(line: string): void {
    if (line.includes('\r')) throw new Error(`a line ends within: ${JSON.stringify(line)}`)
    if (line === '') return this.#dispatch()
    if (line.startsWith(':')) return
    const [, name, value] = /^(event|id|data|retry): ?(.*)$/s.exec(line) ?? []
    if (name === undefined) throw new Error(`this line is no field: ${JSON.stringify(line)}`)
    this.#fields.push([name, value!])
  }

  #dispatch(): void {
    const valuesOf = (wanted: string): string[] =>
      this.#fields.filter(([name]) => name === wanted).map(([, value]) => value)
    const [ids, types, retries, data] = [
      valuesOf('id'),
      valuesOf('event'),
      valuesOf('retry'),
      valuesOf('data'),
    ]
    const block = JSON.stringify(this.#fields)
    this.#fields = []
    if (Math.max(ids.length, types.length, retries.length) > 1) throw new Error(`said twice: ${block}`)
    if (retries.some(value => !/^\d+$/.test(value))) throw new Error(`no reconnection time: ${block}`)
    // Comments and reconnection times may stand alone.
    if (data.length === 0 && ids.length === 0 && types.length === 0) return
    if (data.length === 0) throw new Error(`an event without data is lost on clients: ${block}`)
    if (ids.length === 0 || ids[0] === '' || ids[0]!.includes('\0')) throw new Error(`no id: ${block}`)
    const retry = retries[0] === undefined ? undefined : Number(retries[0])
    this.#emit({ id: ids[0]!, type: types[0] ?? 'message', data: data.join('\n'), retry })
  }
}
