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
  heard: (at?: number) => void,
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
    heard()
    parser.feed(decoder.decode(value, { stream: true }))
    const taken = onChunk()
    if (taken === undefined) continue
    // Nothing is read meanwhile, so nothing can be heard.
    heard(Infinity)
    await taken
    heard()
  }
}

/**
 * Aborts a stream on which nothing comes. It looks at the clock instead of waiting for it: timers stand still while a
 * laptop sleeps, and are slow in hidden tabs. Returns what is told that something was heard, now or at a time to come.
 */
export function watchSilence(abort: AbortController, silenceMs: number): (at?: number) => void {
  let heardAt = Date.now()
  const look = (): void => {
    if (Date.now() - heardAt < silenceMs) return
    abort.abort(clientError('CLIENT_SILENCE', `Nothing came for ${silenceMs} ms.`))
  }
  const timer = setInterval(look, silenceMs / 3)
  abort.signal.addEventListener('abort', () => clearInterval(timer))
  onWake(look, abort.signal)
  return (at = Date.now()) => (heardAt = at)
}
