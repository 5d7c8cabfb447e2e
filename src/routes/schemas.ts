// Schemas that several routes share. They validate, type, and make /openapi.json.

import { Type } from 'typebox'
import { PROBLEM_MEDIA_TYPE } from '../http/problem.ts'

export const idText = Type.String({
  description: 'An event id, `<epoch>-<sequence>`: a cursor for any set of topics.',
})

export const published = Type.Object({ id: idText, topic: Type.String() })

export const publishedLines = Type.Object({
  published: Type.Integer({ description: 'Events of this body that are kept, repeated ones included.' }),
  duplicates: Type.Integer({ description: 'How many of them were kept before, under the same key.' }),
  id: Type.Optional(idText),
})

export const envelope = Type.Object({
  id: Type.Optional(idText),
  topic: Type.String(),
  type: Type.Optional(Type.String()),
  time: Type.String({ format: 'date-time' }),
  data: Type.Unknown({ description: 'JSON data as it was published; text as a string.' }),
})

export const gap = Type.Object({
  reason: Type.Union([Type.Literal('expired'), Type.Literal('unknown')]),
  resumesAfter: idText,
  lostThrough: Type.Optional(idText),
})

export const topicSummary = Type.Object({
  topic: Type.String(),
  events: Type.Integer(),
  bytes: Type.Integer(),
  first: Type.Optional(idText),
  last: Type.Optional(idText),
  state: Type.Optional(idText),
  time: Type.String({ format: 'date-time' }),
})

export const problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String({ description: 'Stable; see /errors.' }),
  },
  { additionalProperties: true },
)

export const problemResponses = {
  '4xx': { description: 'A problem (RFC 9457)', content: { [PROBLEM_MEDIA_TYPE]: { schema: problem } } },
  '5xx': { description: 'A problem (RFC 9457)', content: { [PROBLEM_MEDIA_TYPE]: { schema: problem } } },
}

export const eventStreamResponse = {
  description: 'An event stream (WHATWG HTML, 9.2)',
  content: { 'text/event-stream': { schema: Type.String() } },
}

export const idempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({ description: 'A repeated request with the same key is kept once.' }),
  ),
})

export const cursorHeaders = Type.Object({
  'last-event-id': Type.Optional(Type.String({ description: 'Go on after this id. Comes before `after`.' })),
})

export const afterQuery = Type.Optional(
  Type.String({ description: 'Go on after this id, or from the `earliest` event that is kept.' }),
)
