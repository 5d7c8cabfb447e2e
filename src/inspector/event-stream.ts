// Reads an event stream by `fetch`, which can send a token, and reads on after whatever ends it.

import { createParser } from 'eventsource-parser'
import { authorization, token } from './credentials.ts'
import { HubProblem, request } from './request.ts'

export interface StreamEvent {
  readonly type: string
  readonly data: string
  readonly id: string | undefined
}

export interface StreamHandlers {
  onOpen?(): void
  onEvent(event: StreamEvent): void
  /** It was not reached, or has ended; it is tried again. */
  onAway?(problem: HubProblem): void
  /** The hub refuses it: only another token may help, and then it is tried again. */
  onRefused?(problem: HubProblem): void
}

const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 5000

/** `silenceMs`: after so long without a byte the connection is taken for dead. Returns the function that ends it. */
export function openEventStream(path: string, handlers: StreamHandlers, silenceMs = 45_000): () => void {
  const ended = new AbortController()
  void run(path, handlers, silenceMs, ended.signal)
  return () => ended.abort()
}

async function run(
  path: string,
  handlers: StreamHandlers,
  silenceMs: number,
  signal: AbortSignal,
): Promise<void> {
  let lastId: string | undefined
  let delayMs = FIRST_DELAY_MS
  while (!signal.aborted) {
    try {
      await read(
        path,
        lastId,
        silenceMs,
        signal,
        () => {
          delayMs = FIRST_DELAY_MS
          handlers.onOpen?.()
        },
        event => {
          if (event.id !== undefined) lastId = event.id
          handlers.onEvent(event)
        },
      )
      throw new HubProblem(0, '', 'The hub has ended the stream.')
    } catch (error) {
      if (signal.aborted) return
      const problem =
        error instanceof HubProblem ? error : new HubProblem(0, '', 'The hub cannot be reached.')
      if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
        handlers.onRefused?.(problem)
        await tokenChange(signal)
      } else {
        handlers.onAway?.(problem)
        await pause(delayMs * (0.5 + Math.random() / 2), signal)
        delayMs = Math.min(MAX_DELAY_MS, delayMs * 2)
      }
    }
  }
}

async function read(
  path: string,
  lastId: string | undefined,
  silenceMs: number,
  signal: AbortSignal,
  onOpen: () => void,
  onEvent: (event: StreamEvent) => void,
): Promise<void> {
  const silence = new AbortController()
  let timer = setTimeout(() => silence.abort(), silenceMs)
  const heard = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => silence.abort(), silenceMs)
  }
  try {
    const headers = { accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) }
    const response = await request(path, { headers, signal: AbortSignal.any([signal, silence.signal]) })
    onOpen()
    const parser = createParser({
      onEvent: ({ event = 'message', data, id }) => onEvent({ type: event, data, id }),
    })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      heard()
      parser.feed(value)
    }
  } finally {
    clearTimeout(timer)
  }
}

function tokenChange(signal: AbortSignal): Promise<void> {
  const before = authorization()['authorization']
  return new Promise(resolve => {
    const stop = token.listen(() => {
      if (authorization()['authorization'] !== before) done()
    })
    const done = (): void => {
      stop()
      resolve()
    }
    signal.addEventListener('abort', done, { once: true })
  })
}

/** Whoever comes back to the page, or to the network, does not wait. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const over = new AbortController()
    const done = (): void => {
      clearTimeout(timer)
      over.abort()
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done, { signal: over.signal })
    addEventListener('online', done, { signal: over.signal })
    document.addEventListener('visibilitychange', done, { signal: over.signal })
  })
}
