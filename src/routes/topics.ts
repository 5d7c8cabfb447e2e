// GET, HEAD and DELETE /topics/{topic}, and GET /topics: what is kept, as a live stream or as pages of JSON.

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { MillraceError } from '../errors.ts'
import { RESET, type Topic } from '../event.ts'
import { preferredType } from '../http/media-type.ts'
import type { TopicSummary } from '../log/event-log.ts'
import { formatId } from '../protocol/ids.ts'
import { SSE_MEDIA_TYPE } from '../protocol/sse.ts'
import { intersection, selectorOf, type Selector } from '../topic-pattern.ts'
import { setCacheRules } from './cache-rules.ts'
import type { RouteContext, RoutePlugin } from './context.ts'
import { readHistoryBack } from './history-back.ts'
import { sendPage } from './history-page.ts'
import { readHistory } from './history.ts'
import { requireStreamRate } from './stream-rate.ts'
import { presenceQuery, sendSubscribers, subscribersAnswer, subscribersTopic } from './presence.ts'
import { pathTopic, requestedBefore, requestedCursor, validPattern } from './names.ts'
import {
  afterQuery,
  cursorHeaders,
  envelope,
  gap,
  idText,
  problemResponses,
  published,
  topicSummary,
} from './schemas.ts'

const JSON_MEDIA_TYPE = 'application/json'

const limitQuery = Type.Optional(
  Type.Integer({
    minimum: 1,
    description: 'The most to answer with; at most `maxPageEvents`. Default: 100.',
  }),
)

const historyPage = Type.Object({
  topic: Type.String(),
  state: Type.Optional(envelope),
  events: Type.Array(envelope),
  cursor: Type.Intersect([idText], { description: 'Pass it as `after` to go on from here.' }),
  before: Type.Optional(
    Type.Intersect([idText], {
      description: 'Of a page asked for with `before`: pass it as `before` to go further back.',
    }),
  ),
  gap: Type.Optional(gap),
})

