// Publishing that survives what happens on the way: repeated under the same Idempotency-Key until the hub has answered.

import { Backoff, pause } from './backoff.ts'
import { clientError, MillraceError } from './millrace-error.ts'
import type { PublishOptions } from './options.ts'
import { randomId } from './platform.ts'
import { queryOf } from './query.ts'
import type { Requests } from './requests.ts'

export interface Published {
  /** A cursor too. */
  readonly id: string
  readonly topic: string
}

/** Errors: MillraceError with a status of 4xx; whatever the signal was aborted with. */
export async function publish(
  requests: Requests,
  topic: string,
  data: unknown,
  { type, state = false, key = randomId(), signal }: PublishOptions,
): Promise<Published> {
  const isText = typeof data === 'string'
  const body = isText ? data : JSON.stringify(data)
  if (body === undefined) throw new TypeError('What is published must be text or JSON.')
  const path = topicPath(topic) + queryOf({ type })
  const init = {
    method: state ? 'PUT' : 'POST',
    headers: { 'content-type': isText ? 'text/plain' : 'application/json', 'idempotency-key': key },
    body,
    signal,
  }
  for (const backoff = new Backoff(); ;) {
    signal?.throwIfAborted()
    try {
      const published = await requests.json<Published>(path, init)
      if (typeof published.id === 'string') return published
      throw clientError('CLIENT_STRANGE_ANSWER', 'The answer names no id.')
    } catch (error) {
      if (!(error instanceof MillraceError) || error.isClientError) throw error
      await pause(error.retryAfterMs ?? 0, backoff.next(), signal)
    }
  }
}

/** Errors: MillraceError with the code of the hub, for what a URL cannot carry. */
export function topicPath(topic: string): string {
  const segments = topic.split('/')
  // `fetch` would resolve them, and bring data and token to another path than the topic's.
  if (segments.includes('.') || segments.includes('..')) {
    const detail = `The topic ${JSON.stringify(topic)} has a '.' or '..' segment.`
    throw new MillraceError('MILLRACE_TOPIC_INVALID', detail, { status: 400 })
  }
  return `/topics/${segments.map(encodeURIComponent).join('/')}`
}
