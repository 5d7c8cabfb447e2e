// Reads an event stream over HTTP/2 with a parser that others wrote, and lets a test wait for what it wants to see.

import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { EventSourceMessage } from 'eventsource-parser'
import type { Reachable } from './hub.ts'

export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<EventSourceMessage>
  readonly #abort: AbortController
  readonly #response: { headers: { get(name: string): string | null } }
  /** The id that a client would resume from. */
  lastId: string | undefined

  private constructor(
    stream: ReadableStream<EventSourceMessage>,
    abort: AbortController,
    response: { headers: { get(name: string): string | null } },
  ) {
    this.#reader = stream.getReader()
    this.#abort = abort
    this.#response = response
  }

  static async open(
    hub: Reachable,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<EventReader> {
    const abort = new AbortController()
    const accept = { accept: 'text/event-stream', ...headers }
    const response = await hub.fetch(path, { headers: accept, signal: abort.signal })
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    const text = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(
      new TextDecoderStream(),
    )
    return new EventReader(text.pipeThrough(new EventSourceParserStream()), abort, response)
  }

  header(name: string): string | null {
    return this.#response.headers.get(name)
  }

  /** The next event, control events too; undefined when the stream has ended. */
  async next(): Promise<EventSourceMessage | undefined> {
    const { value } = await this.#reader.read()
    if (value?.id !== undefined) this.lastId = value.id
    return value
  }

  /** The next so many events. */
  async take(count: number): Promise<EventSourceMessage[]> {
    const events: EventSourceMessage[] = []
    while (events.length < count) {
      const event = await this.next()
      if (event === undefined) throw new Error(`the stream ended after ${events.length} of ${count} events`)
      events.push(event)
    }
    return events
  }

  /** Goes away without a word, as a client does. */
  close(): void {
    this.#abort.abort()
    // The read under way, if any, fails with the abort.
    this.#reader.closed.catch(() => {})
  }
}
