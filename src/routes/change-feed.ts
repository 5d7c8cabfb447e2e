// PATCH /feed/{feed}: topics are added to a stream, and taken from it, while it is open; its cursor stays.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { MillraceError, type ErrorCode } from '../errors.ts'
import type { Topic } from '../event.ts'
import { readText } from '../http/body.ts'
import type { OpenStream } from '../http/event-streams.ts'
import { bodyKind } from '../http/media-type.ts'
import type { Question } from '../http/thread-questions.ts'
import { MAX_WAITING_CHANGES } from '../hub/subscriber.ts'
import type { TopicsData } from '../protocol/control-events.ts'
import { formatId } from '../protocol/ids.ts'
import { selectorOf, type Selector } from '../topic-pattern.ts'
import type { RouteContext } from './context.ts'
import { changeBytes, feedBytes, requireFewNames } from './feed-names.ts'
import { validCursor, validPattern, type Cursor } from './names.ts'
import { requireFollowed, watchedTopics } from './presence.ts'
import { parseJson } from './publish-lines.ts'
import { idText, problemResponses } from './schemas.ts'
import { requireStreamRate } from './stream-rate.ts'

/** What a stream is to follow besides, and no longer. */
interface FeedChange {
  readonly feed: string
  readonly add: readonly string[]
  readonly remove: readonly string[]
  /** What is there already is handed its states too. */
  readonly again: boolean
  /** All the topics whose presence it is told of from then on. Undefined: all or none, as before. */
  readonly presence: readonly string[] | undefined
  /** Where the added topics begin. `states`: with their states. Undefined: at an id that no hub issues. */
  readonly from: Cursor | 'states' | undefined
  /** Whose request it is. */
  readonly holder: string | undefined
}

interface ChangedFeed {
  readonly topics: readonly string[]
  /** The added topics count from here. */
  readonly from: string
}

interface Refusal {
  readonly code: ErrorCode
  readonly detail: string
  readonly retryAfter?: number
}

/** Undefined: the stream is not in that thread. */
const CHANGE_FEED: Question<FeedChange, ChangedFeed | Refusal | undefined> = { name: 'change feed' }

export function changeFeedRoute(app: FastifyInstance, context: RouteContext): void {
  context.questions.answerWith(CHANGE_FEED, change => {
    const opened = context.streams.find(change.feed)
    return opened === undefined ? undefined : settled(() => changeStream(context, opened, change))
  })

  app.patch(
    '/feed/:feed',
    {
      schema: {
        summary: 'Add and remove topics of an open stream',
        description:
          'The feed is the one that `millrace:open` named. The body is `{"add"?, "remove"?, "after"?, "again"?, "presence"?}`: two lists of topics and patterns, where those that are added begin ' +
          '(an id, or `earliest`; absent: with their states), whether those that are there already hand over their states once more, and all the topics that it is told the presence of from then on. Nothing of the topics that stay is lost or repeated.',
        tags: ['receive'],
        response: {
          200: Type.Object({
            feed: Type.String(),
            topics: Type.Array(Type.String(), { description: 'All that it follows now.' }),
            from: Type.Unsafe<string>({ ...idText, description: 'The added topics count from here.' }),
          }),
          ...problemResponses,
        },
      },
      config: { bodies: ['application/json'] },
    },
    async request => {
      const change = await readChange(context, request)
      await requireStreamRate(context.rates, request)
      const answers = await context.questions.ask(CHANGE_FEED, change)
      const answer = answers.find(each => each !== undefined)
      if (answer === undefined) throw new MillraceError('MILLRACE_NOT_FOUND', 'No stream has this name.')
      if (!('code' in answer)) return { feed: change.feed, ...answer }
      const { code, detail, retryAfter } = answer
      throw new MillraceError(code, detail, retryAfter === undefined ? {} : { retryAfter })
    },
  )
}

async function readChange(context: RouteContext, request: FastifyRequest): Promise<FeedChange> {
  if (bodyKind(request) !== 'json') {
    throw new MillraceError('MILLRACE_MEDIA_TYPE_UNSUPPORTED', 'A change is JSON: send `application/json`.')
  }
  const body = parseJson(await readText(request, context.limits))
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('The body is an object')
  const { add = [], remove = [], after, again = false, presence, ...others } = body as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw invalid(`'${unknown}' is not a member of a change`)
  if (!isTextList(add)) throw invalid("'add' must be a list of topics and patterns")
  if (!isTextList(remove)) throw invalid("'remove' must be a list of topics and patterns")
  if (after !== undefined && typeof after !== 'string') throw invalid("'after' must be a string")
  if (typeof again !== 'boolean') throw invalid("'again' must be true or false")
  if (presence !== undefined && !isTextList(presence)) throw invalid("'presence' must be a list of topics")
  for (const names of [add, remove, presence ?? []]) requireFewNames(names, context.limits)
  for (const name of add) request.grant.requireReceive(validPattern(name, context.limits))
  const { feed } = request.params as { feed: string }
  const from = after === undefined ? 'states' : validCursor(after)
  return { feed, add, remove, again, presence, from, holder: request.grant.holder }
}

