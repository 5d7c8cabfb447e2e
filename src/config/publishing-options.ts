// The options that say what publishers may send: a part of `schema.ts`.

import { Type } from 'typebox'
import { MAX_TIMER_MS } from './longest-delays.ts'

export const publishingOptions = {
  maxBodyBytes: Type.Integer({
    group: 'Publishing',
    default: 1_048_576,
    minimum: 1,
    // Well under V8's longest string, which event data must fit.
    maximum: 268_435_456,
    description: 'The largest event: a whole request body, or one line of an NDJSON body.',
  }),
  bodyTimeoutMs: Type.Integer({
    group: 'Publishing',
    default: 60_000,
    minimum: 10,
    maximum: MAX_TIMER_MS,
    description:
      'How long a body may bring nothing (between two lines of NDJSON: for ever), and how long the rest of a refused one is read and thrown away.',
  }),
  maxPublishRate: Type.Integer({
    group: 'Publishing',
    unit: 'events/s',
    default: 0,
    minimum: 0,
    maximum: 1_000_000_000,
    description: 'What one client may publish, by its address and by its token. 0 means no limit.',
  }),
  maxTopicNameBytes: Type.Integer({
    group: 'Publishing',
    default: 256,
    minimum: 1,
    maximum: 4096,
    description: 'The longest topic name or pattern.',
  }),
  maxIdempotencyKeys: Type.Integer({
    group: 'Publishing',
    default: 100_000,
    minimum: 1,
    maximum: 10_000_000,
    description: 'How many Idempotency-Keys are remembered.',
  }),
  idempotencyKeyAgeMs: Type.Integer({
    group: 'Publishing',
    default: 86_400_000,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'How long an Idempotency-Key is remembered.',
  }),
}
