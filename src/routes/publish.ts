// POST /topics/{topic}, PUT /topics/{topic}, POST /events: events come in.

import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { MillraceError } from '../errors.ts'
import type { Topic } from '../event.ts'
import { readText } from '../http/body.ts'
import { requestKey } from '../http/idempotency-key.ts'
import { bodyKind, NDJSON_MEDIA_TYPE, type BodyKind } from '../http/media-type.ts'
import { clientsOf, secondsOf, type RateLimits } from '../http/rates.ts'
import { formatId } from '../protocol/ids.ts'
import type { RouteContext, RoutePlugin } from './context.ts'
import { pathTopic, validType } from './names.ts'
import { eventOfLine, jsonText, publishLines } from './publish-lines.ts'
import { idempotencyHeaders, problemResponses, published, publishedLines } from './schemas.ts'

const typeQuery = Type.Object({
  type: Type.Optional(Type.String({ description: 'The SSE event name. Default: `message`.' })),
})

export const publishRoutes: RoutePlugin = async (fastify, context) => {
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>()

  app.post(
    '/topics/*',
    {
      schema: {
        summary: 'Publish to a topic',
        description: `The body is the event's data: text or JSON. As ${NDJSON_MEDIA_TYPE}, each line is one event.`,
        tags: ['publish'],
        querystring: typeQuery,
        headers: idempotencyHeaders,
        response: { 201: Type.Union([published, publishedLines]), ...problemResponses },
      },
      config: { bodies: ['text/plain', 'application/json', NDJSON_MEDIA_TYPE] },
    },
    async (request, reply) => {
      const topic = pathTopic(request, context.limits)
      request.grant.requirePublish(topic)
      const type = validType(request.query.type)
      const kind = bodyKind(request)
      if (kind !== 'ndjson') return publishOne(context, request, reply, { topic, type, isState: false, kind })
      let checked = request.grant
      return publishLines(context, request, reply, (line, grant) => {
        // Not for each line: a grant that is the same covers the topic still.
        if (grant !== checked) (checked = grant).requirePublish(topic)
        return { topic, type, data: jsonText(line), isJson: true }
      })
    },
  )

  app.put(
    '/topics/*',
    {
      schema: {
        summary: "Set a topic's state",
        description:
          'Publishes the body, and keeps it beyond retention as what new subscribers are handed first.',
        tags: ['publish'],
        querystring: typeQuery,
        headers: idempotencyHeaders,
        response: { 201: published, ...problemResponses },
      },
      config: { bodies: ['text/plain', 'application/json'] },
    },
    async (request, reply) => {
      const topic = pathTopic(request, context.limits)
      request.grant.requirePublish(topic)
      const type = validType(request.query.type)
      const kind = bodyKind(request)
      if (kind === 'ndjson') {
        throw new MillraceError('MILLRACE_MEDIA_TYPE_UNSUPPORTED', 'A state is one value: send text or JSON.')
      }
      return publishOne(context, request, reply, { topic, type, isState: true, kind })
    },
  )

  app.post(
    '/events',
    {
      schema: {
        summary: 'Publish across topics',
        description: 'Each line is one event: `{"topic", "data", "type"?}`. `data` may be any JSON value.',
        tags: ['publish'],
        headers: idempotencyHeaders,
        response: { 201: publishedLines, ...problemResponses },
      },
      config: { bodies: [NDJSON_MEDIA_TYPE] },
    },
    async (request, reply) => {
      if (bodyKind(request) !== 'ndjson') {
        throw new MillraceError(
          'MILLRACE_MEDIA_TYPE_UNSUPPORTED',
          `Send ${NDJSON_MEDIA_TYPE}, an event a line.`,
        )
      }
      return publishLines(context, request, reply, (line, grant) => {
        const event = eventOfLine(line, context)
        grant.requirePublish(event.topic)
        return event
      })
    },
  )
}

interface OneEvent {
  readonly topic: Topic
  readonly type: string | undefined
  readonly isState: boolean
  readonly kind: BodyKind
}

async function publishOne(
  { hub, limits, rates, currentGrant }: RouteContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { topic, type, isState, kind }: OneEvent,
): Promise<{ id: string; topic: Topic }> {
  const key = requestKey(request)
  const isTaken = requirePublishRate(rates, request)
  if (isTaken !== undefined) await isTaken
  const data = await readText(request, limits)
  // A body can take long to arrive.
  const grant = currentGrant(request.grant)
  if (grant !== request.grant) (await grant).requirePublish(topic)
  const isJson = kind === 'json'
  if (isJson) jsonText(data)
  const events = [{ topic, data, type, isJson, isState }]
  const appended = await hub.publish(events, key?.next(events))
  reply.code(201)
  if (appended.added === 0) reply.header('idempotent-replayed', 'true')
  return { id: formatId(hub.log.epoch, appended.last), topic }
}

/** A promise only where another thread is asked. Errors: MILLRACE_PUBLISH_RATE. */
export function requirePublishRate(rates: RateLimits, request: FastifyRequest): Promise<void> | undefined {
  const taken = rates.take('publish', clientsOf(request), 1)
  if (typeof taken !== 'number') return taken.then(refuseToWait)
  refuseToWait(taken)
  return undefined
}

function refuseToWait(waitMs: number): void {
  if (waitMs > 0) throw tooFast(waitMs)
}

function tooFast(waitMs: number): MillraceError {
  return new MillraceError('MILLRACE_PUBLISH_RATE', 'You publish faster than the hub allows.', {
    retryAfter: secondsOf(waitMs),
  })
}
