// The options that say what connections may cost, and when they end: a part of `schema.ts`.

import { Type } from 'typebox'
import { MAX_KEEPALIVE_MS, MAX_TIMER_MS } from './longest-delays.ts'

export const connectionOptions = {
  maxConnections: Type.Integer({
    group: 'Connections',
    default: 50_000,
    minimum: 1,
    maximum: 10_000_000,
    description: 'How many connections are open at once.',
  }),
  maxConnectionsPerAddress: Type.Integer({
    group: 'Connections',
    default: 0,
    minimum: 0,
    maximum: 10_000_000,
    description:
      'How many connections one address has at once, an IPv6 network of 64 bits being one. 0 means no limit. Those of a proxy that `trustProxy` names are not counted; behind any other, all clients share its address.',
  }),
  maxStreamsPerConnection: Type.Integer({
    group: 'Connections',
    default: 256,
    minimum: 1,
    maximum: 100_000,
    description: 'How many event streams one HTTP/2 connection carries at once.',
  }),
  maxHeaderBytes: Type.Integer({
    group: 'Connections',
    default: 32_768,
    minimum: 1024,
    maximum: 1_048_576,
    description: 'The largest request head. A feed names its topics there.',
  }),
  headTimeoutMs: Type.Integer({
    group: 'Connections',
    default: 20_000,
    minimum: 10,
    maximum: MAX_TIMER_MS,
    description: 'How long a TLS handshake may take, and the head of an HTTP/1.1 request.',
  }),
  maxHeldBytesPerConnection: Type.Integer({
    group: 'Connections',
    unit: 'bytes',
    default: 67_108_864,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      'What bodies that are under way and answers that are not read yet take of memory. One of them always fits.',
  }),
  maxOverheadRate: Type.Integer({
    group: 'Connections',
    unit: 'bytes/s',
    default: 65_536,
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      'What an HTTP/2 peer may send beside requests and bodies (PING, SETTINGS, padding and the like). Beyond it the connection is ended.',
  }),
  pingIntervalMs: Type.Integer({
    group: 'Connections',
    default: 15_000,
    minimum: 10,
    maximum: MAX_KEEPALIVE_MS,
    description: 'How often a silent HTTP/2 peer is sent a PING.',
  }),
  pingTimeoutMs: Type.Integer({
    group: 'Connections',
    default: 10_000,
    minimum: 10,
    maximum: MAX_TIMER_MS,
    description:
      'A peer that leaves a PING unanswered for this long is freed; for twice as long, if it sends something else meanwhile.',
  }),
  idleTimeoutMs: Type.Integer({
    group: 'Connections',
    default: 72_000,
    minimum: 10,
    maximum: MAX_TIMER_MS,
    description:
      'A connection with no stream open and no request for this long is closed; on HTTP/2 up to `pingIntervalMs` later.',
  }),
  drainMs: Type.Integer({
    group: 'Connections',
    default: 5000,
    minimum: 0,
    maximum: MAX_TIMER_MS,
    description: 'After SIGTERM, all streams are closed within this time.',
  }),
}
