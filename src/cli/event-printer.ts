// Writes events to stdout in one of four formats, no faster than its reader takes them.

import type { Writable } from 'node:stream'
import type { EventSourceMessage } from 'eventsource-parser'

export type PrintFormat = 'data' | 'feed-data' | 'topic-data' | 'ndjson'

export class EventPrinter {
  readonly #output: Writable
  readonly #format: (event: EventSourceMessage) => string
  #left: number

  constructor(output: Writable, format: PrintFormat, maxEvents = Infinity) {
    this.#output = output
    this.#format = FORMATS[format]
    this.#left = maxEvents
    // A failed write reports to its own callback too, which is where it is handled.
    output.on('error', () => {})
  }

  /**
   * Resolves with how many of the events were printed, when the reader has them; fewer than given means that
   * the last one wanted is out.
   */
  async print(
    events: readonly EventSourceMessage[],
  ): Promise<{ readonly isDone: boolean; readonly count: number }> {
    const wanted = events.length > this.#left ? events.slice(0, this.#left) : events
    this.#left -= wanted.length
    const text = wanted.map(event => `${this.#format(event)}\n`).join('')
    if (text !== '') await this.#write(text)
    return { isDone: this.#left === 0, count: wanted.length }
  }

  #write(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#output.write(text, error => (error ? reject(error) : resolve()))
    })
  }
}

const FORMATS: Record<PrintFormat, (event: EventSourceMessage) => string> = {
  data: event => event.data,
  'feed-data': event => envelopeOf(event.data).data,
  'topic-data': event => {
    const { topic, data } = envelopeOf(event.data)
    return `${topic}\t${data}`
  },
  ndjson: event => `{"id":${JSON.stringify(event.id ?? null)},${oneLine(event.data).slice(1)}`,
}

// Line ends in JSON stand between tokens only.
function oneLine(json: string): string {
  return json.includes('\n') ? json.replaceAll('\n', ' ') : json
}

function envelopeOf(json: string): { topic: string; data: string } {
  const { topic, data } = JSON.parse(json) as { topic: string; data: unknown }
  return { topic, data: typeof data === 'string' ? data : sourceOfData(json) }
}

// The data as it was published: parsed and written again, large numbers would come out rounded. It is the last
// member, and within a string this mark would have its quotes escaped.
function sourceOfData(json: string): string {
  const mark = ',"data":'
  return json.slice(json.indexOf(mark) + mark.length, json.lastIndexOf('}')).trim()
}
