// The options that say what readers may ask for, and how streams are kept: a part of `schema.ts`.

import { Type } from 'typebox'
import { MAX_KEEPALIVE_MS, MAX_TIMER_MS } from './longest-delays.ts'

export const receivingOptions = {
  maxStreamRate: Type.Integer({
    group: 'Receiving',
    unit: 'streams/s',
    default: 0,
    minimum: 0,
    maximum: 1_000_000_000,
    description:
      'How many event streams one client may open, by its address and by its token. 0 means no limit.',
  }),
  maxPatternsPerFeed: Type.Integer({
    group: 'Receiving',
    default: 1000,
    minimum: 1,
    maximum: 100_000,
    description: 'How many topics and patterns one feed may name.',
  }),
  maxBufferedBytes: Type.Integer({
    group: 'Receiving',
    default: 65_536,
    // Node says 'drain' below this; a smaller limit would never be told that there is room.
    minimum: 65_536,
    maximum: 67_108_864,
    description:
      'Unsent bytes of one stream above which it gets no live events and catches up from the log instead.',
  }),
  maxPageEvents: Type.Integer({
    group: 'Receiving',
    default: 1000,
    minimum: 1,
    maximum: 100_000,
    description: 'The longest page of history.',
  }),
  maxWaitMs: Type.Integer({
    group: 'Receiving',
    default: 60_000,
    minimum: 0,
    maximum: MAX_TIMER_MS,
    description: 'The longest time that a long-polling request (`wait=`) is held.',
  }),
  retryMs: Type.Integer({
    group: 'Receiving',
    default: 2000,
    minimum: 0,
    maximum: MAX_TIMER_MS,
    description: 'How long clients are told to wait before they reconnect (`retry:`).',
  }),
  presenceIntervalMs: Type.Integer({
    group: 'Receiving',
    default: 1000,
    minimum: 10,
    maximum: 3_600_000,
    unit: 'ms',
    description: 'How often streams that want to know are told who has come and gone.',
  }),
  heartbeatMs: Type.Integer({
    group: 'Receiving',
    default: 15_000,
    minimum: 10,
    maximum: MAX_KEEPALIVE_MS,
    description: 'A silent stream gets a comment this often, so that proxies keep it open.',
  }),
  stallTimeoutMs: Type.Integer({
    group: 'Receiving',
    default: 60_000,
    minimum: 10,
    maximum: MAX_TIMER_MS,
    description:
      'A stream whose client reads nothing for this long, or less than 16 KiB of what waits, is closed; the client can resume.',
  }),
}
