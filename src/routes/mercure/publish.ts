// POST /.well-known/mercure: updates come in, as forms.

import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { MillraceError } from '../../errors.ts'
import { RESERVED_TYPE_PREFIX } from '../../event.ts'
import { readText } from '../../http/body.ts'
import { requestKey } from '../../http/idempotency-key.ts'
import { requirePublishRate } from '../publish.ts'
import { problemResponses } from '../schemas.ts'
import type { MercureContext } from './context.ts'
import { FORM_MEDIA_TYPE, parseForm, requireForm, type FormField } from './form.ts'
import { MAX_ID_BYTES, MAX_TOPICS } from './limits.ts'
import type { HubIds } from './ids.ts'
import { matcherFault } from './matcher.ts'
import { HUB_PATH, hubUrl, UPDATES } from './paths.ts'
import { rightsOf } from './rights.ts'
import { MERCURE_CONFIG } from './credentials.ts'
import { eventOf, type Update } from './update.ts'

export function publishRoute(app: FastifyInstance, context: MercureContext): void {
  app.post(
    HUB_PATH,
    {
      config: { ...MERCURE_CONFIG, bodies: [FORM_MEDIA_TYPE] },
      schema: {
        summary: 'Publish an update (Mercure)',
        description: 'The fields are `topic` (once or more), `data`, `private`, `id`, `type` and `retry`.',
        tags: ['mercure'],
        response: {
          200: { description: 'Its id', content: { 'text/plain': { schema: Type.String() } } },
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const { id, isNew } = await publish(context, request)
      if (!isNew) reply.header('idempotent-replayed', 'true')
      return reply.type('text/plain; charset=utf-8').send(id)
    },
  )
}

async function publish(
  context: MercureContext,
  request: FastifyRequest,
): Promise<{ id: string; isNew: boolean }> {
  const { hub, limits, ids, rates, currentGrant } = context
  requireSomeRight(context, request)
  requireForm(request)
  const key = requestKey(request)
  await requirePublishRate(rates, request)
  const update = readUpdate(parseForm(await readText(request, limits)), hubUrl(request), ids)
  // A body can take long to arrive.
  request.grant = await currentGrant(request.grant)
  requirePublish(context, request, update.topics)
  const events = [eventOf(update)]
  const { last, added } = await hub.publish(events, key?.next(events))
  return { id: update.id ?? ids.format(last), isNew: added > 0 }
}

/** Before the body is read. Errors: MILLRACE_TOKEN_MISSING, MILLRACE_TOKEN_INVALID, MILLRACE_FORBIDDEN. */
function requireSomeRight({ options }: MercureContext, request: FastifyRequest): void {
  if (rightsOf(request, options).draft === undefined) request.grant.requirePublish(UPDATES)
}

/** Each topic must be granted, alternates too. Errors: MILLRACE_FORBIDDEN. */
function requirePublish(context: MercureContext, request: FastifyRequest, topics: readonly string[]): void {
  const { draft, publish: granted } = rightsOf(request, context.options)
  if (draft === undefined) return request.grant.requirePublish(UPDATES)
  const refused = topics.find(topic => !granted.some(matcher => matcher.matches(topic)))
  if (refused === undefined) return
  throw new MillraceError('MILLRACE_FORBIDDEN', `You may not publish to ${shown(refused)}.`)
}

/** Errors: MILLRACE_REQUEST_INVALID, MILLRACE_NOT_UTF8, MILLRACE_BODY_TOO_LARGE. */
function readUpdate(fields: readonly FormField[], url: string, ids: HubIds): Update {
  const all = (name: string): FormField[] => fields.filter(field => field.name === name)
  const topics = all('topic').map(({ value }) => requireTopic(value, url))
  if (topics.length === 0) throw invalid("'topic' is missing")
  if (topics.length > MAX_TOPICS) {
    throw new MillraceError('MILLRACE_BODY_TOO_LARGE', `An update has at most ${MAX_TOPICS} topics.`)
  }
  const [data] = all('data')
  if (data !== undefined && data.value === undefined) {
    throw new MillraceError('MILLRACE_NOT_UTF8', "'data' is not valid UTF-8.")
  }
  return {
    topics: [...new Set(topics)],
    data: data?.value ?? '',
    isPrivate: all('private').length > 0,
    id: readId(all('id')[0], ids),
    type: readType(all('type')[0]),
    retryMs: readRetry(all('retry')[0]),
  }
}

function requireTopic(value: string | undefined, url: string): string {
  const fault = value === undefined ? 'not UTF-8' : (matcherFault(value) ?? topicFault(value, url))
  if (fault !== undefined) throw invalid(`The topic ${shown(value ?? '')} cannot be used: ${fault}`)
  return value!
}

/** Draft 8, section 5: what the path of a topic is once it is resolved, whatever the host. */
function topicFault(topic: string, url: string): string | undefined {
  if (topic === '*') return 'in subscriptions it stands for all topics'
  if (!URL.canParse(topic, url)) return undefined
  const path = new URL(topic, url).pathname.replace(/%([0-9a-f]{2})/gi, decodeUnreserved)
  const own = new URL(url).pathname
  return `${path}/`.startsWith(`${own}/`) ? `what lies under ${own} is the hub's own` : undefined
}

function decodeUnreserved(escape: string, digits: string): string {
  const character = String.fromCharCode(parseInt(digits, 16))
  return /[\w.~-]/.test(character) ? character : escape
}

function readId(field: FormField | undefined, ids: HubIds): string | undefined {
  if (field === undefined || field.value === '') return undefined
  const id = requirePlain('id', field.value)
  if (id.startsWith('#')) throw invalid("'id' starts with '#': such ids are the hub's to give")
  if (ids.parse(id) !== undefined) throw invalid("'id' is one that the hub gives")
  // It comes back in a header, which is trimmed and has no room for a large one.
  if (Buffer.byteLength(id) > MAX_ID_BYTES) throw invalid(`'id' is longer than ${MAX_ID_BYTES} bytes`)
  if (id.trim() !== id) throw invalid("'id' begins or ends with a space")
  if (id === 'earliest') throw invalid("'id' is 'earliest', which stands for the beginning of the history")
  return id
}

function readType(field: FormField | undefined): string | undefined {
  if (field === undefined || field.value === '') return undefined
  const type = requirePlain('type', field.value)
  if (type === 'mercure' || type.startsWith(RESERVED_TYPE_PREFIX)) {
    throw invalid(`'type' is ${shown(type)}, which is for the hub's own events`)
  }
  return type
}

/** What would break out of its line, or not be seen. */
function requirePlain(name: string, value: string | undefined): string {
  const fault = value === undefined ? 'not UTF-8' : matcherFault(value)
  if (fault !== undefined) throw invalid(`'${name}' cannot be used: ${fault}`)
  return value!
}

function readRetry(field: FormField | undefined): number | undefined {
  if (field === undefined || field.value === '') return undefined
  const retryMs = /^[0-9]+$/.test(field.value ?? '') ? Number(field.value) : NaN
  if (!Number.isSafeInteger(retryMs)) throw invalid("'retry' is no whole number of milliseconds")
  return retryMs
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

function invalid(detail: string): MillraceError {
  return new MillraceError('MILLRACE_REQUEST_INVALID', `${detail}.`)
}
