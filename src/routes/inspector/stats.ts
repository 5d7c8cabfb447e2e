// GET /inspector/api/stats: how the hub is, once a second, as an event stream.

import type { FastifyInstance } from 'fastify'
import { MillraceError } from '../../errors.ts'
import { connectionOf } from '../../http/connections.ts'
import { isGone, respond } from '../../http/event-streams.ts'
import { eventStreamResponse, problemResponses } from '../schemas.ts'
import type { InspectorContext } from './context.ts'
import { StatsFeed } from './stats-feed.ts'
import { answerFigures } from './thread-figures.ts'

export function statsRoute(app: FastifyInstance, context: InspectorContext): void {
  answerFigures(context)
  const feed = new StatsFeed(context, app.log)
  app.get(
    '/inspector/api/stats',
    {
      schema: {
        summary: 'How the hub is, once a second',
        description: 'An event stream of `stats` events, for the inspector. Needs an admin grant.',
        tags: ['operate'],
        response: { 200: eventStreamResponse, ...problemResponses },
      },
    },
    async (request, reply) => {
      if (context.closing.aborted) {
        throw new MillraceError('MILLRACE_DRAINING', 'No new streams are opened.', { retryAfter: 1 })
      }
      if (isGone(request, reply)) return reply.hijack()
      const outgoing = respond(request, reply)
      const connection = connectionOf(request)
      // It is not idle while somebody looks.
      if (connection !== undefined) {
        connection.streams++
        outgoing.once('close', () => connection.streams--)
      }
      feed.show(outgoing, request.grant)
      return reply
    },
  )
}
