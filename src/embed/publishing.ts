// Publishing from within the process: what the app hands over becomes the events that a request would make of it.

import { MillraceError } from '../errors.ts'
import type { NewEvent, Topic } from '../event.ts'
import { checkedKey } from '../http/idempotency-key.ts'
import type { Hub } from '../hub/hub.ts'
import { RequestKey } from '../log/append-key.ts'
import { formatId } from '../protocol/ids.ts'
import { validTopic, validType } from '../routes/names.ts'
import type { AppEvent, Published, PublishedMany, PublishOptions } from './app-hub.ts'
import { requireText } from './require-text.ts'

export interface PublishLimits {
  readonly maxBodyBytes: number
  readonly maxTopicNameBytes: number
}

export async function publishOne(
  hub: Hub,
  limits: PublishLimits,
  topic: Topic,
  data: unknown,
  { key, ...options }: PublishOptions,
): Promise<Published> {
  const { id } = await publishMany(hub, limits, [{ ...options, topic, data }], { key })
  return { id, topic }
}

export async function publishMany(
  hub: Hub,
  limits: PublishLimits,
  given: readonly AppEvent[],
  { key }: Pick<PublishOptions, 'key'>,
): Promise<PublishedMany> {
  const events = given.map(event => eventOf(event, limits))
  if (events.length === 0)
    throw new MillraceError('MILLRACE_REQUEST_INVALID', 'There is no event to publish.')
  const { last } = await hub.publish(events, key === undefined ? undefined : keyOf(key).next(events))
  return { id: formatId(hub.log.epoch, last), published: events.length }
}

/** No key that a request could bring has a space in it. Errors: MILLRACE_REQUEST_INVALID. */
function keyOf(key: string): RequestKey {
  return new RequestKey(`app ${checkedKey(key)}`)
}

function eventOf({ topic, data, type, state }: AppEvent, limits: PublishLimits): NewEvent {
  requireText(topic, 'A topic', 'MILLRACE_TOPIC_INVALID')
  if (type !== undefined) requireText(type, 'A type', 'MILLRACE_TYPE_INVALID')
  const isJson = typeof data !== 'string'
  const text = isJson ? jsonOf(data) : data
  if (!text.isWellFormed()) {
    throw new MillraceError(
      'MILLRACE_NOT_UTF8',
      'The data has half a surrogate pair, which UTF-8 cannot say.',
    )
  }
  if (Buffer.byteLength(text) > limits.maxBodyBytes) {
    const detail = `The data is larger than ${limits.maxBodyBytes} bytes (maxBodyBytes).`
    throw new MillraceError('MILLRACE_BODY_TOO_LARGE', detail)
  }
  return {
    topic: validTopic(topic, limits),
    data: text,
    type: validType(type),
    isJson,
    isState: state === true,
  }
}

/** Errors: MILLRACE_JSON_INVALID. */
function jsonOf(data: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(data)
  } catch (cause) {
    const detail = `The data cannot be written as JSON: ${(cause as Error).message}`
    throw new MillraceError('MILLRACE_JSON_INVALID', detail, { cause })
  }
  if (text !== undefined) return text
  throw new MillraceError('MILLRACE_JSON_INVALID', `The data is ${typeof data}, which JSON cannot say.`)
}
