// GET /.well-known/mercure/subscriptions and below: which subscriptions are open, those of a matcher, or one. Each draft is told
// of the subscriptions that were made by it.

import { Buffer } from 'node:buffer'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MillraceError } from '../../errors.ts'
import type { Question } from '../../http/thread-questions.ts'
import { selectorOf } from '../../topic-pattern.ts'
import { problemResponses } from '../schemas.ts'
import type { MercureContext } from './context.ts'
import { encodeSegment, hubPath, SUBSCRIPTION_EVENTS, SUBSCRIPTIONS_PATH, UPDATES } from './paths.ts'
import { rightsOf, type Draft } from './rights.ts'
import { MERCURE_CONFIG } from './credentials.ts'
import { documentOf, JSON_LD, memberOf, type Subscription, type WantedSubscriptions } from './subscription.ts'

export const OPEN_SUBSCRIPTIONS: Question<WantedSubscriptions, Subscription[]> = {
  name: 'mercure subscriptions',
}

export function subscriptionRoutes(app: FastifyInstance, context: MercureContext): void {
  const options = {
    config: MERCURE_CONFIG,
    schema: {
      summary: 'Active subscriptions (Mercure)',
      description:
        "Behind the path: a matcher, or one subscription, as the drafts write them. In its draft's JSON.",
      tags: ['mercure'],
      response: problemResponses,
    },
  }
  for (const url of [SUBSCRIPTIONS_PATH, `${SUBSCRIPTIONS_PATH}/*`]) {
    app.get(url, options, (request, reply) => answer(context, request, reply))
  }
}

async function answer(
  context: MercureContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  // As it was sent: grants name the encoded form.
  const path = request.raw.url!.split('?')[0]!
  const segments = segmentsOf(path, request.server.prefix + SUBSCRIPTIONS_PATH)
  const { draft, subscribe } = rightsOf(request, context.options)
  if (!subscribe.some(matcher => matcher.matches(path))) throw denial(request)
  const wanted = readSegments(segments, draft ?? 7)
  const lastId = await lastEventId(context)
  // The list is read after the id: who subscribes from there on misses nothing that it lacks.
  const found = (await context.questions.ask(OPEN_SUBSCRIPTIONS, wanted)).flat()
  setHeaders(reply, hubPath(request), wanted.draft, lastId)
  if (request.headers['if-none-match'] === etagOf(lastId)) return reply.code(304).send()
  // As bytes: to a text Fastify adds a charset, which JSON has none of (RFC 8259, section 11).
  return reply.send(Buffer.from(JSON.stringify(answerOf(path, wanted, found, lastId))))
}

function denial(request: FastifyRequest): MillraceError {
  return request.grant.isAnonymous
    ? new MillraceError('MILLRACE_TOKEN_MISSING', 'Subscriptions are told to tokens that name this path.')
    : new MillraceError('MILLRACE_FORBIDDEN', 'Your token does not name this path among its topics.')
}

const MATCH_TYPES: ReadonlySet<string> = new Set(['exact', 'urlpattern'])

/** What stands behind the path of all subscriptions. A grant is asked by the path, so there is one spelling of each. */
function segmentsOf(path: string, all: string): string[] {
  if (path === all) return []
  const segments = path
    .slice(all.length + 1)
    .split('/')
    .map(decodeSegment)
  const isBelow = path.startsWith(`${all}/`) && segments.length <= 3
  if (isBelow && !segments.some(segment => /^\.{0,2}$/.test(segment))) return segments
  throw new MillraceError('MILLRACE_NOT_FOUND', `No subscription has the path '${path}'.`)
}

/** Which draft two segments belong to depends on the token: a draft 7 topic can be called `exact`. */
function readSegments(segments: readonly string[], tokenDraft: Draft): WantedSubscriptions {
  const [first, second, third] = segments
  if (first === undefined) return { draft: tokenDraft }
  if (second === undefined) return { draft: 7, value: first }
  if (third === undefined && tokenDraft === 7) return { draft: 7, value: first, subscriber: second }
  if (!MATCH_TYPES.has(first)) {
    throw new MillraceError('MILLRACE_REQUEST_INVALID', `'${first}' is no type of matcher.`)
  }
  return { draft: 8, type: first, value: second, ...(third !== undefined && { subscriber: third }) }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new MillraceError('MILLRACE_REQUEST_INVALID', `'${segment}' is not percent-encoded UTF-8.`)
  }
}

function answerOf(
  path: string,
  { draft, subscriber }: WantedSubscriptions,
  found: readonly Subscription[],
  lastId: string,
): object {
  const cursor = draft === 7 ? { lastEventID: lastId } : {}
  if (subscriber === undefined) {
    const head =
      draft === 7 ? { ...JSON_LD, id: path, type: 'Subscriptions' } : { id: path, type: 'subscriptions' }
    return { ...head, ...cursor, subscriptions: found.map(each => memberOf(each, true)) }
  }
  if (found.length === 0) throw new MillraceError('MILLRACE_NOT_FOUND', 'No such subscription is open.')
  return { ...documentOf(found[0]!, true), ...cursor }
}

function setHeaders(reply: FastifyReply, hub: string, draft: Draft, lastId: string): void {
  const type = draft === 7 ? 'application/ld+json' : 'application/json'
  const cursor = lastId.replace(/["\\]/g, character => `\\${character}`)
  reply
    .type(type)
    .header('etag', etagOf(lastId))
    .header('cache-control', 'private, no-cache, must-revalidate')
    .header(
      'link',
      latin1(`<${hub}>; rel="mercure"; last-event-id="${cursor}"; type="mercure"; content-type="${type}"`),
    )
}

function etagOf(lastId: string): string {
  return latin1(`"${lastId.replace(/[\u0000-\u0020"%\u007f]/g, character => encodeSegment(character))}"`)
}

/** Headers are bytes to HTTP, and Latin-1 to Node. */
function latin1(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** Of the newest update or event about a subscription. */
async function lastEventId({ hub, ids }: MercureContext): Promise<string> {
  const { log } = hub
  const summaries = await Promise.all([UPDATES, SUBSCRIPTION_EVENTS].map(topic => log.topic(topic)))
  const last = Math.max(...summaries.map(summary => summary?.last ?? 0))
  if (last === 0) return 'earliest'
  const page = await log.read(last - 1, selectorOf([UPDATES, SUBSCRIPTION_EVENTS]), {
    through: last,
    maxEvents: 1,
    maxBytes: 1,
  })
  const [event] = page.events
  return event === undefined ? ids.format(last) : ids.of(event)
}
