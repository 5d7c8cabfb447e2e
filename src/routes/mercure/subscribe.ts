// GET, HEAD and QUERY /.well-known/mercure: subscriptions of both drafts.

import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readText } from '../../http/body.ts'
import { holdUntilEnd } from '../../http/unfinished.ts'
import type { Start } from '../../hub/subscriber.ts'
import { SSE_MEDIA_TYPE } from '../../protocol/sse.ts'
import { eventStreamResponse, problemResponses } from '../schemas.ts'
import { requireStreamRate } from '../stream-rate.ts'
import type { MercureContext } from './context.ts'
import { MERCURE_CONFIG } from './credentials.ts'
import { parseForm, requireForm, type FormField } from './form.ts'
import { HUB_PATH, hubPath, hubUrl, UPDATES } from './paths.ts'
import { queryFields, readQuery, type SubscribeQuery } from './query.ts'
import { maySubscribe, rightsOf } from './rights.ts'
import { HISTORY, MercureSelector } from './selection.ts'

export function subscribeRoutes(app: FastifyInstance, context: MercureContext): void {
  const route = {
    url: HUB_PATH,
    config: MERCURE_CONFIG,
    handler: (request: FastifyRequest, reply: FastifyReply) => subscribe(context, request, reply),
  }
  app.route({
    ...route,
    method: ['GET', 'HEAD'],
    schema: {
      summary: 'Subscribe to updates (Mercure)',
      description:
        'By `topic` (draft 7), or `match`, `match_exact` and `match_urlpattern` (draft 8), each as often as wanted. ' +
        'In draft 8 the parameters may also be the form that is the body of a QUERY.',
      tags: ['mercure'],
      response: { 200: eventStreamResponse, ...problemResponses },
    },
  })
  // OpenAPI 3.1 has no word for the method.
  app.route({ ...route, method: 'QUERY', schema: { hide: true } })
}

async function subscribe(
  context: MercureContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { hub, streams, rates, anonymous, kind, options } = context
  const rights = rightsOf(request, options)
  if (!maySubscribe(rights, request.grant, anonymous)) request.grant.requireReceive(UPDATES)
  const url = hubUrl(request)
  const fields = queryFields(request)
  if (request.method === 'QUERY') fields.push(...(await bodyFields(context, request)))
  const query = readQuery(request, fields, url)
  const selector = new MercureSelector(query.draft, query.matchers, rights.subscribe, url)
  reply.header('link', `<${hubPath(request)}>; rel="mercure"`)
  const start = await startOf(context, query, reply)
  if (request.method === 'HEAD') {
    return reply.header('cache-control', 'private, no-cache').type(SSE_MEDIA_TYPE).send()
  }
  await requireStreamRate(rates, request)
  holdUntilEnd(request, reply, bytesOf(query))
  streams.open(request, reply, kind, selector, start ?? nowAt(hub.position), `urn:uuid:${randomUUID()}`)
  return reply
}

/** A body may be missing: all can stand in the address. */
async function bodyFields({ limits }: MercureContext, request: FastifyRequest): Promise<FormField[]> {
  const text = await readText(request, limits)
  if (text !== '') requireForm(request)
  return parseForm(text)
}

function nowAt(position: number): Start {
  return { kind: 'now', position, hasStates: false }
}

/** Where it begins, which a header tells if the client said where it wants to; undefined: now. */
async function startOf(
  context: MercureContext,
  { draft, lastEventId }: SubscribeQuery,
  reply: FastifyReply,
): Promise<Start | undefined> {
  if (lastEventId === undefined) return undefined
  const position = await positionAfter(context, lastEventId)
  const header = draft === 7 ? 'last-event-id' : 'mercure-last-event-id'
  reply.header(header, position === undefined ? 'earliest' : headerBytes(lastEventId))
  // An empty one is no place to go on from, and is answered all the same.
  if (lastEventId === '') return undefined
  if (position === undefined) return { kind: 'earliest', position: 0, hasStates: false }
  return { kind: 'resume', position, hasStates: false }
}

/** Undefined: the id is not known, or updates that came after it are gone. */
async function positionAfter(
  { hub, ids, chosenIds }: MercureContext,
  id: string,
): Promise<number | undefined> {
  if (id === 'earliest' || id === '') return undefined
  const own = ids.parse(id)
  const positions = own === undefined ? await chosenIds.positionsOf(id) : [own]
  const lost = await hub.log.lostThrough(HISTORY)
  return positions.find(position => position >= lost && position <= hub.log.head())
}

/** Headers are bytes to HTTP, and Latin-1 to Node: the id goes out as it came in. */
function headerBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

// A compiled expression takes 500 bytes a unit of its weight, and time whenever a topic is new to the hub.
const WEIGHT_BYTES = 2048

/** About what the hub holds of it while it is open: compiled expressions are shared, but may be nobody else's. */
function bytesOf({ matchers }: SubscribeQuery): number {
  return matchers.reduce((sum, { value, weight }) => sum + 300 + 2 * value.length + weight * WEIGHT_BYTES, 0)
}