export const topicRoutes: RoutePlugin = async (fastify, context) => {
  const { hub, streams, kinds, presence, rates, limits } = context
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>()

  app.get(
    '/topics/*',
    {
      // HEAD has a route of its own.
      exposeHeadRoute: false,
      schema: {
        summary: 'Follow a topic, or read its history',
        description:
          `As ${SSE_MEDIA_TYPE}: the topic's state, then its events as they come; with a cursor, all since then. ` +
          `As ${JSON_MEDIA_TYPE} (the default): a page of history, from the earliest event unless a cursor is given, or with \`before\` one that leads back. ` +
          'With `/subscribers` behind the topic: who follows it.',
        tags: ['receive'],
        querystring: Type.Object({
          after: afterQuery,
          lastEventId: Type.Optional(Type.String({ description: 'As the Last-Event-ID header.' })),
          before: Type.Optional(
            Type.String({
              description:
                'JSON: the newest events before this id, or the `latest` ones, in the order they were published. ' +
                'Without `after`, `wait` and Last-Event-ID.',
            }),
          ),
          presence: presenceQuery,
          limit: limitQuery,
          wait: Type.Optional(
            Type.Number({
              minimum: 0,
              description: 'JSON: seconds to wait for an event when there is none; at most `maxWaitMs`.',
            }),
          ),
        }),
        headers: cursorHeaders,
        response: {
          200: {
            description: 'A page, or an event stream',
            content: {
              [JSON_MEDIA_TYPE]: { schema: Type.Union([historyPage, subscribersAnswer]) },
              [SSE_MEDIA_TYPE]: { schema: Type.String() },
            },
          },
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const type = preferredType(request.headers.accept, [JSON_MEDIA_TYPE, SSE_MEDIA_TYPE])
      const followed = type === JSON_MEDIA_TYPE ? subscribersTopic(request) : undefined
      if (followed !== undefined) return sendSubscribers(context, request, reply, followed)
      const topic = pathTopic(request, limits)
      request.grant.requireReceive(topic)
      const before = requestedBefore(request, request.query)
      if (before !== undefined) {
        if (preferredType(request.headers.accept, [JSON_MEDIA_TYPE]) === undefined) {
          const detail = `What is asked for with 'before' is served as ${JSON_MEDIA_TYPE} only.`
          throw new MillraceError('MILLRACE_NOT_ACCEPTABLE', detail)
        }
        const page = await readHistoryBack(context, topic, before, request.query.limit)
        return sendPage(request, reply, page)
      }
      const cursor = requestedCursor(request, request.query)
      if (type === SSE_MEDIA_TYPE) {
        await requireStreamRate(rates, request)
        const start = hub.startAt(cursor === 'absent' ? 'now' : cursor)
        const opened = streams.open(request, reply, kinds.topic, selectorOf([topic]), start)
        if (request.query.presence === true && opened !== undefined) presence.watch(opened, [topic])
        return reply
      }
      if (type === undefined) {
        const detail = `A topic is served as ${SSE_MEDIA_TYPE} or ${JSON_MEDIA_TYPE}.`
        throw new MillraceError('MILLRACE_NOT_ACCEPTABLE', detail)
      }
      const start = hub.startAt(cursor === 'absent' ? 'earliest' : cursor)
      const page = await readHistory(context, request, reply, topic, start)
      return sendPage(request, reply, page)
    },
  )

  app.head(
    '/topics/*',
    {
      schema: {
        summary: 'What is kept of a topic',
        description:
          'The headers `millrace-events`, `-bytes`, `-first`, `-last` and `-state` say it. Opens no stream.',
        tags: ['receive'],
      },
    },
    async (request, reply) => {
      const topic = pathTopic(request, limits)
      request.grant.requireReceive(topic)
      const summary = await requireTopic(context, topic)
      setSummaryHeaders(reply, summary, hub.log.epoch)
      setCacheRules(reply, { isPrivate: !request.grant.isAnonymous })
      return reply.type(JSON_MEDIA_TYPE).send()
    },
  )

  app.delete(
    '/topics/*',
    {
      schema: {
        summary: 'Forget a topic',
        description: 'Drops its events and its state. Its subscribers get `millrace:reset`.',
        tags: ['publish'],
        response: { 200: published, ...problemResponses },
      },
    },
    async request => {
      const topic = pathTopic(request, limits)
      request.grant.requirePublish(topic)
      await requireTopic(context, topic)
      const data = JSON.stringify({ topic })
      const { last } = await hub.publish([{ topic, type: RESET, data, isJson: true }])
      return { id: formatId(hub.log.epoch, last), topic }
    },
  )

  app.get(
    '/topics',
    {
      schema: {
        summary: 'List the topics',
        tags: ['receive'],
        querystring: Type.Object({
          after: Type.Optional(Type.String({ description: 'Go on after this topic.' })),
          limit: limitQuery,
          match: Type.Optional(Type.String({ description: 'Only topics that match this pattern.' })),
        }),
        response: {
          200: Type.Object({ topics: Type.Array(topicSummary) }),
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      setCacheRules(reply, { isPrivate: true })
      const { after = '', match = '**' } = request.query
      const limit = Math.min(request.query.limit ?? DEFAULT_TOPICS, limits.maxPageEvents)
      const wanted = readable(request, validPattern(match, limits))
      const found = await hub.log.topics(after, wanted, limit)
      const last = found.at(-1)
      if (last !== undefined && found.length === limit) {
        const query = new URLSearchParams({ match, after: last.topic, limit: String(limit) })
        reply.header('link', `<${app.prefix}/topics?${query.toString()}>; rel="next"`)
      }
      return { topics: found.map(summary => describe(summary, hub.log.epoch)) }
    },
  )
}

const DEFAULT_TOPICS = 100

async function requireTopic({ hub }: RouteContext, topic: Topic): Promise<TopicSummary> {
  const summary = await hub.log.topic(topic)
  if (summary !== undefined) return summary
  throw new MillraceError('MILLRACE_NOT_FOUND', `Nothing is kept of the topic '${topic}'.`)
}

function setSummaryHeaders(reply: FastifyReply, summary: TopicSummary, epoch: string): void {
  const { first, last, state } = describe(summary, epoch)
  reply.header('millrace-events', summary.events).header('millrace-bytes', summary.bytes)
  if (first !== undefined) reply.header('millrace-first', first)
  if (last !== undefined) reply.header('millrace-last', last)
  if (state !== undefined) reply.header('millrace-state', state)
  reply.header('last-modified', new Date(summary.time).toUTCString())
}

/** What the pattern matches and the request may receive. */
function readable({ grant }: FastifyRequest, pattern: string): Selector {
  return intersection(selectorOf([pattern]), grant.receivable)
}

function describe(
  { topic, events, bytes, first, last, state, time }: TopicSummary,
  epoch: string,
): {
  topic: Topic
  events: number
  bytes: number
  first?: string
  last?: string
  state?: string
  time: string
} {
  return {
    topic,
    events,
    bytes,
    ...(first !== undefined && { first: formatId(epoch, first) }),
    ...(last !== undefined && { last: formatId(epoch, last) }),
    ...(state !== undefined && { state: formatId(epoch, state) }),
    time: new Date(time).toISOString(),
  }
}
