// NDJSON bodies: a line is an event. Lines are published as they arrive; an answer, good or bad, says how many were.

import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Grant } from '../auth/grant.ts'
import { MillraceError, type ErrorCode } from '../errors.ts'
import type { NewEvent } from '../event.ts'
import { lineText, readLines, type Line } from '../http/body.ts'
import { clientsOf } from '../http/rates.ts'
import { requestKey } from '../http/idempotency-key.ts'
import type { RequestKey } from '../log/append-key.ts'
import { formatId } from '../protocol/ids.ts'
import type { RouteContext } from './context.ts'
import { memberText } from './json-member.ts'
import { validTopic, validType } from './names.ts'

export interface LinesSummary {
  /** Events of the body that are kept, repeated ones included. */
  readonly published: number
  readonly duplicates: number
  /** Of the last event; absent when there was none. */
  readonly id?: string
}

/** Makes an event of a line, if the grant covers it. */
export type LineParser = (line: string, grant: Grant) => NewEvent

/**
 * Publishes the lines of the body, and reads on when the log has taken what came. An error carries `published`, the
 * number of events that are kept, and `line`, the number of the line it is about, counted from 1, if it is about one.
 */
export async function publishLines(
  context: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
  parse: LineParser,
): Promise<LinesSummary> {
  const upload = new Upload(context, request, parse)
  try {
    for await (const lines of readLines(request, context.limits)) await upload.publish(lines)
  } catch (error) {
    throw upload.explain(error)
  }
  reply.code(201)
  return upload.summary()
}

// They are about the line that had begun to arrive.
const MET_WHILE_READING: ReadonlySet<ErrorCode> = new Set([
  'MILLRACE_BODY_CUT',
  'MILLRACE_REQUEST_TIMEOUT',
  'MILLRACE_CONNECTION_FULL',
  'MILLRACE_TOKEN_EXPIRED',
  'MILLRACE_TOKEN_INVALID',
  'MILLRACE_KEYS_UNAVAILABLE',
])

const ABOUT_THE_WHOLE: ReadonlySet<ErrorCode> = new Set([
  'MILLRACE_KEY_REUSED',
  'MILLRACE_LOG_FULL',
  'MILLRACE_LOG_UNAVAILABLE',
])

class Upload {
  readonly #context: RouteContext
  #grant: Grant
  readonly #clients: readonly string[]
  readonly #key: RequestKey | undefined
  readonly #parse: LineParser
  #lines = 0
  #published = 0
  #duplicates = 0
  #last: number | undefined

  constructor(context: RouteContext, request: FastifyRequest, parse: LineParser) {
    this.#context = context
    this.#grant = request.grant
    this.#clients = clientsOf(request)
    this.#key = requestKey(request)
    this.#parse = parse
  }

  /** Publishes the events of these lines; those before a line that is not valid too. */
  async publish(lines: readonly Line[]): Promise<void> {
    const events: NewEvent[] = []
    let fault: Error | undefined
    try {
      // An upload may last longer than its token.
      const grant = this.#context.currentGrant(this.#grant)
      if (grant !== this.#grant) this.#grant = await grant
      for (const line of lines) {
        this.#lines++
        const text = lineText(line, this.#context.limits).trim()
        if (text !== '') events.push(this.#parse(text, this.#grant))
      }
    } catch (error) {
      fault = error as Error
    }
    if (events.length > 0) await this.#append(events)
    if (fault !== undefined) throw fault
  }

  explain(error: unknown): unknown {
    if (!(error instanceof MillraceError)) return error
    const { code, message, cause, retryAfter } = error
    const published = this.#published
    const options = { cause, ...(retryAfter !== undefined && { retryAfter }) }
    if (ABOUT_THE_WHOLE.has(code))
      return new MillraceError(code, message, { ...options, extra: { published } })
    const line = MET_WHILE_READING.has(code) ? this.#lines + 1 : this.#lines
    return new MillraceError(code, `Line ${line}: ${message}`, { ...options, extra: { line, published } })
  }

  summary(): LinesSummary {
    const { epoch } = this.#context.hub.log
    return {
      published: this.#published,
      duplicates: this.#duplicates,
      ...(this.#last !== undefined && { id: formatId(epoch, this.#last) }),
    }
  }

  async #append(events: readonly NewEvent[]): Promise<void> {
    const { hub, rates } = this.#context
    // The body waits: slowing it down is kinder than refusing it half-way.
    for (let waitMs; (waitMs = await rates.take('publish', this.#clients, events.length)) > 0;)
      await sleep(waitMs)
    const appended = await hub.publish(events, this.#key?.next(events))
    this.#published += events.length
    this.#duplicates += events.length - appended.added
    this.#last = appended.last
  }
}

/** The line as it stands, if it is one JSON value. Errors: MILLRACE_JSON_INVALID. */
export function jsonText(text: string): string {
  parseJson(text)
  return text
}

/** Errors: MILLRACE_JSON_INVALID. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new MillraceError('MILLRACE_JSON_INVALID', (error as Error).message, { cause: error })
  }
}

/** An event from `{"topic", "data", "type"?}`. Errors: MILLRACE_LINE_INVALID and those of its parts. */
export function eventOfLine(text: string, { limits }: RouteContext): NewEvent {
  const value = parseJson(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidLine('an event is an object: {"topic", "data", "type"?}')
  }
  const { topic, data, type, ...others } = value as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw invalidLine(`'${unknown}' is not a member of an event`)
  if (typeof topic !== 'string') throw invalidLine("'topic' must be a string")
  if (data === undefined) throw invalidLine("'data' is missing")
  if (type !== undefined && typeof type !== 'string') throw invalidLine("'type' must be a string")
  return { topic: validTopic(topic, limits), type: validType(type), ...eventData(data, text) }
}

function eventData(data: unknown, line: string): Pick<NewEvent, 'data' | 'isJson'> {
  if (typeof data !== 'string') return { data: memberText(line, 'data')!, isJson: true }
  if (!data.isWellFormed()) throw invalidLine("'data' is not well-formed Unicode")
  return { data, isJson: false }
}

function invalidLine(what: string): MillraceError {
  return new MillraceError('MILLRACE_LINE_INVALID', `${what}.`)
}
