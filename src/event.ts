// The vocabulary: what is published, what a log stores, and how topics are named.

/**
 * A slash-separated name such as `orders/eu/42`: 1 to 256 bytes of UTF-8, no control characters, no `*`,
 * no slash at either end, no `.` or `..` segment.
 */
export type Topic = string

/**
 * Where an event stands in one life of a log: a positive integer, larger for each event of any topic.
 * As a cursor it means "everything up to and including this has been seen"; 0 is before the first.
 */
export type Position = number

/** What a publisher sends. */
export interface NewEvent {
  readonly topic: Topic
  /** Any text. Line ends reach SSE clients as LF, whatever they were (the format keeps no others). */
  readonly data: string
  /** The SSE event name; absent means `message`. */
  readonly type?: string | undefined
  /** `data` is one JSON value: feeds and history embed it as such, not as a string. */
  readonly isJson?: boolean | undefined
  /** This event becomes the topic's state: kept beyond retention, handed to each new subscriber. */
  readonly isState?: boolean | undefined
}

/** What a log hands back. */
export interface StoredEvent extends NewEvent {
  readonly position: Position
  /** When the log took it: milliseconds since 1970, never less than the event before. */
  readonly time: number
}

/**
 * Marks that a topic was deleted: the log forgets what it held of the topic before this event, and
 * subscribers are told so. It travels like any other event.
 */
export const RESET = 'millrace:reset'

/** Types that start so are the hub's own; publishers cannot use them. */
export const RESERVED_TYPE_PREFIX = 'millrace:'

/**
 * Topics that start so are the hub's own: protocols keep their events there. No native request can name them, and in what
 * is read no `*` stands for them.
 */
export const RESERVED_TOPIC_PREFIX = '.well-known/'

export function isReservedTopic(name: Topic): boolean {
  return name.startsWith(RESERVED_TOPIC_PREFIX)
}

export const MAX_TYPE_BYTES = 128

const controlCharacter = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/

/** Says what is wrong with a topic name, or returns undefined. */
export function topicFault(topic: string, maxBytes: number): string | undefined {
  if (topic === '') return 'is empty'
  if (isLonger(topic, maxBytes)) return `is longer than ${maxBytes} bytes`
  if (topic.includes('*')) return "contains '*', which belongs to patterns"
  return nameFault(topic)
}

/** Says what is wrong with a topic pattern, or returns undefined. */
export function patternFault(pattern: string, maxBytes: number): string | undefined {
  if (pattern === '') return 'is empty'
  if (isLonger(pattern, maxBytes)) return `is longer than ${maxBytes} bytes`
  const segments = pattern.split('/')
  for (const [at, segment] of segments.entries()) {
    if (segment === '**' && at < segments.length - 1) return "has '**' before the last segment"
    if (segment.includes('*') && segment !== '*' && segment !== '**') {
      return "has '*' next to other characters: it stands for one whole segment"
    }
  }
  return nameFault(pattern)
}

function nameFault(name: string): string | undefined {
  if (!name.isWellFormed()) return 'is not well-formed Unicode'
  if (controlCharacter.test(name)) return 'contains a control character'
  if (name.startsWith('/') || name.endsWith('/')) return 'starts or ends with a slash'
  // A URL cannot carry them: clients resolve `/topics/a/../b` before they send it.
  if (name.split('/').some(segment => segment === '.' || segment === '..')) return "has a '.' or '..' segment"
  return undefined
}

/** Says what is wrong with an event type that a publisher chose, or returns undefined. */
export function typeFault(type: string): string | undefined {
  if (type === '') return 'is empty'
  if (isLonger(type, MAX_TYPE_BYTES)) return `is longer than ${MAX_TYPE_BYTES} bytes`
  if (!type.isWellFormed()) return 'is not well-formed Unicode'
  if (controlCharacter.test(type)) return 'contains a control character'
  if (type.startsWith(RESERVED_TYPE_PREFIX)) return `starts with '${RESERVED_TYPE_PREFIX}', which is reserved`
  return undefined
}

// Of the browser's too, and without a look at each character where there can be no doubt.
function isLonger(text: string, maxBytes: number): boolean {
  if (text.length * 3 <= maxBytes) return false
  return text.length > maxBytes || new TextEncoder().encode(text).length > maxBytes
}
