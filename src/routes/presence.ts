// GET /topics/{topic}/subscribers, and `?presence=true` on streams: who follows a topic.

import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { MillraceError } from '../errors.ts'
import type { Topic } from '../event.ts'
import { isPattern } from '../topic-pattern.ts'
import type { RouteContext } from './context.ts'
import { shown, validTopic } from './names.ts'

/** Topics whose presence one stream is told. */
export const MAX_WATCHED_TOPICS = 100

const SUFFIX = '/subscribers'

export const presenceQuery = Type.Optional(
  Type.Boolean({ description: 'Tell who follows the topics, as `millrace:presence` events.' }),
)

export const feedPresenceQuery = Type.Optional(
  Type.Array(Type.String(), {
    description:
      '`true`: tell who follows the topics, as `millrace:presence` events. Or the topics that it is to be told of: repeat it for more.',
  }),
)

export const subscribersAnswer = Type.Object({
  topic: Type.String(),
  count: Type.Integer({ description: 'Open streams that get its events.' }),
  subscribers: Type.Optional(
    Type.Array(Type.Object({ name: Type.String(), streams: Type.Integer() }), {
      description: 'Those with a name: the `sub` of their token. Where the grant shows them.',
    }),
  ),
})

/**
 * The topic that is asked about; undefined: nobody asks. A topic whose own name ends so is asked for with its last slash
 * encoded.
 */
export function subscribersTopic(request: FastifyRequest): Topic | undefined {
  const path = request.raw.url!.split('?')[0]!
  const name = (request.params as { '*': string })['*']
  return path.endsWith(SUFFIX) && name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : undefined
}

/** Errors: MILLRACE_TOPIC_INVALID, and those of `Grant.requireReceive`. */
export async function sendSubscribers(
  { presence, limits }: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
): Promise<FastifyReply> {
  const topic = validTopic(name, limits)
  const { grant } = request
  grant.requireReceive(topic)
  const { count, names } = await presence.of(topic)
  const subscribers = [...names].map(([subscriber, streams]) => ({ name: subscriber, streams }))
  const answer = { topic, count, ...(grant.canSeePresence(topic) && { subscribers }) }
  return reply
    .header('cache-control', 'private, no-cache')
    .type('application/json')
    .send(JSON.stringify(answer))
}

/** The topics among these, whose presence can be told. Errors: MILLRACE_TOO_MANY_PATTERNS. */
export function watchedTopics(names: readonly string[]): readonly Topic[] {
  const topics = [...new Set(names)].filter(name => !isPattern(name))
  if (topics.length > MAX_WATCHED_TOPICS) {
    const detail = `Presence is told of ${MAX_WATCHED_TOPICS} topics a stream at most.`
    throw new MillraceError('MILLRACE_TOO_MANY_PATTERNS', detail)
  }
  return topics
}

/**
 * The topics whose presence a feed of these names is to be told of: all, or those that are asked for.
 * Errors: MILLRACE_REQUEST_INVALID if there are none; MILLRACE_TOO_MANY_PATTERNS.
 */
export function askedTopics(names: readonly string[], asked: readonly string[] = []): readonly Topic[] {
  const [only] = asked
  if (only === undefined) return []
  // Unless it follows a topic of that name.
  if (only === 'false' && asked.length === 1 && !names.includes(only)) return []
  const isForAll = only === 'true' && asked.length === 1
  if (!isForAll) requireFollowed(names, asked)
  const topics = watchedTopics(isForAll ? names : asked)
  if (topics.length > 0) return topics
  throw new MillraceError('MILLRACE_REQUEST_INVALID', 'Presence is told of topics: patterns alone name none.')
}

/** Errors: MILLRACE_REQUEST_INVALID. */
export function requireFollowed(names: readonly string[], asked: readonly string[]): void {
  const followed = new Set(names)
  const other = asked.find(name => isPattern(name) || !followed.has(name))
  if (other === undefined) return
  const detail = `Presence is told of topics that the feed follows: ${shown(other)} is none of them.`
  throw new MillraceError('MILLRACE_REQUEST_INVALID', detail)
}
