// GET /feed: many topics and patterns on one event stream, with one cursor.

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { MillraceError } from '../errors.ts'
import { requireStreamRate } from './stream-rate.ts'
import { preferredType } from '../http/media-type.ts'
import { HeldFeed } from '../http/held-feed.ts'
import { holdUntilEnd } from '../http/unfinished.ts'
import { SSE_MEDIA_TYPE } from '../protocol/sse.ts'
import { selectorOf } from '../topic-pattern.ts'
import { changeFeedRoute } from './change-feed.ts'
import type { RoutePlugin } from './context.ts'
import { feedBytes, requireFewNames } from './feed-names.ts'
import { askedTopics, feedPresenceQuery } from './presence.ts'
import { requestedCursor, validPattern } from './names.ts'
import { afterQuery, cursorHeaders, eventStreamResponse, problemResponses } from './schemas.ts'

export const feedRoutes: RoutePlugin = async (fastify, context) => {
  const { hub, streams, kinds, presence, regrant, rates, limits } = context
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>()

  app.get(
    '/feed',
    {
      // To HEAD there is nothing to say, and a stream would be opened.
      exposeHeadRoute: false,
      schema: {
        summary: 'Follow many topics on one stream',
        description: 'Each event is an envelope `{"topic", "type"?, "time", "data"}`.',
        tags: ['receive'],
        querystring: Type.Object({
          topic: Type.Array(Type.String(), {
            description:
              'A topic or a pattern (`*`: one segment, `**`: any number, last). Repeat it for more.',
          }),
          presence: feedPresenceQuery,
          after: afterQuery,
          lastEventId: Type.Optional(Type.String({ description: 'As the Last-Event-ID header.' })),
        }),
        headers: cursorHeaders,
        response: { 200: eventStreamResponse, ...problemResponses },
      },
    },
    async (request, reply) => {
      const names = request.query.topic
      requireFewNames(names, limits)
      const grant = request.grant
      for (const name of names) grant.requireReceive(validPattern(name, limits))
      if (preferredType(request.headers.accept, [SSE_MEDIA_TYPE]) === undefined) {
        throw new MillraceError('MILLRACE_NOT_ACCEPTABLE', `A feed is served as ${SSE_MEDIA_TYPE} only.`)
      }
      const watched = askedTopics(names, request.query.presence)
      await requireStreamRate(rates, request)
      const cursor = requestedCursor(request, request.query)
      const held = holdUntilEnd(request, reply, feedBytes(names))
      const opened = streams.open(
        request,
        reply,
        kinds.feed,
        selectorOf(names),
        hub.startAt(cursor === 'absent' ? 'now' : cursor),
      )
      if (opened === undefined) return reply
      if (held !== undefined) opened.held = new HeldFeed(held, feedBytes(names))
      if (watched.length > 0) presence.watch(opened, watched)
      return reply
    },
  )

  changeFeedRoute(fastify, context)

  app.post(
    '/feed/:feed/token',
    {
      schema: {
        summary: "Renew a stream's token without reopening it",
        description:
          'The new token comes as `Authorization: Bearer`; the feed is the one that `millrace:open` named. ' +
          'It must be of the same `sub`, and cover what the stream follows.',
        tags: ['access'],
        response: { 204: { type: 'null', description: 'The stream goes on with it' }, ...problemResponses },
      },
    },
    async (request, reply) => {
      const { feed } = request.params as { feed: string }
      const { grant } = request
      if (grant.isAnonymous) {
        throw new MillraceError('MILLRACE_TOKEN_MISSING', 'Send the new token as `Authorization: Bearer`.')
      }
      const regranted = await regrant(feed, grant)
      if (regranted === 'granted') return reply.code(204).send(null)
      if (regranted === 'unknown') throw new MillraceError('MILLRACE_NOT_FOUND', 'No stream has this name.')
      const detail = 'The token is of somebody else, or does not cover what the stream follows.'
      throw new MillraceError('MILLRACE_FORBIDDEN', detail)
    },
  )
}
