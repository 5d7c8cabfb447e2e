// One event stream from its answer to its end: bytes become messages, and silence becomes an error.

import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { clientError, strangeAnswer } from './millrace-error.ts'
import { onWake } from './platform.ts'

export interface StreamHandlers {
  readonly onMessage: (message: EventSourceMessage) => void
  readonly onRetry: (retryMs: number) => void
  /** All messages of a chunk were handed over. The next one is read when it resolves. */
  readonly onChunk: () => Promise<void> | undefined
}

/** Resolves when the stream ends by itself. Errors: MillraceError, the network's, and those of the handlers. */
export async function readEventStream(
  response: Response,
  watch: SilenceWatch,
  { onMessage, onRetry, onChunk }: StreamHandlers,
): Promise<void> {
  const type = response.headers.get('content-type') ?? ''
  if (!type.startsWith('text/event-stream') || response.body === null) {
    await response.body?.cancel()
    throw strangeAnswer(response)
  }
  const parser = createParser({ onEvent: onMessage, onRetry })
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    watch.heard()
    parser.feed(decoder.decode(value, { stream: true }))
    const taken = onChunk()
    if (taken !== undefined) await watch.suspend(taken)
  }
}

/**
 * Aborts a stream on which nothing comes. It looks at the clock instead of waiting for it: timers stand still while a
 * laptop sleeps, and are slow in hidden tabs.
 */
export class SilenceWatch {
  readonly #abort: AbortController
  readonly #silenceMs: number
  readonly #timer: ReturnType<typeof setInterval>
  readonly #stopListening: () => void
  #heardAt = Date.now()

  constructor(abort: AbortController, silenceMs: number) {
    this.#abort = abort
    this.#silenceMs = silenceMs
    this.#timer = setInterval(() => this.#look(), silenceMs / 3)
    this.#stopListening = onWake(() => this.#look())
  }

  heard(): void {
    this.#heardAt = Date.now()
  }

  /** Nothing is read meanwhile, so nothing can be heard. */
  async suspend(until: Promise<void>): Promise<void> {
    this.#heardAt = Infinity
    await until
    this.heard()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#stopListening()
  }

  #look(): void {
    if (Date.now() - this.#heardAt < this.#silenceMs) return
    this.#abort.abort(clientError('CLIENT_SILENCE', `Nothing came for ${this.#silenceMs} ms.`))
  }
}