function invalid(what: string): MillraceError {
  return new MillraceError(
    'MILLRACE_REQUEST_INVALID',
    `${what}: {"add"?, "remove"?, "after"?, "again"?, "presence"?}.`,
  )
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(each => typeof each === 'string')
}

function changeStream(context: RouteContext, opened: OpenStream, change: FeedChange): ChangedFeed {
  const { hub, presence } = context
  const { kind, subscriber } = opened
  if (opened.grant.holder !== change.holder) {
    throw new MillraceError('MILLRACE_FORBIDDEN', 'The stream is of somebody else.')
  }
  const { changes } = kind
  if (changes === undefined) {
    throw new MillraceError('MILLRACE_FEED_FIXED', 'Only streams of `/feed` can follow other topics.')
  }
  const { names, added, removed } = namesAfter(opened.selector, change)
  const selector = selectorOf(names)
  const watched = watchedAfter(presence.isWatching(opened), names, change.presence)
  if (added.length + removed.length > 0) {
    const told = { topics: namesOf(selector), added, removed }
    const handedOver = requireRoomFor(context, opened, selector, told)
    subscriber.change(selector, position => ({
      selector: selectorOf(added),
      encoder: changes.encoder(added),
      start: change.from === 'states' ? { kind: 'states', position: 0 } : hub.startAt(change.from),
      last: Buffer.from(changes.last(position, told)),
      handedOver,
    }))
  }
  if (change.presence?.length === 0) presence.unwatch(opened)
  else if (watched !== undefined) presence.watch(opened, watched, new Set(added))
  return { topics: namesOf(selector), from: formatId(hub.log.epoch, subscriber.cursor) }
}

/** What is added and taken away at once stays. What is there already is added only for what it had before, or its states. */
function namesAfter(
  selector: Selector,
  { add, remove, again, from }: FeedChange,
): Readonly<Record<'names' | 'added' | 'removed', readonly string[]>> {
  const before = new Set(namesOf(selector))
  const asked = new Set(add)
  const added = new Set(from === 'states' && !again ? add.filter(name => !before.has(name)) : add)
  const removed = new Set(remove.filter(name => before.has(name) && !asked.has(name)))
  const names = [...new Set([...before, ...added])].filter(name => !removed.has(name))
  return { names, added: [...added], removed: [...removed] }
}

/**
 * Without a word on presence, a stream that is told of it is told of all its topics. Undefined: it has never asked.
 * Errors: MILLRACE_REQUEST_INVALID, MILLRACE_TOO_MANY_PATTERNS.
 */
function watchedAfter(
  isWatching: boolean,
  names: readonly string[],
  asked: readonly string[] | undefined,
): readonly Topic[] | undefined {
  if (asked !== undefined) requireFollowed(names, asked)
  if (!isWatching && (asked ?? []).length === 0) return undefined
  return watchedTopics(asked ?? names)
}

/** Everything that can be refused, before anything is changed. What is returned is called when the client has the change. */
function requireRoomFor(
  { streams, limits }: RouteContext,
  { kind, subscriber, stream, grant, held }: OpenStream,
  selector: Selector,
  told: TopicsData,
): (() => void) | undefined {
  const names = told.topics
  if (names.length === 0) {
    throw new MillraceError('MILLRACE_REQUEST_INVALID', 'A feed follows something: close it instead.')
  }
  requireFewNames(names, limits)
  if (!kind.covers(grant, selector)) {
    const detail = "The stream's own token does not cover what is added: renew it first."
    throw new MillraceError('MILLRACE_FORBIDDEN', detail)
  }
  if (stream.isCompressing && streams.excludesCompression(selector)) {
    const detail = 'The stream is compressed, and what is added must not be: open another one.'
    throw new MillraceError('MILLRACE_FEED_FIXED', detail)
  }
  if (subscriber.waitingChanges >= MAX_WAITING_CHANGES) {
    const detail = `${MAX_WAITING_CHANGES} changes wait until the stream was read.`
    throw new MillraceError('MILLRACE_TOO_MANY_CHANGES', detail, { retryAfter: 1 })
  }
  return held?.change(feedBytes(names), changeBytes(told))
}

function namesOf({ topics, patterns }: Selector): string[] {
  return [...topics, ...patterns]
}

/** Errors must be told to another thread, which copies what they say. */
function settled(work: () => ChangedFeed): ChangedFeed | Refusal {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const { code, message: detail, retryAfter } = error
    return { code, detail, ...(retryAfter !== undefined && { retryAfter }) }
  }
}
