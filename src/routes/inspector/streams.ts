// GET /inspector/api/streams and DELETE /inspector/api/streams/{feed}: who is connected, and closing a stream.

import { setImmediate } from 'node:timers/promises'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type, type Static } from 'typebox'
import { MillraceError } from '../../errors.ts'
import type { EventStreams, OpenStream } from '../../http/event-streams.ts'
import type { Question } from '../../http/thread-questions.ts'
import type { StreamInfo, StreamList } from '../../protocol/inspector.ts'
import { problemResponses } from '../schemas.ts'
import type { InspectorContext } from './context.ts'

/** What one stream is said to follow, at most. */
const MAX_TOPICS = 20
const DEFAULT_STREAMS = 100
const MAX_STREAMS = 1000

const TURN_MS = 5

interface WantedStreams {
  readonly topic: string | undefined
  readonly search: string | undefined
  readonly limit: number
}

const OPEN_STREAMS: Question<WantedStreams, Promise<StreamList>> = { name: 'inspector streams' }
const CLOSE_STREAM: Question<string, boolean> = { name: 'inspector close' }

export function streamRoutes(fastify: FastifyInstance, { questions, streams }: InspectorContext): void {
  const app = fastify.withTypeProvider<TypeBoxTypeProvider>()
  questions.answerWith(OPEN_STREAMS, wanted => ownStreams(streams, wanted))
  questions.answerWith(CLOSE_STREAM, feed => {
    const opened = streams.find(feed)
    opened?.stream.end('closed')
    return opened !== undefined
  })

  app.get(
    '/inspector/api/streams',
    {
      schema: {
        summary: 'The event streams that are open',
        description: 'Those of all threads, the furthest behind first. Needs an admin grant.',
        tags: ['operate'],
        querystring: Type.Object({
          topic: Type.Optional(Type.String({ description: 'Only those that get the events of this topic.' })),
          search: Type.Optional(
            Type.String({ description: 'Only those with this text in their name, address, feed or topics.' }),
          ),
          limit: Type.Optional(
            Type.Integer({ minimum: 1, maximum: MAX_STREAMS, description: 'Default: 100.' }),
          ),
        }),
        response: { 200: streamList, ...problemResponses },
      },
    },
    async (request, reply) => {
      const { topic, search, limit = DEFAULT_STREAMS } = request.query
      const lists = await questions.ask(OPEN_STREAMS, { topic, search: search?.toLowerCase(), limit })
      reply.header('cache-control', 'no-store')
      const answer: StreamList = {
        total: sum(lists.map(({ total }) => total)),
        matching: sum(lists.map(({ matching }) => matching)),
        streams: lists
          .flatMap(list => list.streams)
          .sort(furthestFirst)
          .slice(0, limit),
      }
      // The schema knows no lists that are only read.
      return answer as Static<typeof streamList>
    },
  )

  app.delete(
    '/inspector/api/streams/:feed',
    {
      schema: {
        summary: 'Close an event stream',
        description:
          'Its client is told so (`millrace:bye`, reason `closed`), and may come back: what keeps it out is its grant. Needs an admin grant.',
        tags: ['operate'],
        params: Type.Object({ feed: Type.String() }),
        response: { 204: { type: 'null', description: 'It is closed' }, ...problemResponses },
      },
    },
    async (request, reply) => {
      const closed = await questions.ask(CLOSE_STREAM, request.params.feed)
      if (!closed.includes(true)) throw new MillraceError('MILLRACE_NOT_FOUND', 'No stream has this name.')
      return reply.code(204).send(null)
    },
  )
}

const streamList = Type.Object({
  total: Type.Integer(),
  matching: Type.Integer(),
  streams: Type.Array(
    Type.Object({
      feed: Type.String(),
      kind: Type.String(),
      address: Type.String(),
      name: Type.Optional(Type.String()),
      topics: Type.Array(Type.String()),
      topicCount: Type.Integer(),
      phase: Type.Enum(['live', 'catching-up', 'behind']),
      lag: Type.Integer(),
      bytesSent: Type.Integer(),
      bufferedBytes: Type.Integer(),
      openedMs: Type.Integer(),
      expiresAt: Type.Optional(Type.Integer()),
      isCompressed: Type.Boolean(),
      protocol: Type.Enum(['h2', 'http/1.1']),
    }),
  ),
})

/** In turns: there can be many. */
async function ownStreams(
  streams: EventStreams,
  { topic, search, limit }: WantedStreams,
): Promise<StreamList> {
  let turnEndsAt = performance.now() + TURN_MS
  let total = 0
  const matching: StreamInfo[] = []
  for (const opened of streams.list()) {
    total++
    const { selector } = opened
    // Other protocols have topics of their own.
    const follows = topic === undefined || (selector.source === undefined && selector.matches(topic))
    if (follows && (search === undefined || hasText(opened, search))) matching.push(infoOf(streams, opened))
    if (performance.now() < turnEndsAt) continue
    await setImmediate()
    turnEndsAt = performance.now() + TURN_MS
  }
  return { total, matching: matching.length, streams: matching.sort(furthestFirst).slice(0, limit) }
}

function hasText({ feed, owner, grant, selector }: OpenStream, search: string): boolean {
  const texts = [feed, owner.remoteAddress, grant.name ?? '', ...selector.topics, ...selector.patterns]
  return texts.some(text => text.toLowerCase().includes(search))
}

function infoOf(streams: EventStreams, opened: OpenStream): StreamInfo {
  const { feed, kind, stream, subscriber, selector, owner, grant } = opened
  const { bytesSent, bufferedBytes, isCompressing: isCompressed } = stream
  const topics = [...selector.topics, ...selector.patterns]
  return {
    feed,
    kind: kind.encoder.name,
    address: owner.remoteAddress,
    ...(grant.name !== undefined && { name: grant.name }),
    topics: topics.slice(0, MAX_TOPICS),
    topicCount: topics.length,
    // One that is closed is about to leave the list.
    phase: subscriber.phase === 'closed' ? 'behind' : subscriber.phase,
    lag: streams.positionsBehind(subscriber),
    bytesSent,
    bufferedBytes,
    openedMs: Math.round(performance.now() - owner.openedAt),
    ...(isFinite(grant.expiresAt) && { expiresAt: grant.expiresAt }),
    isCompressed,
    protocol: owner.protocol,
  }
}

function furthestFirst(one: StreamInfo, other: StreamInfo): number {
  return other.lag - one.lag || other.bufferedBytes - one.bufferedBytes || other.openedMs - one.openedMs
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0)
}
